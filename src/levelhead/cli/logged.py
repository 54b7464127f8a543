"""The decision log and its verdicts, read by commands while a proxy may be running."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from ..config import Config
    from ..observe.journal import JournalStore
    from ..types import Verdict

T = TypeVar("T")
_PAGE = 1_000  # verdicts


def opened(config: Config) -> JournalStore:
    """Raises `ConfigError` where there is none."""
    from ..errors import ConfigError
    from ..observe.journal import journal_file, open_store
    from ..spend.redis import connect

    where = config.state_store
    if isinstance(where, Path) and not journal_file(where).exists():
        raise ConfigError(f"No decision log at {journal_file(where)}: nothing was served with this configuration.")
    return open_store(
        where, password=config.secret(config.state.password_env), simulated=config.simulated, connect=connect
    )


def verdicts(store: JournalStore, since: float = 0.0) -> Iterator[Verdict]:
    """Raises `OSError` where the log can't be read."""
    import orjson

    from ..observe.journal import verdict_from

    place = 0
    while page := store.verdicts(place, _PAGE):
        place = page[-1][0]
        for _, doc in page:
            verdict = verdict_from(orjson.loads(doc))
            if verdict.at >= since:
                yield verdict


def watched(rows: Iterable[T], what: str) -> Iterator[T]:
    """With a count on the terminal, where there is one to see it."""
    if not sys.stderr.isatty():
        yield from rows
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} {task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(rows, description=what, total=None)
