"""Assessment -> Decision. Pure functions: no clock, no network, no state but what `affinity.py` remembers."""

from .affinity import Affinity
from .choose import Choice, Offer, choose
from .dual import dual_price
from .gates import FIELD_OF_NEED, first_gate, unmet_needs

__all__ = ["FIELD_OF_NEED", "Affinity", "Choice", "Offer", "choose", "dual_price", "first_gate", "unmet_needs"]
