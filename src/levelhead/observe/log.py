"""Log lines on stderr: one for each request, JSON unless a person watches. No prompts, no answers, no secrets."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, TextIO

import orjson

from ..types import Attempt, Record

_requests = logging.getLogger("levelhead.requests")
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def configure_logging(
    stream: TextIO | None = None, *, json: bool | None = None, level: int | str = logging.INFO
) -> None:
    """Sends everything below the `levelhead` logger to `stream` (stderr). `json` None: unless it is a terminal.

    Called by the command line only: inside another program, its own logging decides.
    """
    stream = sys.stderr if stream is None else stream
    json = not stream.isatty() if json is None else json
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonFormatter() if json else _TextFormatter())
    root = logging.getLogger("levelhead")
    root.handlers = [handler]
    root.propagate = False
    root.setLevel(level)


class RequestLog:
    """`ports.Observer`: a line for each finished request, at INFO; errors of ours and of upstreams at WARNING."""

    def attempted(self, attempt: Attempt) -> None:
        pass

    def finished(self, record: Record) -> None:
        level = logging.WARNING if record.outcome == "error" else logging.INFO
        if not _requests.isEnabledFor(level):
            return
        # not through Logger.info: that walks the stack for a line number that is always this one
        line = logging.LogRecord(_requests.name, level, "", 0, "request", None, None)
        line.fields = _fields(record)
        _requests.handle(line)


def _fields(record: Record) -> dict[str, Any]:
    identity, decision, model = record.identity, record.decision, record.model
    fields: dict[str, Any] = {"id": record.id, "outcome": record.outcome}
    fields["error"] = record.error_code
    fields["key"] = identity.key.name
    fields["slot"] = identity.slot
    fields["run"] = identity.run
    task_level = record.level if decision is None else decision.level
    if task_level is not None:
        fields["task_level"] = task_level.name
    if decision is not None:
        fields["reason"] = decision.reason.value
    if model is not None:
        fields["model"] = model.name
        fields["tier"] = model.tier
    fields["cache"] = record.cache
    fields["attempts"] = len(record.attempts)
    fields["input_tokens"] = record.usage.prompt
    fields["output_tokens"] = record.usage.output
    fields["cost_usd"] = round(record.cost_usd, 9)
    fields["baseline_usd"] = round(record.baseline_usd, 9)
    fields["overhead_ms"] = round(record.overhead_seconds * 1e3, 3)
    if record.first_byte_seconds is not None:
        fields["first_byte_ms"] = round(record.first_byte_seconds * 1e3, 1)
    fields["total_ms"] = round(record.total_seconds * 1e3, 1)
    return {name: value for name, value in fields.items() if value not in (None, "")}


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _utc(record.created), "level": record.levelname.lower(), "event": record.getMessage()}
        fields = getattr(record, "fields", None)
        if fields is None:
            line["logger"] = record.name
        else:
            line |= fields
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", None) or {}
        words = [
            time.strftime("%H:%M:%S", time.localtime(record.created)),
            record.levelname.lower(),
            record.getMessage(),
        ]
        words += [f"{name}={value}" for name, value in fields.items()]
        line = " ".join(words).translate(_ESCAPES)  # an id with control characters must not write on the terminal
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _utc(seconds: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1000):03d}Z"
