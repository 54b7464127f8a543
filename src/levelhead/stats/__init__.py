"""Statements about quality that hold with finite samples. Pure numpy; values are arrays of float64.

A *loss* is what the strong model's score exceeds the served answer's by: a number in [-1, 1], one per paired verdict.
"""

from .audited import AuditedLoss, Bounded
from .betting import betting_upper, log_wealth, shown_below
from .drift import Alarm
from .logistic import Logistic, fit_logistic
from .paired import critical_z, paired_upper, score_z
from .propensity import OffPolicy, off_policy
from .selection import Tested, loss_below, loss_upper
from .sequences import MeanSequence

__all__ = [
    "Alarm",
    "AuditedLoss",
    "Bounded",
    "Logistic",
    "MeanSequence",
    "OffPolicy",
    "Tested",
    "betting_upper",
    "critical_z",
    "fit_logistic",
    "log_wealth",
    "loss_below",
    "loss_upper",
    "off_policy",
    "paired_upper",
    "score_z",
    "shown_below",
]
