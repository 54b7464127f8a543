"""The rules of one content block, in the words of api.anthropic.com."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Block = Mapping[str, Any]

_KEYS: dict[str, frozenset[str]] = {
    "text": frozenset({"type", "text", "cache_control", "citations"}),
    "image": frozenset({"type", "source", "cache_control", "transformations"}),
    "document": frozenset({"type", "source", "cache_control", "citations", "context", "title"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "cache_control", "caller", "toolset_name"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"}),
}
_SERVER_KINDS = ("server_tool_use", "_tool_result", "search_result", "container_upload", "compaction", "mcp_tool_use")
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_MAX_IMAGE_BASE64 = 5 * 1024 * 1024
_NOT_IN_RESULTS = ("tool_use", "tool_result", "thinking", "redacted_thinking")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")


def blocks_of(content: object) -> list[Block]:
    """`content` as the vendor reads it: a string is one text block, an empty one none."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content) if isinstance(content, list) else []


def images_in(block: Block) -> int:
    if block.get("type") == "tool_result":
        return sum(images_in(part) for part in blocks_of(block.get("content")))
    return block.get("type") == "image"


def placed(block: Block, where: str, role: str) -> str | None:
    kind = block["type"]
    if kind == "tool_result" and role != "user":
        return f"{where}: `tool_result` blocks can only be in `user` messages"
    if kind in ("tool_use", "thinking", "redacted_thinking") and role != "assistant":
        return f"{where}: `{kind}` blocks can only be in `assistant` messages"
    if kind in ("image", "document") and role != "user":
        return f"{where}: `{kind}` blocks can only be in `user` messages"
    if role == "system" and kind != "text":
        return f"{where}.type: Input should be 'text'"
    return None


def check_block(block: Block, where: str, owner: str) -> str | None:
    kind = block.get("type") if isinstance(block, Mapping) else None
    if not isinstance(kind, str):
        return f"{where}.type: Field required"
    keys = _KEYS.get(kind)
    if keys is None:
        known = kind.endswith(_SERVER_KINDS)
        return (
            None if known else f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )
    for name in block:
        if name not in keys:
            return f"{where}.{kind}.{name}: Extra inputs are not permitted"
    return _RULES[kind](block, where, owner)


def _text(block: Block, where: str, owner: str) -> str | None:
    text = block.get("text")
    if not isinstance(text, str):
        return f"{where}.text.text: Input should be a valid string"
    if not text:
        if block.get("cache_control"):
            return f"{where}.text: cache_control cannot be set for empty text blocks"
        return f"{owner}: text content blocks must be non-empty"
    return None if text.strip() else f"{owner}: text content blocks must contain non-whitespace text"


def _media(block: Block, where: str, owner: str) -> str | None:
    kind, source = block["type"], block.get("source")
    if not isinstance(source, Mapping):
        return f"{where}.{kind}.source: Field required"
    form = source.get("type")
    if form == "url":
        url = source.get("url")
        fine = isinstance(url, str) and url.startswith(("https://", "http://"))
        return None if fine else f"{where}.{kind}.source.url: Only HTTPS URLs are supported."
    if form == "base64":
        allowed = _IMAGE_TYPES if kind == "image" else ("application/pdf",)
        if source.get("media_type") not in allowed:
            return f"{where}.{kind}.source.base64.media_type: Input should be {' or '.join(map(repr, allowed))}"
        data = source.get("data")
        if not isinstance(data, str) or not data:
            return f"{where}.{kind}.source.base64.data: Input should be a valid string"
        if kind == "image" and len(data) > _MAX_IMAGE_BASE64:
            return f"{where}.image.source.base64: image exceeds 5 MB maximum: {len(data)} > {_MAX_IMAGE_BASE64} bytes"
        return None
    if form == "text" and kind == "document":
        return None if source.get("data") else f"{where}.document.source.text.data: Input should be a valid string"
    if form in ("file", "content"):
        return None
    return f"{where}.{kind}.source: Input tag '{form}' found using 'type' does not match any of the expected tags"


def _thinking_block(block: Block, where: str, owner: str) -> str | None:
    if not isinstance(block.get("thinking"), str):
        return f"{where}.thinking.thinking: Input should be a valid string"
    signature = block.get("signature")
    if not isinstance(signature, str):
        return f"{where}.thinking.signature: Field required"
    return None if signature else f"{where}: Invalid `signature` in `thinking` block"


def _redacted_block(block: Block, where: str, owner: str) -> str | None:
    return None if block.get("data") else f"{where}.redacted_thinking.data: Field required"


def _tool_use(block: Block, where: str, owner: str) -> str | None:
    if not NAME.match(str(block.get("id", ""))):
        return f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
    if not NAME.match(str(block.get("name", ""))):
        return f"{where}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
    return (
        None if isinstance(block.get("input"), dict) else f"{where}.tool_use.input: Input should be a valid dictionary"
    )


def _tool_result(block: Block, where: str, owner: str) -> str | None:
    if not NAME.match(str(block.get("tool_use_id", ""))):
        return f"{where}.tool_result.tool_use_id: String should match pattern '^[a-zA-Z0-9_-]+$'"
    content = block.get("content")
    if isinstance(content, str) or content is None:
        return None
    for at, part in enumerate(blocks_of(content)):
        inside = f"{where}.tool_result.content.{at}"
        if part.get("type") in _NOT_IN_RESULTS:
            return f"{inside}: Input tag '{part['type']}' found using 'type' does not match any of the expected tags"
        refusal = check_block(part, inside, owner)
        if refusal is not None:
            return refusal
    return None


_RULES: dict[str, Callable[[Block, str, str], str | None]] = {
    "text": _text,
    "image": _media,
    "document": _media,
    "thinking": _thinking_block,
    "redacted_thinking": _redacted_block,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
