"""What a journal is kept in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ...types import value

KEPT_DECISIONS = 1_000_000  # the oldest go first
KEPT_SECONDS = 30 * 86_400.0


@value
class Row:
    """One decision: its id, Unix time and key beside the JSON that tells everything, see `rows`."""

    id: str
    at: float
    key: str
    doc: bytes


class JournalStore(Protocol):
    """Rows are JSON. Called from one thread. Raises `OSError` where the store can't be used just now."""

    def write(self, rows: Sequence[Row]) -> None: ...

    def decision(self, id: str) -> bytes | None: ...

    def decisions(self, since: float, key: str | None, most: int) -> Iterator[bytes]:
        """Newest first, of one key or of all."""
        ...

    def judge(self, decision_id: str, source: str, doc: bytes) -> bool:
        """Adds a verdict at the end of the line. False: this source has judged this decision before."""
        ...

    def verdicts(self, after: int, most: int) -> list[tuple[int, bytes]]:
        """Verdicts in their order, each with its place in the line, from the one after `after`."""
        ...

    def verdicts_of(self, decision_id: str) -> list[bytes]: ...

    def snapshot(self) -> tuple[int, bytes] | None:
        """What had been learnt at some place in the line; the latest that was kept."""
        ...

    def keep(self, place: int, learnt: bytes) -> None: ...

    def close(self) -> None: ...
