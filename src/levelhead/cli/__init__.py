"""The command line: one file per verb. Heavy parts load inside the verb that needs them, so that all start fast.

Exit codes: 0 fine, 1 it failed or found something, 2 it was called wrongly.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence

# What a start loads stays until the end: looking for garbage in it finds none.
gc.set_threshold(100_000)
atexit.register(gc.freeze)


def main(arguments: Sequence[str] | None = None) -> None:
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them costs every start 40 ms
    # After that; and not at the top, for a server's workers import this module too.
    import typer

    from ..errors import LevelheadError
    from .verbs import app

    try:
        app(args=arguments, prog_name="levelhead")
    except LevelheadError as error:
        typer.echo(f"levelhead: {error.message}", err=True)
        sys.exit(1)
