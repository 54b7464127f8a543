"""The vocabulary: frozen values that every room shares.

Money inside levelhead is a whole number of nanodollars (1e-9 USD), so that ledgers add up exactly; anything shown to a
person or a client is USD as a float. Times are Unix seconds, durations seconds, sizes bytes, texts tokens.
"""

from .base import (
    NANOS_PER_USD,
    PROTOCOLS,
    Dialect,
    Json,
    Level,
    Nanos,
    Need,
    Reason,
    Secret,
    TeamProtocol,
    Wire,
    value,
)
from .decisions import ON_QUALITY, Assessment, Attempt, Audited, Candidate, Decision, Outcome, Record, Spent, Verdict
from .models import Capabilities, Goal, Key, Model, OffPeak, Price, Slot
from .money import Balance, Budget, Reservation, Scope
from .requests import Answer, Call, Chat, Chunk, Identity, Trace, Usage

__all__ = [
    "NANOS_PER_USD",
    "ON_QUALITY",
    "PROTOCOLS",
    "Answer",
    "Assessment",
    "Attempt",
    "Audited",
    "Balance",
    "Budget",
    "Call",
    "Candidate",
    "Capabilities",
    "Chat",
    "Chunk",
    "Decision",
    "Dialect",
    "Goal",
    "Identity",
    "Json",
    "Key",
    "Level",
    "Model",
    "Nanos",
    "Need",
    "OffPeak",
    "Outcome",
    "Price",
    "Reason",
    "Record",
    "Reservation",
    "Scope",
    "Secret",
    "Slot",
    "Spent",
    "TeamProtocol",
    "Trace",
    "Usage",
    "Verdict",
    "Wire",
    "value",
]
