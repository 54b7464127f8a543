"""Task -> Assessment: level, difficulty and each model's chance of serving it well. Numpy only."""

from .model import TextQualityModel as QualityModel
from .model import load_quality_model
from .online import Corrections
from .probed import probed

__all__ = ["Corrections", "QualityModel", "load_quality_model", "probed"]
