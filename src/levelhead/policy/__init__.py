"""Assessment -> Decision. Pure functions: no clock, no network, no state."""

from .choose import Offer, choose
from .gates import first_gate

__all__ = ["Offer", "choose", "first_gate"]
