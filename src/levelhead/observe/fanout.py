"""Several observers as one."""

from __future__ import annotations

import logging

from ..ports import Observer
from ..types import Attempt, Record

log = logging.getLogger(__name__)


class Fanout:
    """Tells each observer in turn. One that breaks its promise and raises is logged, and the others still hear."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def attempted(self, attempt: Attempt) -> None:
        for observer in self._observers:
            try:
                observer.attempted(attempt)
            except Exception:
                log.exception("%s.attempted failed", type(observer).__name__)

    def finished(self, record: Record) -> None:
        for observer in self._observers:
            try:
                observer.finished(record)
            except Exception:
                log.exception("%s.finished failed", type(observer).__name__)
