"""What the dashboard has room for."""

from __future__ import annotations

import random

from levelhead.serve.dashboard import BUDGETS, foremost
from levelhead.types import Balance, Scope


def test_lasting_budgets_come_first_then_the_fullest() -> None:
    runs = [Balance(Scope("run", f"team/{i}"), 1_000, i, 0, None) for i in range(1_000)]
    seats = [Balance(Scope("slot", f"team/{i}/critic"), 1_000, 1_000, 0, None) for i in range(3)]
    lasting = [Balance(Scope("key", "team"), 1_000, 10, 0, None), Balance(Scope("audit", "all"), 1_000, 990, 5, None)]
    every = [*runs, *seats, *lasting]
    random.Random(1).shuffle(every)
    shown = [str(one.scope) for one in foremost(every)]
    assert len(shown) == BUDGETS
    assert shown[:2] == ["audit:all", "key:team"]
    assert {*shown[2:5]} == {f"slot:team/{i}/critic" for i in range(3)}
    assert shown[5:] == [f"run:team/{i}" for i in (999, 998, 997)]
    assert foremost([]) == []
