"""Does each upstream answer, and does it take the key? One `GET …/models` each: it costs nothing."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from ..config import Config, ModelEntry, is_loopback

TIMEOUT_SECONDS = 5.0
LARGEST_LIST = 4_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of asking; `models` are the configured names behind this upstream."""

    models: str
    status: Literal["ok", "warn", "problem"]
    detail: str
    mend: str | None = None


def answers(config: Config) -> Iterator[Reached]:
    """Asks every upstream at once; models that share an address and a key share the question."""
    groups: dict[tuple[str, str | None, str | None], list[str]] = {}
    for name, model in config.models.items():
        groups.setdefault((model.wire, model.base_url, model.api_key_env), []).append(name)
    with ThreadPoolExecutor(max_workers=8) as pool:
        yield from pool.map(lambda names: _ask(config, names), groups.values())


def _ask(config: Config, names: list[str]) -> Reached:
    models = {name: config.models[name] for name in names}
    entry = next(iter(models.values()))
    called = ", ".join(names)
    if entry.wire == "simulated":
        return Reached(called, "ok", "simulated: nothing to reach")
    if entry.wire == "litellm":
        return Reached(called, "ok", "not asked: litellm knows how to reach it")
    secret = config.secret(entry.api_key_env)
    if secret is None and entry.api_key_env is not None:
        return Reached(called, "warn", "not asked: its key is not set")
    key = None if secret is None else secret.reveal()
    base = str(entry.base_url)
    where = urlsplit(base)
    if key and where.scheme == "http" and not is_loopback(where.hostname or ""):
        mend = "Use https: anyone on the way could read the key."
        return Reached(called, "warn", f"{base}: not asked, the key would travel in the clear", mend)
    try:
        status, body = _get(_models_url(entry), _headers(entry, key))
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        return Reached(called, "problem", f"{base}: {reason}", "Check base_url, the network and the proxy settings.")
    return _judged(called, base, status, body, {n: m.model for n, m in models.items()}, bool(key))


def _judged(called: str, base: str, status: int, body: bytes, wanted: dict[str, str], keyed: bool) -> Reached:
    if status in (401, 403):
        mend = "Check the key in the variable that api_key_env names." if keyed else "Name its key by api_key_env."
        return Reached(called, "problem", f"{base} refuses the key (HTTP {status})", mend)
    if status == 402:
        return Reached(called, "problem", f"{base}: the account has no credit (HTTP 402)", "Top it up.")
    if 300 <= status < 400:
        return Reached(called, "problem", f"{base} redirects (HTTP {status})", "Set base_url to where it leads.")
    if status == 429 or status >= 500:
        return Reached(called, "warn", f"{base} answers HTTP {status}", "Try again later.")
    listed = _ids(body) if status == 200 else []
    absent = [name for name, model in wanted.items() if listed and not any(i.startswith(model) for i in listed)]
    if absent:
        mend = "Check " + ", ".join(f"models.{name}.model" for name in absent) + "; it may still be served."
        return Reached(called, "warn", f"{base} doesn't list {', '.join(wanted[name] for name in absent)}", mend)
    return Reached(called, "ok", f"{base} answers" + (" and lists the model" if listed else ""))


def _models_url(entry: ModelEntry) -> str:
    base = str(entry.base_url)
    if entry.wire == "openai":
        return f"{base}/models"
    return f"{base.removesuffix('/v1')}/v1/models?limit=1000"


def _headers(entry: ModelEntry, key: str | None) -> dict[str, str]:
    headers = {"accept": "application/json", "user-agent": "levelhead", **entry.extra_headers}
    if entry.wire == "anthropic":
        headers["anthropic-version"] = "2023-06-01"
        if key:
            headers["x-api-key"] = key
    elif key:
        headers["authorization"] = f"Bearer {key}"
    return headers


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to wherever it points."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _get(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(_NoRedirect)
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the configuration allows http(s) only
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            return response.status, response.read(LARGEST_LIST)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def _ids(body: bytes) -> list[str]:
    try:
        data = json.loads(body)["data"]
        return [entry["id"] for entry in data if isinstance(entry["id"], str)]
    except (ValueError, TypeError, KeyError):
        return []
