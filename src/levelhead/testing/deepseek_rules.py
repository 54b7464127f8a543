"""What api.deepseek.com refuses of a chat completion, in its own words: `check(body)` gives the refusal, or None."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .openai_rules import bad, check_pairing, mentions_json
from .replies import Refusal

__all__ = ["MAX_OUTPUT", "check", "thinks"]

Json = Mapping[str, Any]

MAX_OUTPUT = 393_216
_ROLES = ("system", "user", "assistant", "tool", "latest_reminder")


def thinks(body: Json) -> bool:
    """Thinking is on unless it was switched off."""
    thinking = body.get("thinking")
    return not (isinstance(thinking, Mapping) and thinking.get("type") == "disabled")


def check(body: Json, *, models: tuple[str, ...]) -> Refusal | None:
    """The vendor's refusal of a chat completions body. Fields it doesn't know are ignored."""
    return next(_complaints(body, models), None)


def _complaints(body: Json, models: tuple[str, ...]) -> Iterator[Refusal]:
    if body.get("model") not in models:
        yield _bad("Model Not Exist")
    messages = body.get("messages")
    if not isinstance(messages, list):
        yield _bad("Failed to deserialize the JSON body into the target type: missing field `messages`")
        return
    if not messages:
        yield _bad("Empty input messages")
    yield from _messages(body, messages)
    for refusal in check_pairing(messages):
        orphan = "preceeding" in refusal.message
        yield (
            refusal
            if orphan
            else _bad(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. (insufficient tool messages following tool_calls message)"
            )
        )
    yield from _settings(body)
    yield from _tools(body)


def _messages(body: Json, messages: list[Json]) -> Iterator[Refusal]:
    start = "Failed to deserialize the JSON body into the target type: "
    for at, message in enumerate(messages):
        role = message.get("role")
        if role not in _ROLES:
            wanted = ", ".join(f"`{name}`" for name in _ROLES)
            yield _bad(f"{start}messages[{at}].role: unknown variant `{role}`, expected one of {wanted}")
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part.get("type") != "text":
                yield _bad(f"{start}messages[{at}]: unknown variant `{part.get('type')}`, expected `text`")
        replayed = isinstance(message.get("reasoning_content"), str)
        if thinks(body) and message.get("tool_calls") and not replayed:
            yield _bad("The `reasoning_content` in the thinking mode must be passed back to the API.")


def _settings(body: Json) -> Iterator[Refusal]:
    cap = body.get("max_tokens")
    if cap is not None and not (isinstance(cap, int) and 1 <= cap <= MAX_OUTPUT):
        yield _bad(f"Invalid max_tokens value, the valid range of max_tokens is [1, {MAX_OUTPUT}]")
    temperature = body.get("temperature")
    if temperature is not None and not 0 <= temperature <= 2:
        yield _bad("Invalid temperature value, the valid range of temperature is [0, 2]")
    kind = (body.get("response_format") or {"type": "text"}).get("type")
    if kind not in ("text", "json_object"):
        yield _bad("This response_format type is unavailable now")
    if kind == "json_object" and not mentions_json(body["messages"]):
        said = "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
        yield _bad(said)
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 16:
        yield _bad("Invalid stop value, at most 16 stop sequences are supported")
    user = body.get("user_id")
    if user is not None and len(str(user).encode()) > 512:
        yield _bad("Invalid 'user_id': string too long")


def _tools(body: Json) -> Iterator[Refusal]:
    tools = body.get("tools") or ()
    if len(tools) > 128:
        yield _bad(f"Invalid 'tools': array too long. Expected an array with maximum length 128, but got {len(tools)}")
    for at, tool in enumerate(tools):
        if tool.get("type") != "function":
            start = "Failed to deserialize the JSON body into the target type: "
            yield _bad(f"{start}tools[{at}].type: unknown variant `{tool.get('type')}`, expected `function`")
        if len(tool["function"].get("name", "")) > 64:
            yield _bad(f"Invalid 'tools[{at}].function.name': string too long")
    choice = body.get("tool_choice")
    if thinks(body) and (choice == "required" or isinstance(choice, Mapping)):
        yield _bad("Thinking mode does not support this tool_choice")


def _bad(message: str) -> Refusal:
    return bad(message, code="invalid_request_error")
