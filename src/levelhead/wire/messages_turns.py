"""A chat's messages -> `system` blocks and turns that follow Anthropic's rules.

The turns alternate and begin with a user, every call has its result at the head of the next turn, ids are legal and
unique, no text is blank. What is written for a message depends on what came before it only, as far as the rules allow:
a conversation that grows keeps its beginning, and with it its prompt cache and the thinking bound to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ..types import Json
from .claude import ClaudeTraits
from .messages_parts import Block, cache_mark, is_blank, write_blocks
from .messages_thinking import signed, unsigned
from .messages_tools import clean_id, clean_name

__all__ = ["OPENING", "Turn", "write_turns"]

OPENING = "(start of the conversation)"
CONTINUE = "Continue."
EMPTY = "(empty message)"
NO_RESULT = "(no result of this call was recorded)"
_THINKING = ("thinking", "redacted_thinking")

Turn = dict[str, Any]


def write_turns(
    messages: Sequence[Json],
    traits: ClaudeTraits,
    *,
    thinks: bool,
    prefill: bool,
    repairs: dict[str, int] | None = None,
) -> tuple[list[Block], list[Turn]]:
    """`thinks`: replay thinking. `prefill`: the conversation may end on an assistant. `repairs`: see `history.py`.

    Raises `NotCapable` or `InvalidRequest` for a content part that can't be carried.
    """
    writer = _Writer(traits, thinks, {} if repairs is None else repairs)
    for message in messages:
        writer.add(message)
    return writer.finish(prefill)


class _Call:
    __slots__ = ("id", "name", "original", "result")

    def __init__(self, original: str, id: str, name: str) -> None:
        self.original = original
        self.id = id
        self.name = name
        self.result: Block | None = None


class _Writer:
    def __init__(self, traits: ClaudeTraits, thinks: bool, repairs: dict[str, int]) -> None:
        self._traits = traits
        self._thinks = thinks
        self._repairs = repairs
        self._at = -1
        self._system: list[Block] = []
        self._turns: list[Turn] = []
        self._leading = True
        self._calls: list[_Call] = []  # of the last assistant turn, open
        self._used: set[str] = set()  # ids of all calls so far
        # the user's turn that is being gathered
        self._said: list[Block] = []
        self._instructed: list[Block] = []
        self._silent = False  # a user message came that said nothing

    def add(self, message: Json) -> None:
        self._at += 1
        role = message.get("role")
        if role == "assistant":
            self._leading = False
            self._assistant(message)
        elif role in ("system", "developer"):
            self._instruct(message)
        elif role == "tool":
            self._leading = False
            self._result(message.get("tool_call_id"), None, message)
        elif role == "function":
            self._leading = False
            self._result(None, message.get("name"), message)
        else:
            self._leading = False
            self._user(message)

    def finish(self, prefill: bool) -> tuple[list[Block], list[Turn]]:
        if self._gathered() or self._calls:
            self._close()
        turns = self._turns
        if not turns:  # instructions alone: they are what the model shall answer to
            turns.append({"role": "user", "content": self._system or [{"type": "text", "text": OPENING}]})
            return [], turns
        if turns[0]["role"] == "assistant":
            turns.insert(0, {"role": "user", "content": [{"type": "text", "text": OPENING}]})
        if turns[-1]["role"] == "assistant":
            last = turns[-1]["content"][-1]
            if not prefill or last["type"] != "text":
                self._repaired("turns_rewritten")
                turns.append({"role": "user", "content": [{"type": "text", "text": CONTINUE}]})
            else:
                last["text"] = last["text"].rstrip()
        return self._system, turns

    def _user(self, message: Json) -> None:
        content = message.get("content")
        if isinstance(content, list) and any(_kind(part) == "tool_result" for part in content):
            # some clients mix the dialects
            for part in content:
                if _kind(part) == "tool_result":
                    self._result(part.get("tool_use_id"), None, part)
            content = [part for part in content if _kind(part) != "tool_result"]
            if not content:
                return
        blocks = _marked(self._blocks(content), message)
        self._silent = self._silent or not blocks
        self._said += blocks

    def _instruct(self, message: Json) -> None:
        blocks = [block for block in self._blocks(message.get("content")) if block["type"] == "text"]
        blocks = _marked(blocks, message)
        if self._leading:
            self._system += blocks
        elif self._traits.system_turns:
            self._instructed += blocks
        else:
            self._said += map(_as_user, blocks)

    def _result(self, original: object, name: object, message: Mapping[str, Any]) -> None:
        block: Block = {"type": "tool_result", "tool_use_id": ""}
        content = message.get("content")
        if not isinstance(content, str):
            content = self._blocks(content)
        if content and not (isinstance(content, str) and content.isspace()):
            block["content"] = content
        if message.get("is_error") is True:
            block["is_error"] = True
        mark = cache_mark(message)
        if mark is not None:
            block["cache_control"] = mark
        for call in self._calls:
            asked = call.original == original if original else (name is None or call.name == clean_name(str(name)))
            if call.result is None and asked:
                block["tool_use_id"] = call.id
                call.result = block
                return
        self._said += _orphan(block, original or name)
        self._repaired("orphan_told")

    def _repaired(self, kind: str) -> None:
        self._repairs[kind] = self._repairs.get(kind, 0) + 1

    def _assistant(self, message: Json) -> None:
        content = message.get("content")
        blocks: list[Block] = self._thinking(message)
        calls: list[_Call] = []
        if isinstance(content, list):
            for at, part in enumerate(content):
                blocks += self._assistant_part(part, calls, at)
            blocks = _marked(blocks, message)
        else:
            blocks += _marked(self._blocks(content), message)
        if message.get("refusal"):
            blocks += self._blocks(message["refusal"])
        for call in message.get("tool_calls") or ():
            function = call.get("function") or call.get("custom") or {}
            arguments = function.get("arguments") if "function" in call else {"input": function.get("input")}
            blocks.append(self._call(call.get("id"), function.get("name"), arguments, calls))
        legacy = message.get("function_call")
        if isinstance(legacy, Mapping):
            blocks.append(self._call(None, legacy.get("name"), legacy.get("arguments"), calls))
        if blocks and any(block["type"] not in _THINKING for block in blocks):
            self._speak(blocks, calls)

    def _assistant_part(self, part: object, calls: list[_Call], at: int) -> list[Block]:
        kind = _kind(part)
        if isinstance(part, dict) and kind == "tool_use":
            return [self._call(part.get("id"), part.get("name"), part.get("input"), calls)]
        if isinstance(part, dict) and kind in _THINKING:
            return self._replayed([part])
        if kind in ("image_url", "image", "file", "document"):  # refused from an assistant
            return [{"type": "text", "text": f"({kind.removesuffix('_url')})"}]
        return self._blocks([part], at)

    def _blocks(self, content: object, first: int = 0) -> list[Block]:
        if isinstance(content, str):
            return [] if is_blank(content) else [{"type": "text", "text": content}]
        return write_blocks(content, f"messages[{self._at}].content", first)

    def _thinking(self, message: Json) -> list[Block]:
        """Thinking of this message's own that the model can take back."""
        content = message.get("content")
        if isinstance(content, list) and any(_kind(part) in _THINKING for part in content):
            return []  # it stands in the content, in its place
        given = message.get("thinking_blocks")
        blocks = self._replayed(given if isinstance(given, list) else [])
        if not blocks and self._traits.claude and message.get("reasoning_content"):
            self._repaired("thinking_dropped")
        if blocks or self._traits.claude or not self._thinks:
            return blocks
        # DeepSeek's endpoint for this wire wants its reasoning back, even where there was none
        text = message.get("reasoning_content") or ""
        wanted = text or message.get("tool_calls")
        return [{"type": "thinking", "thinking": text, "signature": ""}] if wanted else []

    def _replayed(self, given: Sequence[Any]) -> list[Block]:
        if not self._thinks:
            return []
        replay = signed if self._traits.claude else unsigned
        blocks = [block for one in given if isinstance(one, dict) and (block := replay(one)) is not None]
        if len(blocks) < len(given):
            self._repaired("thinking_dropped")
        return blocks

    def _call(self, original: object, name: object, arguments: object, calls: list[_Call]) -> Block:
        text = original if isinstance(original, str) and original else f"call_{len(self._used)}"
        id = clean_id(text)
        if id != original:
            self._repaired("id_rewritten")
        if id in self._used:  # clients that count their calls anew in every turn
            id = clean_id(f"{id[:100]}_{len(self._used)}")
        self._used.add(id)
        clean = clean_name(str(name or "unnamed"))
        calls.append(_Call(text if text is original else "", id, clean))
        return {"type": "tool_use", "id": id, "name": clean, "input": _input(arguments)}

    def _speak(self, blocks: list[Block], calls: list[_Call]) -> None:
        if self._gathered():
            self._close()
        if self._turns and self._turns[-1]["role"] == "assistant":
            self._turns[-1]["content"] += blocks
        else:
            self._turns.append({"role": "assistant", "content": blocks})
        self._calls += calls

    def _gathered(self) -> bool:
        return bool(self._said or self._instructed or self._silent or any(call.result for call in self._calls))

    def _close(self) -> None:
        """Ends the user's turn. Results come first, then what else was said."""
        for call in self._calls:
            if call.result is None:
                self._repaired("result_added")
        blocks = [call.result or _missing(call) for call in self._calls] + self._said
        instructed = self._instructed
        if instructed and not blocks:
            blocks, instructed = list(map(_as_user, instructed)), []
        self._turns.append({"role": "user", "content": blocks or [{"type": "text", "text": EMPTY}]})
        if instructed:
            self._turns.append({"role": "system", "content": instructed})
        self._said, self._instructed, self._calls, self._silent = [], [], [], False


def _kind(part: object) -> str:
    return str(part.get("type")) if isinstance(part, dict) else ""


def _marked(blocks: list[Block], message: Mapping[str, Any]) -> list[Block]:
    """A message's own cache mark belongs to its last block."""
    if "cache_control" not in message:
        return blocks
    mark = cache_mark(message)
    if mark is not None and blocks and blocks[-1]["type"] not in _THINKING:
        blocks[-1]["cache_control"] = mark
    return blocks


def _as_user(block: Block) -> Block:
    """An instruction where only users may speak."""
    return {**block, "text": f"<system>\n{block['text']}\n</system>"}


def _missing(call: _Call) -> Block:
    return {"type": "tool_result", "tool_use_id": call.id, "content": NO_RESULT, "is_error": True}


def _orphan(block: Block, name: object) -> list[Block]:
    """A result without its call can only be told."""
    content = block.get("content", "")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) and content else list(content)
    heading = f"Result of an earlier tool call ({name}):" if name else "Result of an earlier tool call:"
    return [{"type": "text", "text": heading}, *blocks]


def _input(arguments: object) -> Any:
    """A call's arguments as the object that they must be: kept to the letter where they are one."""
    if isinstance(arguments, dict):
        return arguments
    if not isinstance(arguments, str) or not arguments.strip():
        return {} if arguments is None or isinstance(arguments, str) else {"arguments": arguments}
    try:
        parsed = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {"raw_arguments": arguments}
    return orjson.Fragment(arguments) if isinstance(parsed, dict) else {"arguments": orjson.Fragment(arguments)}
