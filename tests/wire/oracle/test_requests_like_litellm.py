"""Every request of the corpus, translated by levelhead and litellm: the same, or different for a reason given here."""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Any

import orjson
import pytest
from claude_corpus import REQUESTS
from json_paths import differences

from levelhead.testing.anthropic_rules import check
from levelhead.types import Call, Capabilities, Model, Price
from levelhead.wire.chat import read_request
from levelhead.wire.messages import write_request

# path -> reason, wherever it occurs
EVERYWHERE = {
    "tools[*].type": "'custom' is the default, and DeepSeek's endpoint for this wire refuses the word",
}
_SMALL_CAP = "thinking counts against the cap: this model is asked to think little where there is no room"
# case -> path -> reason
DIFFERENCES: dict[str, dict[str, str]] = {
    "blank part": {
        "messages[*].content": "a blank part beside another one says nothing: no sentence is made up for it"
    },
    "blank user": {"messages[*].content[*].text": "another wording of the placeholder"},
    "late system, not taken": {"messages[*].content": "wrapped in one <system> block instead of an added sentence"},
    "late system in a tool loop": {"messages[*].content": "wrapped in one <system> block instead of an added sentence"},
    "starts with assistant": {"messages": "litellm's body is refused: the first message must be a user's"},
    "ends on assistant": {"messages": "litellm's body is refused: this model takes no prefill"},
    "pdf": {"messages[*].content[*].title": "the file's name is kept"},
    "strict tool": {"tools[*].strict": "litellm forgets it; the vendor has it"},
    "tool with a combinator": {
        "tools[*].input_schema.properties.city": "litellm loses what stands in the combinator",
        "tools[*].input_schema.properties.days": "litellm loses what stands in the combinator",
        "tools[*].input_schema.required": "litellm loses what stands in the combinator",
    },
    "illegal tool names": {"tools[*].name": "a hash depends on the name alone, a number on the catalogue's order"},
    "choice auto": {"tool_choice": "auto is the default"},
    "choice required, refused": {
        "messages[*].content": "a model that can't be forced is asked",
        "tool_choice": "auto is the default",
    },
    "many at a time": {"tool_choice": "this is the default"},
    "parallel calls": {
        "messages[*].content[*].content": "results stand in the order of their calls",
        "messages[*].content[*].tool_use_id": "results stand in the order of their calls",
    },
    "odd ids": {
        "messages[*].content[*].id": "with a hash, so that call:1.x and call_1_x stay two ids",
        "messages[*].content[*].tool_use_id": "with a hash, so that call:1.x and call_1_x stay two ids",
    },
    "lost result": {
        "messages[*].content[*].content": "another wording",
        "messages[*].content[*].is_error": "a call without a result has failed",
    },
    "empty result": {"messages[*].content[*].content": "nothing is left out rather than sent as an empty text"},
    "loop without tools": {
        "tools[*].name": "the tools of the conversation itself, not an invented one",
        "tools[*].description": "the tools of the conversation itself, not an invented one",
        "tool_choice": "the client offers no tool: none may be called",
    },
    "output cap": {"output_config": _SMALL_CAP},
    "newer output cap": {"output_config": _SMALL_CAP},
    "temperature above one": {"temperature": "litellm's body is refused: Anthropic's range ends at 1"},
    "both samplings": {"top_p": "litellm's body is refused: this model takes one of the two"},
    "effort, budget": {"thinking.budget_tokens": "our own scale, at most half of the output cap"},
    "effort none, thinks by default": {"thinking": "left out, this model would think"},
    "thinking enabled, adaptive model": {"output_config.effort": "our own scale"},
    "thinking disabled, always on": {"output_config": "what can't be switched off is turned down"},
    "signed thinking, bound": {"thinking": "a translated history may have changed: a block is dropped, not refused"},
    "json object": {"system": "litellm asks for nothing: the model wouldn't know"},
    "json schema with bounds": {
        "output_config.format.schema.properties.n.description": "another wording of the bound, the vendor's SDK's own"
    },
}


def ours(model: str, body: dict[str, Any], output_cap: int) -> dict[str, Any]:
    chat = read_request(orjson.dumps({"model": "auto", **body}))
    price = Price(2e-6, 1e-5, 2e-7, 2.5e-6, 4e-6)
    deployment = Model("strong", "strong", 1, "anthropic", model, price, Capabilities())
    written: dict[str, Any] = orjson.loads(write_request(Call(chat, deployment, output_cap, timeout=60)))
    return written


def theirs(model: str, body: dict[str, Any]) -> dict[str, Any]:
    from litellm.llms.anthropic.chat.transformation import AnthropicConfig

    config = AnthropicConfig()
    body = copy.deepcopy(body)
    messages = body.pop("messages")
    optional = config.map_openai_params(body, {}, model, drop_params=True)
    written: dict[str, Any] = config.transform_request(model, messages, optional, {}, {})
    # a flag for itself, and the older name of the format
    written.pop("json_mode", None)
    output_format = written.pop("output_format", None)
    if output_format is not None:
        written.setdefault("output_config", {})["format"] = output_format
    return written


def compare(case: str) -> tuple[dict[str, Any], set[str]]:
    model, body = REQUESTS[case]
    other = theirs(model, body)
    mine = ours(model, body, other["max_tokens"])
    return mine, set(differences(mine, other))


def test_the_corpus_is_large_and_every_listed_case_is_in_it() -> None:
    assert len(REQUESTS) >= 60
    assert DIFFERENCES.keys() <= REQUESTS.keys()


@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_is_translated_as_litellm_does(case: str, litellm: ModuleType) -> None:
    mine, found = compare(case)
    assert check(mine) is None
    assert found - EVERYWHERE.keys() == DIFFERENCES.get(case, {}).keys()


def test_every_difference_listed_for_all_cases_occurs(litellm: ModuleType) -> None:
    found: set[str] = set().union(*(compare(case)[1] for case in REQUESTS))
    assert found >= EVERYWHERE.keys()
