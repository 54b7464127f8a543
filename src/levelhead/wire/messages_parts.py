"""Chat content parts -> Anthropic content blocks. Every block is new: the client's own objects are never touched."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from ..errors import InvalidRequest, NotCapable

__all__ = ["Block", "cache_mark", "is_blank", "write_blocks"]

Block = dict[str, Any]
_IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
# Clients label images wrongly, and the vendor compares the label with the bytes.
_MAGIC = (("iVBORw", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))
_NATIVE = frozenset({
    "image", "document", "search_result", "tool_reference", "container_upload",
    "server_tool_use", "mcp_tool_use", "compaction",
})  # fmt: skip


def is_blank(text: str) -> bool:
    """The vendor refuses text blocks that are empty or hold white space only."""
    return not text or text.isspace()


def cache_mark(owner: Mapping[str, Any]) -> dict[str, str] | None:
    """The owner's `cache_control`, reduced to what the vendor knows."""
    if "cache_control" not in owner:
        return None
    mark = owner["cache_control"]
    if not isinstance(mark, dict) or mark.get("type") != "ephemeral":
        return None
    return {"type": "ephemeral", "ttl": "1h"} if mark.get("ttl") == "1h" else {"type": "ephemeral"}


def write_blocks(content: object, where: str, first: int = 0) -> list[Block]:
    """`content` is a string, a list of parts or None. Blank texts give no block.

    `where` names it in errors, and `first` says which part the list begins with.

    Raises `NotCapable` for a part that this wire can't carry, `InvalidRequest` for a broken one.
    """
    if isinstance(content, str):
        return [] if is_blank(content) else [{"type": "text", "text": content}]
    if content is None:
        return []
    if not isinstance(content, list):
        return [{"type": "text", "text": orjson.dumps(content).decode()}]
    blocks: list[Block] = []
    for at, part in enumerate(content, first):
        if isinstance(part, str):
            blocks += write_blocks(part, where)
            continue
        block = write_part(part, f"{where}[{at}]")
        if block is not None:
            blocks.append(block)
    return blocks


def write_part(part: object, where: str) -> Block | None:
    if not isinstance(part, dict):
        raise InvalidRequest(f"{where} must be an object.", param=where)
    kind = part.get("type")
    text = part.get("refusal") if kind == "refusal" else part.get("text")
    if isinstance(text, str) and kind not in _NATIVE:
        if is_blank(text):
            return None
        block: Block = {"type": "text", "text": text}
        if part.get("citations"):
            block["citations"] = part["citations"]
    elif kind in _NATIVE or (isinstance(kind, str) and kind.endswith("_tool_result")):
        block = {**part}
    elif kind in _WRITERS:
        block = _WRITERS[kind](part, where)
    else:
        raise NotCapable(f"Anthropic models can't take a content part of type {kind!r}.", param=where)
    mark = cache_mark(part)
    if mark is not None:
        block["cache_control"] = mark
    elif "cache_control" in block:
        del block["cache_control"]
    return block


def _image(part: Mapping[str, Any], where: str) -> Block:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str) or not url:
        raise InvalidRequest(f"{where}.image_url.url must be a URL or a data URL.", param=f"{where}.image_url.url")
    if url[:5].lower() != "data:" and "://" in url[:16]:
        return {"type": "image", "source": {"type": "url", "url": url}}
    label, data = _inline(url, f"{where}.image_url.url")
    media_type = next((kind for magic, kind in _MAGIC if data.startswith(magic)), label)
    if media_type not in _IMAGE_TYPES:
        raise InvalidRequest(f"{where}: images must be PNG, JPEG, GIF or WebP.", param=f"{where}.image_url.url")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _file(part: Mapping[str, Any], where: str) -> Block:
    file = part.get("file")
    file = file if isinstance(file, dict) else {}
    name, data, file_id = file.get("filename"), file.get("file_data"), file.get("file_id")
    if isinstance(data, str) and data:
        block = _document(data, f"{where}.file.file_data")
    elif isinstance(file_id, str) and file_id.startswith("file_"):
        block = {"type": "document", "source": {"type": "file", "file_id": file_id}}
    elif isinstance(file_id, str) and file_id.startswith("http"):
        block = {"type": "document", "source": {"type": "url", "url": file_id}}
    elif file_id:
        raise NotCapable("Anthropic models can't read another vendor's stored files.", param=f"{where}.file.file_id")
    else:
        raise InvalidRequest(f"{where}.file needs file_data.", param=f"{where}.file")
    if isinstance(name, str) and name:
        block["title"] = name[:500]
    return block


def _document(url: str, where: str) -> Block:
    if url.startswith(("https://", "http://")):
        return {"type": "document", "source": {"type": "url", "url": url}}
    label, data = _inline(url, where)
    if data.startswith("JVBER"):  # %PDF
        return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}}
    if label.startswith("text/") or label in ("application/json", "application/xml"):
        text = base64.b64decode(data).decode("utf-8", "replace")
        return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}
    raise NotCapable("Anthropic models can read PDF and text files only.", param=where)


def _audio(part: Mapping[str, Any], where: str) -> Block:
    raise NotCapable("Anthropic models can't listen to audio.", param=where)


def _inline(url: str, where: str) -> tuple[str, str]:
    """Media type and base64 of a data URL (RFC 2397); a bare base64 text counts as one without a label."""
    if url[:5].lower() != "data:":
        return "", _checked(url, where)
    head, comma, data = url[5:].partition(",")
    label, *parameters = head.lower().split(";")
    if not comma or not data:
        raise InvalidRequest(f"{where} is not a complete data URL.", param=where)
    if "base64" not in (parameter.strip() for parameter in parameters):
        return label, base64.b64encode(unquote_to_bytes(data)).decode()
    return "image/jpeg" if label == "image/jpg" else label, _checked(data, where)


def _checked(data: str, where: str) -> str:
    """Mends what clients get wrong: line breaks, the URL-safe alphabet, padding. The vendor decodes all of it anyway,
    so only the beginning is looked at here."""
    if "%" in data[:64] or data[:128] != "".join(data[:128].split()):
        data = "".join(unquote_to_bytes(data).decode("ascii", "replace").split())
    if "-" in data or "_" in data:
        data = data.replace("-", "+").replace("_", "/")
    data += "=" * (-len(data) % 4)
    try:
        base64.b64decode(data[:64], validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"{where} is not base64.", param=where) from None
    return data


_WRITERS: dict[object, Callable[[Mapping[str, Any], str], Block]] = {
    "image_url": _image,
    "file": _file,
    "input_audio": _audio,
}
