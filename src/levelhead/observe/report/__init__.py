"""What was spent, saved and risked, from the decision log: figures first, then a page that can be mailed."""

from .figures import Figures
from .page import page

__all__ = ["Figures", "page"]
