"""What the head of a request says."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

import httptools


def path(url: bytes) -> str:
    """Empty for what is no URL."""
    if url[:1] != b"/":  # the absolute form, as proxies are asked
        try:
            url = httptools.parse_url(url).path or b"/"
        except httptools.HttpParserInvalidURLError:
            return ""
    path = url.partition(b"?")[0].decode("latin-1")
    return unquote(path) if "%" in path else path


def framing(headers: Mapping[str, str]) -> bytes:
    """The header line that says how long a body is; none: it is empty."""
    for name in ("transfer-encoding", "content-length"):
        if name in headers:
            return f"{name}: {headers[name]}\r\n".encode()
    return b""


def size(url: bytes, headers: Mapping[str, str]) -> int:
    """Bytes, line ends included."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers.items())
