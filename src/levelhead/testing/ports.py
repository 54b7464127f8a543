"""A port for a server that has to be told one."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

__all__ = ["free_port"]

LOWEST, HIGHEST = 15_000, 30_000


def free_port() -> int:
    """Of 127.0.0.1, and below those that systems give to clients and for port 0.

    So nobody takes it by chance before the server does, nor while the server is down.
    """
    while True:
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
