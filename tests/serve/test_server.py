"""How a process is set up to serve."""

import gc
import weakref

from levelhead.serve.server import COLLECT_AFTER, collect_seldom


class Knot:
    def __init__(self) -> None:
        self.itself = self


def test_cycles_are_collected_seldom_but_they_are() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    collect_seldom()
    try:
        assert gc.get_freeze_count() > frozen
        knot = weakref.ref(Knot())
        gc.collect(0)
        assert knot() is None
        keeps = [[] for _ in range(COLLECT_AFTER[0] // 2)]
        knot = weakref.ref(Knot())
        assert knot() is not None
        keeps += [[] for _ in range(COLLECT_AFTER[0])]
        assert knot() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
