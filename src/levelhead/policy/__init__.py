"""Assessment -> Decision. Pure functions: no clock, no network, no state but what `affinity.py` remembers."""

from .affinity import Affinity
from .certificate import (
    FILE,
    WHOLE,
    Certificate,
    Paired,
    Route,
    load,
    mark_withdrawn,
    paired_of,
    policy_version,
    save,
    trust_of,
    uplift_of,
)
from .choose import Choice, Offer, choose
from .dual import dual_price
from .gates import FIELD_OF_NEED, first_gate, unmet_needs
from .watch import Promises, Watch

__all__ = [
    "FIELD_OF_NEED",
    "FILE",
    "WHOLE",
    "Affinity",
    "Certificate",
    "Choice",
    "Offer",
    "Paired",
    "Promises",
    "Route",
    "Watch",
    "choose",
    "dual_price",
    "first_gate",
    "load",
    "mark_withdrawn",
    "paired_of",
    "policy_version",
    "save",
    "trust_of",
    "unmet_needs",
    "uplift_of",
]
