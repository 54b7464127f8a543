"""Log lines on stderr: one for each request, JSON unless a person watches. No prompts, no answers, no secrets."""

from __future__ import annotations

import logging
import sys
import time
from functools import lru_cache
from typing import Any, Protocol, TextIO

import orjson

from ..types import Attempt, Record

_root = logging.getLogger("levelhead")
_requests = logging.getLogger("levelhead.requests")
_TRACEBACKS = logging.Formatter()
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def configure_logging(
    stream: TextIO | None = None, *, json: bool | None = None, level: int | str = logging.INFO
) -> None:
    """Sends everything below the `levelhead` logger to `stream` (stderr). `json` None: unless it is a terminal.

    Called by the command line only: inside another program, its own logging decides.
    """
    stream = sys.stderr if stream is None else stream
    json = not stream.isatty() if json is None else json
    _root.handlers = [_Lines(stream, _json if json else _text)]
    _root.propagate = False
    _root.setLevel(level)


class RequestLog:
    """`ports.Observer`: a line for each finished request, at INFO; errors of ours and of upstreams at WARNING."""

    def attempted(self, attempt: Attempt) -> None:
        pass

    def finished(self, record: Record) -> None:
        level = logging.WARNING if record.outcome == "error" else logging.INFO
        if not _requests.isEnabledFor(level):
            return
        fields = _fields(record)
        if (ours := _only_ours()) is not None:
            ours.request(level, fields)
            return
        # not through Logger.info: that walks the stack for a line number that is always this one
        line = logging.LogRecord(_requests.name, level, "", 0, "request", None, None)
        line.fields = fields
        _requests.handle(line)


def _fields(record: Record) -> dict[str, Any]:
    identity, decision, model = record.identity, record.decision, record.model
    fields: dict[str, Any] = {"id": record.id, "outcome": record.outcome}
    if record.error_code:
        fields["error"] = record.error_code
    fields["key"] = identity.key.name
    if identity.slot:
        fields["slot"] = identity.slot
    if identity.run:
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
    return fields


class _Form(Protocol):
    """One line of log, without its end."""

    def __call__(self, at: float, level: int, event: str, fields: dict[str, Any], traceback: str = "") -> str: ...


class _Lines(logging.StreamHandler[TextIO]):
    """The handler that `configure_logging` installs; the `fields` of a record follow its message."""

    def __init__(self, stream: TextIO, form: _Form) -> None:
        super().__init__(stream)
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", None) or {"logger": record.name}
        traceback = _TRACEBACKS.formatException(record.exc_info) if record.exc_info else ""
        return self._form(record.created, record.levelno, record.getMessage(), fields, traceback)

    def request(self, level: int, fields: dict[str, Any]) -> None:
        """The same line without a `LogRecord`: that one's way through the loggers costs more than the line."""
        line = self._form(time.time(), level, "request", fields)
        self.acquire()
        try:
            self.stream.write(line + self.terminator)
            self.flush()
        except (OSError, ValueError):  # a full disk, a closed stream: an answer must not fail for its line
            pass
        finally:
            self.release()


def _only_ours() -> _Lines | None:
    """The handler, where nothing but what `configure_logging` installed would see a request's line."""
    handlers = _root.handlers
    if len(handlers) != 1 or _root.propagate or _requests.handlers or _requests.filters:
        return None
    return handlers[0] if isinstance(handlers[0], _Lines) else None


def _json(at: float, level: int, event: str, fields: dict[str, Any], traceback: str = "") -> str:
    line = {"time": f"{_utc(int(at))}.{int(at % 1 * 1000):03d}Z", "level": _name(level), "event": event, **fields}
    if traceback:
        line["traceback"] = traceback
    return orjson.dumps(line, default=str).decode()


def _text(at: float, level: int, event: str, fields: dict[str, Any], traceback: str = "") -> str:
    words = [time.strftime("%H:%M:%S", time.localtime(at)), _name(level), event]
    words += [f"{name}={value}" for name, value in fields.items() if name != "logger"]
    line = " ".join(words).translate(_ESCAPES)  # an id with control characters must not write on the terminal
    return f"{line}\n{traceback}" if traceback else line


def _name(level: int) -> str:
    return logging.getLevelName(level).lower()


@lru_cache(4)
def _utc(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
