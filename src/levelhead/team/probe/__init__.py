"""How able is a model, and may it choose its own roles? At most 100 short tasks, then team tasks in pairs."""

from .ability import Estimate, Measuring
from .asking import ProbeReport, probe
from .gate import Gate
from .items import Item, bank, team_tasks

__all__ = ["Estimate", "Gate", "Item", "Measuring", "ProbeReport", "bank", "probe", "team_tasks"]
