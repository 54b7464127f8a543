"""What a caller may wish for one request besides saying who it is: a ceiling on its cost, a lean in its choice."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from ..errors import InvalidRequest
from ..types import NANOS_PER_USD, Nanos, value

MAX_COST = "x-levelhead-max-cost-usd"
LEAN = "x-levelhead-lean"
_MOST_USD = 1_000_000.0


@value
class Wishes:
    """`most`: nanodollars that the whole request may cost, None: no ceiling of its own.

    `lean` -1..1 is added to what the strong model is predicted to gain: 1 asks for strength wherever it is allowed,
    -1 for thrift. It moves a choice within what slot, key and budget allow, never beyond.
    """

    most: Nanos | None = None
    lean: float = 0.0


NONE = Wishes()


def read_wishes(headers: Mapping[str, str]) -> Wishes:
    """Raises `InvalidRequest` naming the header that is no number in its range."""
    cost, lean = headers.get(MAX_COST), headers.get(LEAN)
    if cost is None and lean is None:
        return NONE
    most = None if cost is None else int(_number(cost, MAX_COST, 0.0, _MOST_USD) * NANOS_PER_USD)
    return Wishes(most, 0.0 if lean is None else _number(lean, LEAN, -1.0, 1.0))


def _number(text: str, header: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number) or not least <= number <= most:
        raise InvalidRequest(f"The header {header} must be a number from {least:g} to {most:g}.", param=header)
    return number
