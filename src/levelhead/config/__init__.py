"""The only reader of YAML and of the environment: `load()` gives one frozen `Config`.

Unknown keys are errors. Every problem of a file is told at once, as `path: message` lines of one `ConfigError`.
"""

from .entries import (
    AuditEntry,
    BudgetEntry,
    CacheEntry,
    CapabilitiesEntry,
    CharterEntry,
    KeyEntry,
    ModelEntry,
    PriceEntry,
    ServerEntry,
    ShadowEntry,
    SlotEntry,
    StateEntry,
    TimeoutsEntry,
)
from .reading import VARIABLE, find, from_mapping, load
from .root import ApiKey, Config, is_loopback

__all__ = [
    "VARIABLE",
    "ApiKey",
    "AuditEntry",
    "BudgetEntry",
    "CacheEntry",
    "CapabilitiesEntry",
    "CharterEntry",
    "Config",
    "KeyEntry",
    "ModelEntry",
    "PriceEntry",
    "ServerEntry",
    "ShadowEntry",
    "SlotEntry",
    "StateEntry",
    "TimeoutsEntry",
    "find",
    "from_mapping",
    "is_loopback",
    "load",
]
