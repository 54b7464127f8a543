"""Teams: agents that organise themselves on one budget; how well they do; and who may change how they work."""

from .emergence import Emergence
from .record import TeamRun, Turn
from .remote import ProxyRouter
from .team import Team

__all__ = ["Emergence", "ProxyRouter", "Team", "TeamRun", "Turn"]
