"""Anthropic's system blocks and turns -> the messages of chat completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from ..types import Json

__all__ = ["as_chat", "as_system"]

_THINKING = ("thinking", "redacted_thinking")
# Claude Code's first system block: it differs from call to call, which would cost every other vendor's prompt cache.
_BILLING = "x-anthropic-billing-header:"


def as_system(system: object) -> Iterator[dict[str, Any]]:
    if isinstance(system, str):
        if system.strip():
            yield {"role": "system", "content": system}
    elif isinstance(system, list):
        parts = [_text_part(block) for block in system if not block["text"].startswith(_BILLING)]
        parts = [part for part in parts if part["text"].strip()]
        if parts:
            plain = len(parts) == 1 and len(parts[0]) == 2
            yield {"role": "system", "content": parts[0]["text"] if plain else parts}


def as_chat(messages: Sequence[Json]) -> list[Json]:
    chat: list[Json] = []
    for message in messages:
        content = message["content"]
        if type(content) is str:
            chat.append({"role": message["role"], "content": content})
        elif message["role"] == "assistant":
            chat.append(_assistant(content))
        elif message["role"] == "system":
            chat += as_system([block for block in content if block.get("type") == "text"])
        else:
            chat += _user(content)
    return chat


def _user(blocks: Sequence[Json]) -> Iterator[Json]:
    """Results first, each a message of its own; what a result shows besides text is shown by the user."""
    parts: list[dict[str, Any]] = []
    for block in blocks:
        if block["type"] == "tool_result":
            text, shown = _result(block)
            message: dict[str, Any] = {"role": "tool", "tool_call_id": block["tool_use_id"], "content": text}
            if block.get("is_error") is True:
                message["is_error"] = True
            yield message
            parts += shown
    for block in blocks:
        if block["type"] != "tool_result":
            parts += _parts(block)
    if len(parts) == 1 and set(parts[0]) == {"type", "text"}:
        yield {"role": "user", "content": parts[0]["text"]}
    elif parts:
        yield {"role": "user", "content": parts}


def _result(block: Json) -> tuple[str, list[dict[str, Any]]]:
    """The text of a tool's result, and what else it holds."""
    content = block.get("content")
    if not isinstance(content, list):
        return content or "", []
    texts: list[str] = []
    shown: list[dict[str, Any]] = []
    for inner in content:
        for part in _parts(inner):
            if part["type"] == "text":
                texts.append(part["text"])
            else:
                shown.append(part)
    if shown:
        texts.append("(what the tool returned besides text is shown below)")
        shown.insert(0, {"type": "text", "text": f"(shown by the tool call {block['tool_use_id']})"})
    return "\n".join(texts), shown


def _assistant(blocks: Sequence[Json]) -> Json:
    texts: list[str] = []
    thoughts: list[Json] = []
    calls: list[dict[str, Any]] = []
    for block in blocks:
        kind = block["type"]
        if kind == "text":
            texts.append(block["text"])
        elif kind in _THINKING:
            thoughts.append(block)
        elif kind == "tool_use":
            arguments = orjson.dumps(block.get("input") or {}).decode()
            function = {"name": block["name"], "arguments": arguments}
            calls.append({"id": block["id"], "type": "function", "function": function})
        else:
            texts += [part["text"] for part in _parts(block) if part["type"] == "text"]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    if calls:
        message["tool_calls"] = calls
    elif message["content"] is None:
        message["content"] = ""
    if thoughts:
        message["thinking_blocks"] = thoughts
    return message


def _parts(block: Json) -> list[dict[str, Any]]:
    """A block as content parts; one that nobody else knows is told in words."""
    kind = block["type"]
    if kind == "text":
        return [_text_part(block)]
    if kind == "image":
        return [_image(block)]
    if kind == "document":
        return _document(block)
    if kind == "search_result":
        heading = f"{block.get('title') or ''} ({block.get('source') or ''})"
        return [{"type": "text", "text": heading}, *_inner(block.get("content"))]
    if kind == "server_tool_use" or kind == "mcp_tool_use":
        return [_said(f"\n(used {block.get('name')}: {orjson.dumps(block.get('input') or {}).decode()})\n")]
    if kind.endswith("_tool_result"):
        return [_said(f"\n(result: {_digest(block.get('content'))})\n")]
    return [_said(f"({kind})")] if kind != "tool_reference" else [_said(f"(tool {block.get('tool_name')})")]


def _inner(content: object) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [_said(content)]
    blocks = content if isinstance(content, list) else []
    return [part for block in blocks if isinstance(block, dict) and "type" in block for part in _parts(block)]


def _said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _text_part(block: Json) -> dict[str, Any]:
    part = {"type": "text", "text": block["text"]}
    if "cache_control" in block:
        part["cache_control"] = block["cache_control"]
    return part


def _image(block: Json) -> dict[str, Any]:
    source = block["source"]
    if source["type"] == "base64":
        return {"type": "image_url", "image_url": {"url": f"data:{source['media_type']};base64,{source['data']}"}}
    if source["type"] == "url":
        return {"type": "image_url", "image_url": {"url": source["url"]}}
    return {**block}  # a file stored at the vendor


def _document(block: Json) -> list[dict[str, Any]]:
    source = block["source"]
    title = block.get("title") or "document"
    if source["type"] == "text":
        return [_said(f"{title}:\n{source.get('data') or ''}")]
    if source["type"] == "content":
        return [_said(f"{title}:"), *_inner(source.get("content"))]
    if source["type"] == "base64":
        data = f"data:{source['media_type']};base64,{source['data']}"
        return [{"type": "file", "file": {"filename": title if "." in title else f"{title}.pdf", "file_data": data}}]
    return [{**block}]


def _digest(content: object) -> str:
    """What a server tool found, as far as it is text: titles and addresses of a search, output of a program."""
    if isinstance(content, list):
        return "; ".join(filter(None, map(_digest, content)))
    if not isinstance(content, dict):
        return content if isinstance(content, str) else ""
    names = ("title", "url", "text", "stdout", "stderr", "error_code")
    inner = _digest(content.get("content"))
    return " ".join([*(str(content[name]) for name in names if content.get(name)), *filter(None, [inner])])
