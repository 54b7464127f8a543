"""Request logs of an existing gateway: LiteLLM's spend logs, and OpenAI-style logs of request and response.

A row of LiteLLM's (`/spend/logs`, or the table `LiteLLM_SpendLogs` as JSON) holds the request in
`proxy_server_request` or its `messages`, where the gateway was told to keep prompts. An OpenAI-style row has `request`
and `response` (each may have its own `body`, as in batch files), or is a request with the answer's `usage` beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from ..errors import ConfigError
from ..spend import cost, lookup
from ..types import NANOS_PER_USD, Dialect, Usage
from ..wire.messages_answer import read_usage
from ..wire.usage import from_openai

Json = Mapping[str, Any]

_BOM = b"\xef\xbb\xbf"
CUT = b"litellm_truncated"  # stands in a text that LiteLLM kept the ends of


@dataclass(frozen=True, slots=True)
class Logged:
    """One answered request. `raw`: its body as a client would send it; `paid_usd`: as logged, else at list prices."""

    id: str
    session: str
    dialect: Dialect
    raw: bytes
    model: str
    usage: Usage
    paid_usd: float
    at: float  # Unix seconds; 0 where the log doesn't say

    @property
    def cut(self) -> bool:
        """Whether the gateway kept a part of the prompt only."""
        return CUT in self.raw


@dataclass(slots=True)
class Log:
    """`left_out`: how many rows say nothing of routing, by why."""

    requests: list[Logged] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    left_out_usd: float = 0.0


def is_log(path: Path) -> bool:
    """Whether the first row is a request rather than an outcome."""
    if path.suffix not in (".json", ".jsonl"):
        return False
    try:
        first = next(_rows(path), None)
    except (OSError, orjson.JSONDecodeError):
        return False
    return isinstance(first, dict) and "score" not in first and not {"prompt_id", "prompt"} <= first.keys()


def read_log(path: Path) -> Log:
    """Raises `ConfigError` for a file that can't be read, or has no row that a request can be read from."""
    log = Log()
    try:
        for number, row in enumerate(_rows(path), 1):
            if not isinstance(row, dict):
                raise ConfigError(f"{path.name}, row {number}: should be an object")
            _add(log, row, number)
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigError(f"{path.name}: not a request log: {error}") from None
    if not log.requests:
        why = ", ".join(f"{count} {reason}" for reason, count in log.left_out.most_common()) or "it is empty"
        raise ConfigError(f"{path.name}: no request to route: {why}")
    return log


def _rows(path: Path) -> Iterator[Any]:
    """JSON lines, read one by one; or an array, or an object with the array in `data` or `logs`."""
    with path.open("rb") as file:
        first = next((line for line in file if line.strip()), b"").removeprefix(_BOM)
        row = _parsed_line(first)
        if isinstance(row, dict) and _many(row) is None:
            yield row
            for line in file:
                if line.strip():
                    yield orjson.loads(line)
            return
    whole = orjson.loads(path.read_bytes().removeprefix(_BOM)) if first else []
    if isinstance(whole, dict):
        whole = _many(whole) or [whole]
    yield from whole if isinstance(whole, list) else [whole]


def _parsed_line(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # the first line of something larger
        return None


def _many(whole: Json) -> list[Any] | None:
    return next((whole[name] for name in ("data", "logs") if isinstance(whole.get(name), list)), None)


def _add(log: Log, row: Json, number: int) -> None:
    paid = _number(row, "spend", "cost_usd", "cost")
    found, why = _request(row, number, paid)
    if found is None:
        log.left_out[why] += 1
        log.left_out_usd += paid or 0.0
    else:
        log.requests.append(found)


def _request(row: Json, number: int, paid: float | None) -> tuple[Logged | None, str]:
    """The request, or None and why not."""
    response = _inner(row.get("response"))
    if row.get("status") == "failure" or _failed(row.get("response")) or response.get("error"):
        return None, "failed"
    if str(row.get("cache_hit")).lower() == "true":
        return None, "answered from a cache"
    body = _body(row)
    dialect = _dialect(row, body)
    if dialect is None:
        return None, "without a prompt (LiteLLM keeps them with store_prompts_in_spend_logs)"
    usage = _usage(row, response)
    if not usage.prompt and not usage.output:
        return None, "without token counts"
    model = str(row.get("model") or response.get("model") or body.get("model") or "")
    if paid is None:
        listing = lookup(model, "litellm", None)
        if listing is None:
            return None, "of a model without a price"
        paid = cost(usage, listing.price, _moment(row)) / NANOS_PER_USD
    id = str(row.get("request_id") or row.get("id") or row.get("custom_id") or response.get("id") or number)
    body = {key: value for key, value in body.items() if key not in ("metadata", "litellm_metadata", "stream")}
    raw = orjson.dumps({**body, "model": "auto"}, default=str)
    session = str(row.get("session_id") or row.get("trace_id") or "")
    return Logged(id, session, dialect, raw, model, usage, paid, _moment(row)), ""


def _body(row: Json) -> dict[str, Any]:
    """The request's body, wherever it stands; with LiteLLM's `messages` where only those were kept."""
    for name in ("proxy_server_request", "request", "body"):
        if body := _inner(row.get(name)):
            return body
    kept = _parsed(row.get("messages"))
    if isinstance(kept, list) and kept:
        return {**{name: row[name] for name in ("tools", "max_tokens") if row.get(name)}, "messages": kept}
    if row.get("input") or isinstance(row.get("prompt"), str):
        return dict(row)
    return {}


def _dialect(row: Json, body: Json) -> Dialect | None:
    call = str(row.get("call_type") or row.get("url") or row.get("endpoint") or "")
    if "embedding" in call or "image" in call or "speech" in call or "transcription" in call:
        return None
    if isinstance(body.get("messages"), list) and body["messages"]:
        anthropic = "anthropic" in call or call.endswith("/messages") or "system" in body
        return "messages" if anthropic else "chat"
    if body.get("input") and ("responses" in call or "instructions" in body or isinstance(body["input"], list)):
        return "responses"
    return "completions" if isinstance(body.get("prompt"), str) and body["prompt"] else None


def _usage(row: Json, response: Json) -> Usage:
    metadata = _parsed(row.get("metadata"))
    kept = metadata.get("usage_object") if isinstance(metadata, dict) else None
    for said in (kept, response.get("usage"), row.get("usage"), row):
        if isinstance(said, dict):
            if "prompt_tokens" in said:
                return from_openai(said)
            if "cache_read_input_tokens" in said or "cache_creation_input_tokens" in said:
                return read_usage(said)
            if "input_tokens" in said:
                named = {"prompt_tokens": said["input_tokens"], "completion_tokens": said.get("output_tokens")}
                details = {f"{name}_details": said.get(f"{old}_details") for name, old in _RENAMED}
                return from_openai(named | details)
    return Usage()


_RENAMED = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))


def _inner(value: object) -> dict[str, Any]:
    """An object that may be JSON in a string, and may be wrapped in a `body`."""
    found = _parsed(value)
    if isinstance(found, dict) and "body" in found:
        found = _parsed(found["body"])
    return found if isinstance(found, dict) else {}


def _failed(response: object) -> bool:
    found = _parsed(response)
    status = found.get("status_code") if isinstance(found, dict) else None
    return isinstance(status, int) and status >= 400


def _parsed(value: object) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value


def _number(row: Json, *names: str) -> float | None:
    """USD that was really paid: LiteLLM writes 0 where it knows no price."""
    for name in names:
        said = row.get(name)
        if isinstance(said, int | float) and not isinstance(said, bool) and 0 < said < float("inf"):
            return float(said)
    return None


def _moment(row: Json) -> float:
    for name in ("startTime", "created_at", "created", "timestamp"):
        said = row.get(name)
        if isinstance(said, int | float) and not isinstance(said, bool):
            return float(said)
        if isinstance(said, str):
            try:
                moment = datetime.fromisoformat(said)
            except ValueError:
                continue
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return 0.0
