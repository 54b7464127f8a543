"""Items of OpenAI's Responses -> the messages of chat completions.

What a model thought travels in a reasoning item's `encrypted_content`: opaque to the client, as it is at OpenAI, which
sends it back with every turn. A blob that another proxy or OpenAI itself made says nothing here and is left out.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ..types import Json
from .chat_messages import Tally, count_document
from .fields import Fault, each, missing, object_, required, string, wrong_type
from .responses_tools import flat_name

__all__ = ["as_messages", "check_items", "sealed"]

_SEAL = "levelhead1."
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_ROLES = ("user", "assistant", "system", "developer")


def sealed(thinking_blocks: object, reasoning: str) -> str:
    """Thoughts as a reasoning item's `encrypted_content`."""
    kept = {"blocks": thinking_blocks} if thinking_blocks else {"text": reasoning}
    return _SEAL + base64.b64encode(orjson.dumps(kept)).decode()


def _opened(blob: object) -> Mapping[str, Any]:
    if not isinstance(blob, str) or not blob.startswith(_SEAL):
        return {}
    try:
        kept = orjson.loads(base64.b64decode(blob[len(_SEAL) :]))
    except ValueError:
        return {}
    if not isinstance(kept, dict):
        return {}
    blocks, text = kept.get("blocks"), kept.get("text")  # a client can write what it likes into it
    return {
        "blocks": [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else None,
        "text": text if isinstance(text, str) else None,
    }


# --- checks ---


def check_items(items: object, tally: Tally) -> None:
    if type(items) is not list:
        raise wrong_type("", "a string or an array of items", items)
    if not items:
        raise Fault("", "Invalid '{}': empty array. Expected at least one item.", "empty_array")
    each(items, _item, tally)


def _item(item: Any, tally: Tally) -> None:
    object_(item)
    kind = item.get("type", "message")
    if kind == "message":
        role = item.get("role")
        if role not in _ROLES:
            raise missing("role") if role is None else Fault("role", "Invalid value for '{}'.")
        if role == "user":
            tally.turn()
        _content(item, "content", tally)
    elif kind == "function_call" or kind == "custom_tool_call":
        for name in ("call_id", "name", "arguments" if kind == "function_call" else "input"):
            required(item, name, string)
    elif kind in _OUTPUTS:
        required(item, "call_id", string)
        _content(item, "output", tally)
    elif kind == "item_reference":
        required(item, "id", string)  # those that are known have been put in their place
        said = "Invalid '{}': no item with that id is kept here: it is unknown, too old, or was made with store=false."
        raise Fault("id", said, "item_not_found")
    elif type(kind) is not str:
        raise wrong_type("type", "a string", kind)


def _content(item: dict[str, Any], name: str, tally: Tally) -> None:
    if name not in item:
        raise missing(name)
    content = item[name]
    if type(content) is str:
        return
    if type(content) is not list:
        raise wrong_type(name, "a string or an array of parts", content)
    for index, part in enumerate(content):
        try:
            object_(part)
            required(part, "type", string)
            _part(part, tally)
        except Fault as fault:
            raise fault.within(f"{name}[{index}]") from None


def _part(part: dict[str, Any], tally: Tally) -> None:
    kind = part["type"]
    if kind in ("input_text", "output_text", "text"):
        required(part, "text", string)
    elif kind == "input_image":
        if part.get("image_url") is None:
            raise Fault("image_url", "Missing '{}': files stored at OpenAI can't be read from here.")
        required(part, "image_url", string)
        tally.image(part["image_url"])
    elif kind == "input_file":
        if part.get("file_data") is None and part.get("file_url") is None:
            raise Fault("file_data", "Missing '{}': files stored at OpenAI can't be read from here.")
        count_document(part.get("file_data"), tally)
    elif kind == "refusal":
        required(part, "refusal", string)
    else:
        raise Fault("type", "Invalid value for '{}'.")


# --- translation ---


def as_messages(items: Sequence[Json]) -> list[Json]:
    messages: list[Json] = []
    turn: dict[str, Any] | None = None  # the assistant's that is being gathered
    for item in items:
        kind = item.get("type", "message")
        role = item.get("role") if kind == "message" else None
        if role in ("user", "system", "developer"):
            turn = None
            messages.append({"role": role, "content": _parts(item["content"])})
        elif kind in _OUTPUTS:
            turn = None
            messages += _output(item)
        else:
            if turn is None or (kind == "reasoning" and turn.get("tool_calls")):
                turn = {"role": "assistant", "content": None}
                messages.append(turn)
            _add(turn, kind, item)
    return [message for message in messages if not _is_empty(message)]


def _is_empty(message: Json) -> bool:
    """An assistant's turn of foreign thoughts, or of calls that OpenAI made itself."""
    said = ("content", "tool_calls", "refusal", "thinking_blocks", "reasoning_content")
    return message["role"] == "assistant" and not any(message.get(name) for name in said)


def _add(turn: dict[str, Any], kind: str, item: Json) -> None:
    if kind == "message":
        content = item["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        refusal = "".join(part["refusal"] for part in parts if part["type"] == "refusal")
        text = "".join(part.get("text", "") for part in parts if part["type"] != "refusal")
        turn["content"] = f"{turn['content'] or ''}{text}" or None
        if refusal:
            turn["refusal"] = refusal
    elif kind == "function_call" or kind == "custom_tool_call":
        name = flat_name(item["name"], item.get("namespace"))
        written = item["arguments"] if kind == "function_call" else orjson.dumps({"input": item["input"]}).decode()
        call = {"id": item["call_id"], "type": "function", "function": {"name": name, "arguments": written}}
        turn.setdefault("tool_calls", []).append(call)
    elif kind == "reasoning":
        kept = _opened(item.get("encrypted_content"))
        lists = [item[name] for name in ("content", "summary") if isinstance(item.get(name), list)]
        parts = [part for known in lists for part in known]
        texts = [part.get("text") for part in parts if isinstance(part, dict)]
        if kept.get("blocks"):
            turn["thinking_blocks"] = [*turn.get("thinking_blocks", ()), *kept["blocks"]]
        elif text := kept.get("text") or "\n".join(text for text in texts if isinstance(text, str)):
            turn["reasoning_content"] = turn.get("reasoning_content", "") + text


def _output(item: Json) -> list[Json]:
    """A tool's result; what it shows besides text is shown by the user."""
    output = item["output"]
    if isinstance(output, str):
        return [{"role": "tool", "tool_call_id": item["call_id"], "content": output}]
    parts = _parts(output)
    if isinstance(parts, str):
        return [{"role": "tool", "tool_call_id": item["call_id"], "content": parts}]
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    shown = [part for part in parts if part["type"] != "text"]
    heading = {"type": "text", "text": f"(shown by the tool call {item['call_id']})"}
    note = "(what the tool returned besides text is shown below)"
    return [
        {"role": "tool", "tool_call_id": item["call_id"], "content": f"{text}\n{note}".strip()},
        {"role": "user", "content": [heading, *shown]},
    ]


def _parts(content: Any) -> Any:
    """One text alone stays a string."""
    if isinstance(content, str):
        return content
    parts = [_written(part) for part in content]
    if len(parts) == 1 and parts[0]["type"] == "text":
        return parts[0]["text"]
    return parts


def _written(part: Json) -> dict[str, Any]:
    kind = part["type"]
    if kind == "input_image":
        image = {"url": part["image_url"]}
        if part.get("detail") in ("low", "high", "auto"):
            image["detail"] = part["detail"]
        return {"type": "image_url", "image_url": image}
    if kind == "input_file":
        file = {"file_data": part.get("file_data") or part.get("file_url")}
        if part.get("filename"):
            file["filename"] = part["filename"]
        return {"type": "file", "file": file}
    return {"type": "text", "text": part["refusal"] if kind == "refusal" else part["text"]}
