"""The rules are a table: what the vendor takes, and what it refuses in which words."""

from __future__ import annotations

from typing import Any

import pytest

from levelhead.testing.anthropic_rules import check

HI = [{"role": "user", "content": "Hi."}]
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
THOUGHT = {"type": "thinking", "thinking": "", "signature": "Eqo"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
LOOP = [*HI, {"role": "assistant", "content": [USE]}, {"role": "user", "content": [RESULT]}]
THOUGHT_LOOP = [*HI, {"role": "assistant", "content": [THOUGHT, USE]}, {"role": "user", "content": [RESULT]}]
MANUAL = {"type": "enabled", "budget_tokens": 1024}
HOUR = {"type": "ephemeral", "ttl": "1h"}
SHORT = {"type": "ephemeral"}


def body(model: str = "claude-haiku-4-5", **more: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 2000, "messages": HI, **more}


def says(*content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def image(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


def schema(**more: Any) -> dict[str, Any]:
    return {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", **more}}}}


TAKEN: dict[str, dict[str, Any]] = {
    "plain": body(),
    "neighbours of one role": body(messages=[*HI, *HI]),
    "tool loop": body(messages=LOOP, tools=[TOOL]),
    "loop and a question": body(messages=[*LOOP[:2], says(RESULT, text("And?"))], tools=[TOOL]),
    "thought loop": body(messages=THOUGHT_LOOP, tools=[TOOL], thinking=MANUAL),
    "redacted thinking": body(messages=[*HI, says({"type": "redacted_thinking", "data": "x"}, role="assistant"), *HI]),
    "prefill": body(messages=[*HI, {"role": "assistant", "content": "The"}]),
    "late system": body("claude-opus-4-8", messages=[*HI, {"role": "system", "content": "In French."}]),
    "adaptive": body("claude-sonnet-4-6", thinking={"type": "adaptive"}, output_config={"effort": "max"}),
    "disabled": body("claude-opus-5", thinking={"type": "disabled"}, output_config={"effort": "high"}),
    "between tools": body("claude-sonnet-5-5", thinking={"type": "between_tools"}),
    "temperature of one": body("claude-opus-5-5", temperature=1),
    "hours before minutes": body(
        system=[text("a", cache_control=HOUR)], messages=[says(text("b", cache_control=SHORT))]
    ),
    "vendor's own tool": body(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    "native format": body("claude-sonnet-5-5", **schema(properties={}, additionalProperties=False)),
    "forced": body(tools=[TOOL], tool_choice={"type": "tool", "name": "f"}),
    "base64": body(messages=[says(image(type="base64", media_type="image/png", data="iVBO"))]),
}

# what the vendor says -> bodies
REFUSED: dict[str, list[dict[str, Any]]] = {
    "max_tokens: Field required": [{"model": "claude-haiku-4-5", "messages": HI}],
    "messages: Field required": [{"model": "claude-haiku-4-5", "max_tokens": 1}],
    "seed: Extra inputs are not permitted": [body(seed=1)],
    "max_tokens: Input should be a valid integer": [body(max_tokens=1.5), body(max_tokens=True), body(max_tokens=None)],
    "64001 > 64000, which is the maximum": [body(max_tokens=64_001)],
    "stop_sequences: each stop sequence must contain non-whitespace": [body(stop_sequences=["END", "\n"])],
    "metadata.session: Extra inputs": [body(metadata={"session": "x"})],
    "appears to contain an email address": [body(metadata={"user_id": "ann@example.com"})],
    "at least one message is required": [body(messages=[])],
    "messages.0: Input should be a valid dictionary": [body(messages=["Hi."])],
    "messages.0.name: Extra inputs": [body(messages=[{**HI[0], "name": "ann"}])],
    "messages.0.role": [body(messages=[{"role": "tool", "content": "x"}])],
    "messages.0.content: Field required": [body(messages=[{"role": "user"}])],
    "all messages must have non-empty content": [
        body(messages=[says()]),
        body(messages=[*HI, says(role="assistant"), *HI]),
    ],
    "text content blocks must be non-empty": [body(messages=[says(text(""))]), body(system=[text("")])],
    "must contain non-whitespace text": [
        body(messages=[says(text(" \n"))]),
        body(messages=[{"role": "user", "content": " "}]),
    ],
    "does not match any of the expected tags": [
        body(messages=[says({"type": "image_url"})]),
        body(tools=[{"type": "function"}]),
    ],
    "messages.0.content.0.text.refusal: Extra inputs": [body(messages=[says(text("x", refusal=None))])],
    "can only be in `user` messages": [
        body(messages=[*HI, says(RESULT, role="assistant"), *HI]),
        body(messages=[*HI, says(image(type="url", url="https://a.io/b"), role="assistant"), *HI]),
    ],
    "can only be in `assistant` messages": [body(messages=[says(USE)]), body(messages=[says(THOUGHT)])],
    "source.base64.media_type": [body(messages=[says(image(type="base64", media_type="image/svg+xml", data="x"))])],
    "image exceeds 5 MB maximum": [
        body(messages=[says(image(type="base64", media_type="image/png", data="A" * (5 * 1024 * 1024 + 4)))])
    ],
    "Only HTTPS URLs": [body(messages=[says(image(type="url", url="data:image/png;base64,x"))])],
    "too many images: 101 > 100": [body(messages=[says(*[image(type="url", url="https://a.io/b")] * 101)])],
    "Invalid `signature` in `thinking` block": [
        body(messages=[*HI, says({**THOUGHT, "signature": ""}, role="assistant"), *HI])
    ],
    "thinking.cache_control: Extra inputs": [
        body(messages=[*HI, says({**THOUGHT, "cache_control": SHORT}, role="assistant"), *HI])
    ],
    "tool_use.id: String should match pattern": [
        body(messages=[*HI, says({**USE, "id": "call:1"}, role="assistant"), *HI])
    ],
    "tool_use.input: Input should be a valid dictionary": [
        body(messages=[*HI, says({**USE, "input": "{}"}, role="assistant"), *HI])
    ],
    "`tool_use` ids must be unique": [body(messages=[*LOOP, *LOOP[1:]])],
    "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1": [
        body(messages=[*LOOP[:2], *HI]),
        body(messages=LOOP[:2]),
        body(messages=[*LOOP[:2], says(text("And?"), RESULT)]),
    ],
    "unexpected `tool_use_id` found": [
        body(messages=[says(RESULT)]),
        body(messages=[*LOOP, says(text("x"), role="assistant"), says(RESULT)]),
    ],
    "each tool_use must have a single result": [body(messages=[*LOOP[:2], says(RESULT, RESULT)])],
    'first message must use the "user" role': [body(messages=[says(text("Hi."), role="assistant"), *HI])],
    "use the top-level 'system' parameter": [
        body("claude-opus-4-8", messages=[{"role": "system", "content": "A"}, *HI])
    ],
    "role 'system' is not supported on this model": [body(messages=[*HI, {"role": "system", "content": "A"}])],
    "must follow a user turn": [
        body("claude-opus-5", messages=[*HI, {"role": "system", "content": "A"}, *HI]),
        body("claude-opus-5", messages=[*HI, says(text("B"), role="assistant"), {"role": "system", "content": "A"}]),
    ],
    "does not support assistant message prefill": [
        body("claude-sonnet-4-6", messages=[*HI, {"role": "assistant", "content": "The"}])
    ],
    "cannot end with trailing whitespace": [body(messages=[*HI, {"role": "assistant", "content": "The "}])],
    "tools.0.custom.name: String should match": [body(tools=[{**TOOL, "name": "a.b"}])],
    "Tool names must be unique": [body(tools=[TOOL, TOOL])],
    "tools.0.custom.parameters: Extra inputs": [body(tools=[{**TOOL, "parameters": {}}])],
    "input_schema.type: Field required": [body(tools=[{"name": "f", "input_schema": {}}])],
    "does not support oneOf, allOf, or anyOf": [
        body(tools=[{"name": "f", "input_schema": {"type": "object", "anyOf": []}}])
    ],
    "only be specified while providing tools": [body(tool_choice={"type": "auto"})],
    "tool_choice.none.disable_parallel_tool_use: Extra inputs": [
        body(tools=[TOOL], tool_choice={"type": "none", "disable_parallel_tool_use": True})
    ],
    'type "tool" and "any" are not supported': [
        body("claude-opus-5-5", tools=[TOOL], tool_choice={"type": "any"}),
        body("claude-fable-5-1", tools=[TOOL], tool_choice={"type": "tool", "name": "f"}),
    ],
    "Tool 'g' not found": [body(tools=[TOOL], tool_choice={"type": "tool", "name": "g"})],
    "temperature: range: 0..1": [body(temperature=1.2)],
    "`temperature` is deprecated for this model": [body("claude-opus-4-7", temperature=0)],
    "`top_p` is deprecated": [body("claude-sonnet-5-5", top_p=0.5)],
    "`temperature` and `top_p` cannot both be specified": [
        body(temperature=0, top_p=0.5),
        body("claude-sonnet-4-6", temperature=0, top_p=0.5),
        body("claude-opus-4-1", temperature=0, top_p=0.5),
    ],
    "greater than or equal to 1024": [body(thinking={"type": "enabled", "budget_tokens": 1000})],
    "`max_tokens` must be greater than": [body(thinking={"type": "enabled", "budget_tokens": 2000})],
    "`temperature` may only be set to 1": [body(thinking=MANUAL, temperature=0)],
    "Thinking may not be enabled when tool_choice forces": [
        body(thinking=MANUAL, tools=[TOOL], tool_choice={"type": "any"})
    ],
    "Expected `thinking` or `redacted_thinking`, but found `tool_use`": [
        body(messages=LOOP, tools=[TOOL], thinking=MANUAL)
    ],
    "but found `text`": [body(messages=[*HI, {"role": "assistant", "content": "The"}], thinking=MANUAL)],
    '"thinking.type.enabled" is not supported': [body("claude-opus-4-7", thinking=MANUAL)],
    '"thinking.type.disabled" is not supported': [
        body("claude-opus-5-5", thinking={"type": "disabled"}),
        body("claude-fable-5", thinking={"type": "disabled"}),
        body("claude-sonnet-5-5", thinking={"type": "disabled"}),
        body("claude-opus-5", thinking={"type": "disabled"}, output_config={"effort": "max"}),
    ],
    "adaptive thinking is not supported": [body(thinking={"type": "adaptive"})],
    "does not support the effort parameter": [
        body(output_config={"effort": "low"}),
        body("claude-sonnet-4-5", output_config={"effort": "low"}),
    ],
    "output_config.effort: Input should be one of": [body("claude-sonnet-4-6", output_config={"effort": "xhigh"})],
    "'additionalProperties' must be explicitly set to false": [body("claude-sonnet-5-5", **schema(properties={}))],
    "property 'minimum' is not supported": [
        body(
            "claude-sonnet-5-5",
            **schema(properties={"n": {"type": "integer", "minimum": 1}}, additionalProperties=False),
        )
    ],
    "A maximum of 4 blocks with cache_control may be provided. Found 5.": [
        body(messages=[says(*[text("x", cache_control=SHORT)] * 5)]),
        body(messages=[says(*[text("x", cache_control=SHORT)] * 4)], cache_control=SHORT),
    ],
    "must not come after a ttl='5m'": [
        body(tools=[{**TOOL, "cache_control": SHORT}], messages=[says(text("b", cache_control=HOUR))])
    ],
    "cache_control cannot be set for empty text": [body(messages=[says(text("", cache_control=SHORT))])],
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_valid_body_is_taken(name: str) -> None:
    assert check(TAKEN[name]) is None


@pytest.mark.parametrize("message", REFUSED)
def test_a_broken_rule_is_refused_in_the_vendors_words(message: str) -> None:
    for refused in REFUSED[message]:
        assert message in (check(refused) or "")


def test_an_alias_is_judged_as_the_model_behind_it() -> None:
    asked = body("my-alias", temperature=0)
    assert check(asked, model="claude-haiku-4-5") is None
    assert "deprecated" in (check(asked, model="claude-opus-5") or "")


@pytest.mark.parametrize("odd", [None, 3, "x", [], {}, [None], [[]], {"type": None}, [{"type": 3}]])
@pytest.mark.parametrize(
    "field", ["messages", "system", "tools", "tool_choice", "thinking", "output_config", "metadata"]
)
def test_no_json_value_makes_it_raise(field: str, odd: Any) -> None:
    refusal = check(body(**{field: odd}))
    assert refusal is None or isinstance(refusal, str)
