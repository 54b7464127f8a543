"""What a long command is at, on the terminal it was started from; nothing where stderr goes elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str], None]


@contextmanager
def telling() -> Iterator[Tell]:
    """Tells with a line that moves, and is gone at the end."""
    if not sys.stderr.isatty():
        yield lambda said: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("starting") as line:
        yield lambda said: line.update(escape(said))


@contextmanager
def counting(what: str) -> Iterator[Callable[[], None]]:
    """Counts how many there have been."""
    with telling() as tell:
        done = 0

        def one_more() -> None:
            nonlocal done
            done += 1
            tell(f"{done:,} {what}")

        yield one_more
