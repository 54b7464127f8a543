"""`levelhead` with nobody looking: no metrics, no request log, no decision log, no audits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import levelhead.assemble as composition
from levelhead.cli import main
from levelhead.router import Pipeline
from levelhead.types import Attempt, Record


class Nobody:
    def attempted(self, attempt: Attempt) -> None: ...
    def finished(self, record: Record) -> None: ...


def assemble(*known: Any, **named: Any) -> composition.House:
    house = built(*known, **named)
    rooms = replace(house.pipeline._rooms, observer=Nobody(), auditor=None)
    return composition.House(Pipeline(rooms), house.metrics, None)


built = composition.assemble
composition.assemble = assemble

if __name__ == "__main__":
    main()
