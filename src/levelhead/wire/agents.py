"""Ids that arrive without being asked for: W3C baggage, and the session headers of known coding agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import orjson

__all__ = ["agent_hints", "baggage_hints"]

_MAX_BAGGAGE = 8192  # W3C Baggage, section 3.3.2
_MAX_HINT = 4096
_BAGGAGE_NAMES = {
    prefix + name: name for name in ("run", "slot", "session", "task") for prefix in ("levelhead.", "levelhead-")
}
_PLAIN_BAGGAGE_NAMES = {"run": "run", "slot": "slot", "session": "session", "task": "task", "session.id": "session"}


def baggage_hints(header: str) -> dict[str, str]:
    """`levelhead.run=r1,slot=critic;property`: keys of our own win over plain names; what can't be read is skipped."""
    hints: dict[str, str] = {}
    plain: dict[str, str] = {}
    for member in header[:_MAX_BAGGAGE].split(","):
        name, equals, value = member.partition(";")[0].partition("=")
        name = name.strip().lower()
        value = unquote(value.strip())
        if not equals or not value:
            continue
        if name in _BAGGAGE_NAMES:
            hints.setdefault(_BAGGAGE_NAMES[name], value)
        elif name in _PLAIN_BAGGAGE_NAMES:
            plain.setdefault(_PLAIN_BAGGAGE_NAMES[name], value)
    return {**plain, **hints}


def agent_hints(headers: Mapping[str, str], metadata: Any) -> dict[str, str]:
    """Session and run as Claude Code, Codex or opencode send them; empty for anyone else.

    An agent's own conversation is the session; what its subagents share is the run.
    """
    if session := headers.get("x-claude-code-session-id") or _claude_user(metadata):
        agent = headers.get("x-claude-code-agent-id")
        return {"run": session, "session": f"{session}:{agent}" if agent else session}
    turn = headers.get("x-codex-turn-metadata")
    if turn or "thread-id" in headers or "session-id" in headers:
        said = _object(turn)
        run = headers.get("session-id") or _text(said.get("session_id"))
        thread = headers.get("thread-id") or _text(said.get("thread_id"))
        return {name: value for name, value in (("run", run or thread), ("session", thread or run)) if value}
    own = headers.get("x-session-id") or headers.get("x-opencode-session") or headers.get("x-session-affinity")
    return {"run": headers.get("x-parent-session-id") or own, "session": own} if own else {}


def _claude_user(metadata: Any) -> str:
    """Claude Code's `metadata.user_id`: JSON with a `session_id`, formerly `user_..._session_<uuid>`."""
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    if not isinstance(user, str):
        return ""
    if user.startswith("{"):
        return _text(_object(user).get("session_id"))
    return user.rpartition("_session_")[2] if user.startswith("user_") and "_session_" in user else ""


def _object(text: str | None) -> dict[str, Any]:
    if not text or len(text) > _MAX_HINT:
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
