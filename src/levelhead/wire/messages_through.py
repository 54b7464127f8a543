"""A client's own /v1/messages body for a model behind the same wire: nothing is touched but what this model refuses.

The client wrote for the model that it named, and another one answers, in a conversation that yet others may have
written parts of. So its settings are fitted to the model, and its turns are written anew where they break a rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ..types import Call, Json
from .claude import ClaudeTraits, family
from .messages_parts import is_blank
from .messages_thinking import Thinking, plan_for, signed
from .messages_tools import ask_for_tool, clean_id
from .messages_turns import Turn, write_turns

__all__ = ["count_body", "write_through"]

_OWN_METADATA = frozenset({"run", "slot", "session", "task"})
_FITTED = ("thinking", "output_config", "temperature", "top_p", "top_k", "stream", "metadata", "tool_choice")
_NOT_COUNTED = ("max_tokens", "stream", "metadata", "stop_sequences", "temperature", "top_p", "top_k", "service_tier")


def write_through(call: Call, source: Json) -> bytes:
    """Raises `NotCapable` or `InvalidRequest` for a content block that can't be mended."""
    return orjson.dumps(_fitted(call, source))


def count_body(call: Call, source: Json) -> bytes:
    """The same for /v1/messages/count_tokens."""
    body = _fitted(call, source)
    return orjson.dumps({name: value for name, value in body.items() if name not in _NOT_COUNTED})


def _fitted(call: Call, source: Json) -> dict[str, Any]:
    model = call.model
    traits = family(model.upstream_model)
    choice = source.get("tool_choice")
    prefill = traits.prefill and model.capabilities.prefill
    thinking = plan_for(call, source, source["messages"], choice, prefill=prefill)
    written: dict[str, Any] = {"model": model.upstream_model, "max_tokens": call.output_cap}
    written |= {k: v for k, v in source.items() if v is not None and k not in written and k not in _FITTED}
    replays = thinking.active or (not traits.claude and model.capabilities.thinking != "none")
    _set_turns(written, call, source["messages"], traits, replays, prefill)
    if choice is not None:
        if choice["type"] in ("any", "tool") and not traits.forced_tool:
            turns = written["messages"] = list(written["messages"])
            choice = ask_for_tool(choice, turns)
            call.repairs["choice_softened"] = 1
        if choice is not None:
            written["tool_choice"] = choice
    _set_thinking(written, source, thinking, traits)
    _set_sampling(written, source, call, traits, thinking)
    if call.chat.stream:
        written["stream"] = True
    metadata = {k: v for k, v in (source.get("metadata") or {}).items() if k not in _OWN_METADATA}
    if metadata:
        written["metadata"] = metadata
    if not traits.claude and written.get("tools"):
        written["tools"] = [{k: v for k, v in tool.items() if k != "type"} for tool in written["tools"]]
    return written


def _set_turns(
    written: dict[str, Any], call: Call, messages: Sequence[Json], traits: ClaudeTraits, thinks: bool, prefill: bool
) -> None:
    if any(len(message) > 2 for message in messages):  # agents' hints for one turn, which need a beta of their own
        messages = [{"role": message["role"], "content": message["content"]} for message in messages]
    if _tidy(messages, traits, thinks) and (prefill or messages[-1]["role"] != "assistant"):
        written["messages"] = messages
        return
    call.repairs["turns_rewritten"] = 1
    system, turns = write_turns(messages, traits, thinks=thinks, prefill=prefill, repairs=call.repairs)
    written["messages"] = turns
    if system:
        own = written.get("system") or []
        written["system"] = [*([{"type": "text", "text": own}] if isinstance(own, str) else own), *system]


def _set_thinking(written: dict[str, Any], source: Json, thinking: Thinking, traits: ClaudeTraits) -> None:
    config = thinking.config
    asked = source.get("thinking")
    if config is not None and asked and asked.get("type") == config["type"]:
        config = {**asked, **config}
    if traits.bound_thinking and thinking.active and any(_thinks(turn) for turn in written["messages"]):
        # other models' turns and mended ones aren't what the thinking was bound to: better without it than refused
        config = {**(config or {"type": "adaptive"})}
        config.setdefault("block_binding", {"prefix_mismatch_behavior": "drop_block"})
    if config is not None:
        written["thinking"] = config
    output = {k: v for k, v in (source.get("output_config") or {}).items() if k != "effort"}
    if thinking.effort is not None:
        output["effort"] = thinking.effort
    if not traits.structured_outputs:
        output.pop("format", None)
    if output:
        written["output_config"] = output
    management = written.get("context_management")
    if not thinking.active and isinstance(management, dict) and isinstance(management.get("edits"), list):
        edits = [e for e in management["edits"] if not str(e.get("type", "")).startswith("clear_thinking")]
        if len(edits) < len(management["edits"]):
            written["context_management"] = {**management, "edits": edits}


def _set_sampling(written: dict[str, Any], source: Json, call: Call, traits: ClaudeTraits, thinking: Thinking) -> None:
    if not traits.sampling or not call.model.capabilities.sampling or thinking.manual:
        return
    for name in ("temperature", "top_p", "top_k"):
        if source.get(name) is not None:
            written[name] = source[name]
    if "temperature" in written and not traits.both_sampling:
        written.pop("top_p", None)


def _thinks(turn: Turn) -> bool:
    content = turn["content"]
    return (
        turn["role"] == "assistant" and type(content) is list and any(b["type"].endswith("thinking") for b in content)
    )


def _tidy(messages: Sequence[Json], traits: ClaudeTraits, thinks: bool) -> bool:
    """Whether these turns keep every rule that another model's turns, or a client's own mends, tend to break."""
    if messages[0]["role"] != "user":
        return False
    open_ids: list[str] = []
    used: set[str] = set()
    for at, message in enumerate(messages):
        role, content = message["role"], message["content"]
        if role == "system" and not traits.system_turns:
            return False
        if type(content) is str:
            if is_blank(content) or (open_ids and role != "system"):
                return False
            continue
        if not content or not all(_fine(block, traits, thinks) for block in content):
            return False
        if role == "user":
            if not _answers(content, open_ids):
                return False
            open_ids = []
        elif role == "assistant":
            asked = [block["id"] for block in content if block["type"] == "tool_use"]
            if open_ids or not used.isdisjoint(asked) or any(clean_id(id) != id for id in asked):
                return False
            if asked and not (traits.claude or (thinks and _thinks({**message}))):
                return False
            used.update(asked)
            open_ids = asked
            if asked and at + 1 < len(messages) and messages[at + 1]["role"] != "user":
                return False
    return not open_ids


def _fine(block: Json, traits: ClaudeTraits, thinks: bool) -> bool:
    kind = block["type"]
    if kind == "text":
        return not is_blank(block["text"])
    if kind in ("thinking", "redacted_thinking"):
        return thinks and (signed(block) == block if traits.claude else kind == "thinking")
    return True


def _answers(content: Sequence[Mapping[str, Any]], open_ids: Sequence[str]) -> bool:
    """Whether a user's turn begins with one result for each open call, and has none besides."""
    results = [block.get("tool_use_id") for block in content if block["type"] == "tool_result"]
    leading = all(block["type"] == "tool_result" for block in content[: len(results)])
    return leading and len(results) == len(open_ids) and set(results) == set(open_ids)
