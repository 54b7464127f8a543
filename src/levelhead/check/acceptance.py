"""The outcomes of all checks as one calibrated probability: does this draft serve as well as one could wish?

Features are numbers around zero to one, unknown ones are zero, so that a check that didn't run says nothing. The
shipped weights were fitted to recorded answers (`levelhead.learn.acceptance`); verdicts move them from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, tanh

from ..stats import Logistic
from ..types import value

# Weights below stand in this order. "sibling": the second opinion is from the drafter's own family.
FEATURES = ("agrees", "differs", "letter", "sibling", "prior", "length", "stretch", "logprob", "checker")
# "sibling", "prior", "logprob" and "checker" are assumptions: the recorded answers say too little about them.
PRIOR = Logistic((1.63, -1.19, -0.48, -0.3, 0.6, -0.63, -0.33, 0.8, 3.0), 0.19)
# Where nothing is certified, a draft is served from here on: two that agree pass, two that differ don't.
DEFAULT_ACCEPTANCE = 0.75
_TYPICAL_TOKENS = 300.0


@value
class Outcome:
    """What the checks of one draft found; None where a check didn't run or had nothing to say.

    `agreement` 0..1 of the second opinion, `kind` what was compared, `prior` the chance from the task's text that the
    drafter serves it, `tokens` the draft's length, `stretch` the second opinion's length over the draft's, `logprob`
    the mean log-probability of the draft's tokens, `checker` the user's own score 0..1.
    """

    agreement: float | None = None
    kind: str = ""
    sibling: bool = False
    prior: float | None = None
    tokens: int | None = None
    stretch: float | None = None
    logprob: float | None = None
    checker: float | None = None


def features(found: Outcome) -> tuple[float, ...]:
    """One row in the order of `FEATURES`."""
    known = found.agreement is not None
    # A part says little: one field of three that differs makes a wrong answer, and so does one token of a program.
    agrees = found.agreement**5 if found.agreement is not None else 0.0
    return (
        agrees,
        1.0 - agrees if known else 0.0,
        agrees if found.kind == "letter" else 0.0,
        agrees if found.sibling else 0.0,
        _logit(found.prior) / 2 if found.prior is not None else 0.0,
        tanh(log((found.tokens + 1) / _TYPICAL_TOKENS)) if found.tokens is not None else 0.0,
        abs(tanh(log(max(found.stretch, 1e-3)))) if found.stretch is not None else 0.0,
        2 * exp(found.logprob) - 1.8 if found.logprob is not None else 0.0,
        2 * found.checker - 1 if found.checker is not None else 0.0,
    )


def acceptance(found: Outcome, model: Logistic = PRIOR) -> float:
    """0..1: the chance that the draft serves as well as an answer can be expected to."""
    return model.chance(features(found))


def mean_logprob(tokens: Sequence[object]) -> float | None:
    """Of the `logprobs.content` of a choice; None where there is none."""
    found = [
        item["logprob"] for item in tokens if isinstance(item, dict) and isinstance(item.get("logprob"), int | float)
    ]
    return sum(found) / len(found) if found else None


def _logit(chance: float) -> float:
    bounded = min(max(chance, 0.02), 0.98)
    return log(bounded / (1 - bounded))
