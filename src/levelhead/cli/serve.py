"""`levelhead serve`: the proxy."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from .options import ConfigOption


def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Default: server.host, 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Default: server.port, 8100; 0: a free one.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: server.workers, 1.")] = None,
) -> None:
    """Serve the proxy until SIGTERM, which drains it."""
    from ..config import find, load
    from ..serve import run

    read = load(config)
    run(
        read,
        host=read.server.host if host is None else host,
        port=read.server.port if port is None else port,
        workers=read.server.workers if workers is None else workers,
        file=find(config, os.environ),
    )
