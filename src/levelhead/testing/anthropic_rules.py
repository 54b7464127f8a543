"""What api.anthropic.com refuses, in its own words: `check(body, model=...)` gives the message of the 400, or None.

Independent of the writer in `wire/`: it reads a finished /v1/messages body the way the vendor does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from . import anthropic_settings as settings
from .anthropic_blocks import Block, blocks_of, check_block, images_in, placed
from .anthropic_models import ClaudeRules, rules

__all__ = ["check"]

# Name by name, with the JSON type that the vendor reads.
_TOP_LEVEL: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "model": ("string", str),
    "messages": ("list", list),
    "max_tokens": ("integer", int),
    "system": ("list", (str, list)),
    "tools": ("list", list),
    "tool_choice": ("dictionary", dict),
    "stream": ("boolean", bool),
    "stop_sequences": ("list", list),
    "temperature": ("number", (int, float)),
    "top_p": ("number", (int, float)),
    "top_k": ("integer", int),
    "metadata": ("dictionary", dict),
    "thinking": ("dictionary", dict),
    "output_config": ("dictionary", dict),
    "service_tier": ("value", object),
    "container": ("value", object),
    "context_management": ("dictionary", dict),
    "mcp_servers": ("value", object),
    "cache_control": ("dictionary", dict),
    "inference_geo": ("value", object),
    "speed": ("value", object),
    "diagnostics": ("dictionary", dict),
    "user_profile_id": ("value", object),
    "workspace_id": ("value", object),
    "billing_policy": ("value", object),
    "compaction": ("value", object),
    "fallbacks": ("value", object),
    "fallback_credit_token": ("value", object),
    "thread": ("value", object),
}
_REQUIRED = ("model", "max_tokens", "messages")
_EMPTY = "all messages must have non-empty content except for the optional final assistant message"
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}\.[^@\s]{2,}")


def check(body: Mapping[str, Any], *, model: str | None = None) -> str | None:
    """The vendor's refusal of a /v1/messages body, or None where it would be answered.

    `model` overrides the body's own name: a body for an alias is judged as the model behind it.
    """
    for name in _REQUIRED:
        if name not in body:
            return f"{name}: Field required"
    claude = rules(model or str(body["model"]))
    for rule in _RULES:
        refusal = rule(body, claude)
        if refusal is not None:
            return refusal
    return None


def _fields(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    for name, value in body.items():
        if name not in _TOP_LEVEL:
            return f"{name}: Extra inputs are not permitted"
        word, kind = _TOP_LEVEL[name]
        boolean = isinstance(value, bool) and kind not in (bool, object)
        if boolean or not (isinstance(value, kind) or (value is None and name not in _REQUIRED)):
            return f"{name}: Input should be a valid {word}"
    cap = body["max_tokens"]
    if cap < 0:
        return "max_tokens: must be greater than or equal to 0"
    if cap > claude.max_output:
        return (
            f"max_tokens: {cap} > {claude.max_output}, which is the maximum allowed number of output tokens for "
            f"{body['model']}"
        )
    for stop in body.get("stop_sequences") or ():
        if not isinstance(stop, str) or not stop.strip():
            return "stop_sequences: each stop sequence must contain non-whitespace"
    metadata = body.get("metadata") or {}
    for name in metadata:
        if name != "user_id":
            return f"metadata.{name}: Extra inputs are not permitted"
    user = metadata.get("user_id")
    if user is not None and (not isinstance(user, str) or len(user) > 256):
        return "metadata.user_id: String should have at most 256 characters"
    if user is not None and _EMAIL.search(user):
        return "metadata.user_id: user_id appears to contain an email address"
    return None


def _system(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    system = body.get("system")
    if system is None or isinstance(system, str):
        return None
    for at, block in enumerate(blocks_of(system)):
        if not isinstance(block, Mapping) or block.get("type") != "text":
            return f"system.{at}.type: Input should be 'text'"
        refusal = check_block(block, f"system.{at}", "system")
        if refusal is not None:
            return refusal
    return None


def _messages(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    messages = body["messages"]
    if not messages:
        return "messages: at least one message is required"
    if len(messages) > 100_000:
        return "messages: List should have at most 100000 items"
    images = 0
    for at, message in enumerate(messages):
        if not isinstance(message, Mapping):
            return f"messages.{at}: Input should be a valid dictionary"
        for name in message:
            if name not in ("role", "content"):
                return f"messages.{at}.{name}: Extra inputs are not permitted"
        if message.get("role") not in ("user", "assistant", "system"):
            return f"messages.{at}.role: Input should be 'user' or 'assistant'"
        if not isinstance(message.get("content"), str | list):
            return f"messages.{at}.content: Field required"
        blocks = blocks_of(message["content"])
        final_assistant = at == len(messages) - 1 and message["role"] == "assistant"
        if not blocks and not final_assistant:
            return f"messages.{at}: {_EMPTY}"
        for position, block in enumerate(blocks):
            refusal = check_block(block, f"messages.{at}.content.{position}", "messages") or placed(
                block, f"messages.{at}.content.{position}", message["role"]
            )
            if refusal is not None:
                return refusal
            images += images_in(block)
    if images > claude.max_images:
        return f"messages: too many images: {images} > {claude.max_images}"
    return None


def _turns(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    roles = [message["role"] for message in body["messages"]]
    if roles[0] == "system":
        return "messages.0: use the top-level 'system' parameter for the initial system prompt"
    if "system" in roles:
        if not claude.system_turns:
            return "role 'system' is not supported on this model"
        for at, role in enumerate(roles):
            after = roles[at + 1] if at + 1 < len(roles) else "assistant"
            if role == "system" and (roles[at - 1] != "user" or after != "assistant"):
                return f"messages.{at}: role 'system' must follow a user turn and precede an assistant turn"
    if roles[0] != "user":
        return 'messages: first message must use the "user" role'
    if roles[-1] == "assistant":
        if not claude.prefill:
            return (
                "This model does not support assistant message prefill. The conversation must end with a user message."
            )
        last = blocks_of(body["messages"][-1]["content"])
        if last and last[-1].get("type") == "text" and last[-1]["text"] != last[-1]["text"].rstrip():
            return "messages: final assistant content cannot end with trailing whitespace"
    return None


def _tool_pairs(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    """Neighbours of one role count as one turn, as they do for the vendor."""
    turns: list[tuple[str, int, list[Block]]] = []
    for at, message in enumerate(body["messages"]):
        if message["role"] == "system":
            continue
        if turns and turns[-1][0] == message["role"]:
            turns[-1][2].extend(blocks_of(message["content"]))
        else:
            turns.append((message["role"], at, list(blocks_of(message["content"]))))
    used: set[str] = set()
    open_ids: list[str] = []
    for role, at, blocks in turns:
        if role == "user":
            refusal = _results(blocks, at, open_ids)
            if refusal is not None:
                return refusal
            open_ids = []
            continue
        for position, block in enumerate(blocks):
            if block.get("type") == "tool_use":
                if block["id"] in used:
                    return f"messages.{at}.content.{position}: `tool_use` ids must be unique"
                used.add(block["id"])
                open_ids.append(block["id"])
    return _unanswered(open_ids, turns[-1][1]) if open_ids else None


def _results(blocks: list[Block], at: int, open_ids: Sequence[str]) -> str | None:
    answered: set[str] = set()
    others = False
    for position, block in enumerate(blocks):
        if block.get("type") != "tool_result":
            others = True
            continue
        known = block["tool_use_id"]
        if known not in open_ids:
            return (
                f"messages.{at}.content.{position}: unexpected `tool_use_id` found in `tool_result` blocks: {known}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if known in answered:
            return (
                f"messages.{at}.content.{position}: each tool_use must have a single result. Found multiple "
                f"`tool_result` blocks with id: {known}"
            )
        if others:
            return _unanswered([known], at - 1)
        answered.add(known)
    missing = [one for one in open_ids if one not in answered]
    return _unanswered(missing, at - 1) if missing else None


def _unanswered(missing: Sequence[str], at: int) -> str:
    return (
        f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(missing)}. "
        "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


_RULES = (
    _fields,
    _system,
    _messages,
    settings.tools,
    settings.tool_choice,
    _turns,
    _tool_pairs,
    settings.sampling,
    settings.output_config,
    settings.thinking,
    settings.cache,
)
