"""Every answer and stream of the corpus, read by levelhead and litellm: the same, or different for a reason given."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import httpx
import orjson
import pytest
from claude_corpus import ANSWERS, STREAMS
from json_paths import differences

from levelhead.types import Chat
from levelhead.wire import sse
from levelhead.wire.messages import StreamReader, read_answer

_COUNTED = "the vendor counts it or nobody does: litellm guesses from the visible text"
_NO_REASONING = "no reasoning was shown: no empty text is made of it"
ANSWER_DIFFERENCES: dict[str, dict[str, str]] = {
    "context full": {"finish_reason": "the answer was cut: 'stop' would say that it is whole"},
    "thinking": {"usage.reasoning": _COUNTED},
    "two thoughts": {"usage.reasoning": _COUNTED},
    "hidden thinking": {"usage.reasoning": _COUNTED, "reasoning_content": _NO_REASONING},
    "redacted thinking": {"usage.reasoning": _COUNTED, "reasoning_content": _NO_REASONING},
    "server tool": {"tool_calls": "the vendor ran it: a client must not be asked to"},
}
_PIECES = "one whole block with its signature, fit to be sent back; litellm's pieces must be glued first"
_NUMBERED = "the vendors' SDKs merge lists of objects by their index, and raise where it is missing"
STREAM_DIFFERENCES: dict[str, dict[str, str]] = {
    "thinking": {"thinking_blocks": _PIECES, "usage.reasoning": _COUNTED},
    "thinking tokens": {"thinking_blocks": _PIECES},
    "hidden thinking": {"thinking_blocks[*].index": _NUMBERED},
    "redacted thinking": {"thinking_blocks[*].index": _NUMBERED},
}


def view_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "prompt": usage["prompt_tokens"],
        "completion": usage["completion_tokens"],
        "total": usage["total_tokens"],
        "cached": (usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
        "reasoning": (usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    }


def view(body: Mapping[str, Any]) -> dict[str, Any]:
    choice = body["choices"][0]
    message = choice["message"]
    calls = [(one["id"], one["function"]) for one in message.get("tool_calls") or ()]
    return {
        "finish_reason": choice["finish_reason"],
        "content": message["content"],
        "reasoning_content": message.get("reasoning_content"),
        "thinking_blocks": message.get("thinking_blocks"),
        "tool_calls": [(id, function["name"], json.loads(function["arguments"])) for id, function in calls],
        "model": body["model"],
        "usage": view_usage(body["usage"]),
    }


def join(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What a client that glues deltas together gets."""
    joined: dict[str, Any] = {"content": "", "reasoning_content": "", "thinking_blocks": [], "finish_reason": None}
    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        if chunk.get("usage"):
            joined["usage"] = view_usage(chunk["usage"])
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for name in ("content", "reasoning_content"):
                joined[name] += delta.get(name) or ""
            joined["thinking_blocks"] += delta.get("thinking_blocks") or []
            for piece in delta.get("tool_calls") or ():
                function = piece["function"]
                call = calls.setdefault(piece["index"], ["", "", ""])
                for at, value in enumerate((piece.get("id"), function.get("name"), function.get("arguments"))):
                    call[at] += value or ""
            joined["finish_reason"] = choice.get("finish_reason") or joined["finish_reason"]
    return {**joined, "tool_calls": calls}


def frames(events: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(sse.encode(orjson.dumps(event), event["type"]) for event in events)


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_read_as_litellm_does(case: str, litellm: ModuleType) -> None:
    from litellm.llms.anthropic.chat.transformation import AnthropicConfig

    message = ANSWERS[case]
    theirs = AnthropicConfig().transform_parsed_response(
        completion_response=copy.deepcopy(message),
        raw_response=httpx.Response(200, json=message),
        model_response=litellm.ModelResponse(),
    )
    mine = read_answer(orjson.dumps(message)).body
    found = set(differences(view(mine), view(theirs.model_dump())))
    assert found == ANSWER_DIFFERENCES.get(case, {}).keys()


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_is_read_as_litellm_does(case: str, litellm: ModuleType) -> None:
    from litellm.llms.anthropic.chat.handler import ModelResponseIterator

    parser = ModelResponseIterator(iter(()), sync_stream=True)
    theirs = [parser.chunk_parser(copy.deepcopy(event)).model_dump() for event in STREAMS[case]]
    reader = StreamReader(Chat("chat", {}, "auto", []))
    mine = [chunk.data for chunk in reader.feed(frames(STREAMS[case])) + reader.finish()]
    found = set(differences(join(mine), join(theirs)))
    assert found == STREAM_DIFFERENCES.get(case, {}).keys()


def test_the_corpus_is_large_and_every_listed_case_is_in_it() -> None:
    assert len(ANSWERS) + len(STREAMS) >= 30
    assert ANSWER_DIFFERENCES.keys() <= ANSWERS.keys()
    assert STREAM_DIFFERENCES.keys() <= STREAMS.keys()
