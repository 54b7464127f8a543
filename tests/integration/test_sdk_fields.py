"""Every request field, by the SDK, sync and async, streamed and not: what the vendor was sent, what the client heard.

The vendors refuse what the real ones refuse, so an answer says that the rest of the body was right, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from levelhead.testing import Reply

from .house import Proxy, Vendors
from .sdk import Heard, Sdk

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": SCHEMA}}


def user(*parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


LOOK = {"type": "text", "text": "What is this?"}
LAYERS = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi", "name": "ann"}]
DATA_URL = f"data:image/png;base64,{PNG}"


def nothing(heard: Heard) -> None:
    assert heard.text.startswith("echo: ")


def two_choices(heard: Heard) -> None:
    listed = heard.body["choices"] if heard.body else [choice for chunk in heard.chunks for choice in chunk["choices"]]
    assert {choice["index"] for choice in listed} == {0, 1}
    assert heard.finish == "stop"


def cut_short(heard: Heard) -> None:
    assert heard.finish == "length"
    assert heard.text


def log_probabilities(heard: Heard) -> None:
    pieces = heard.body["choices"] if heard.body else [c for chunk in heard.chunks for c in chunk["choices"]]
    tokens = [token for piece in pieces if piece.get("logprobs") for token in piece["logprobs"]["content"]]
    assert tokens
    assert all(len(token["top_logprobs"]) == 2 and token["logprob"] == -0.25 for token in tokens)


def json_object(heard: Heard) -> None:
    assert isinstance(orjson.loads(heard.text), dict)


def thoughts(heard: Heard) -> None:
    assert heard.reasoning.startswith("thinking of: ")
    nothing(heard)


@dataclass(frozen=True)
class Case:
    """`sent`: fields of the vendor's request, exactly; None: the field isn't there."""

    name: str
    model: str
    fields: Mapping[str, Any]
    sent: Mapping[str, Any] = field(default_factory=dict)
    heard: Callable[[Heard], None] = nothing
    reply: Reply | None = None
    prompt: str = "hello"


LONG = "x" * 400
CLOSED = {"type": "json_schema", "schema": SCHEMA}
CASES = [
    Case("stop", "gpt-mini", {"stop": "END"}, {"stop": "END"}),
    Case("stop, a list", "deepseek-flash", {"stop": ["END", "\n\n"]}, {"stop": ["END", "\n\n"]}),
    Case("stop", "claude-sonnet", {"stop": "END"}, {"stop_sequences": ["END"], "stop": None}),
    Case("seed", "gpt-mini", {"seed": 7}, {"seed": 7}),
    Case("seed, which Claude has none", "claude-sonnet", {"seed": 7}, {"seed": None}),
    Case("sampling", "gpt-mini", {"temperature": 0.3, "top_p": 0.9}, {"temperature": 0.3, "top_p": 0.9}),
    Case("temperature 0", "deepseek-flash", {"temperature": 0, "extra_headers": {"x-levelhead-cache": "no-store"}},
         {"temperature": 0}),
    Case("sampling, which new Claudes refuse", "claude-sonnet", {"temperature": 0.3, "top_p": 0.9},
         {"temperature": None, "top_p": None}),
    Case("sampling, which reasoning models refuse", "gpt-thinker", {"temperature": 0.3}, {"temperature": None}),
    Case("penalties", "gpt-mini", {"presence_penalty": 1, "frequency_penalty": -1},
         {"presence_penalty": 1, "frequency_penalty": -1}),
    Case("logit_bias", "auto", {"logit_bias": {"50256": -100}}, {"logit_bias": {"50256": -100}}),
    Case("n", "auto", {"n": 2}, {"n": 2}, two_choices),
    Case("logprobs", "gpt-mini", {"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2},
         log_probabilities),
    Case("logprobs", "deepseek-flash", {"logprobs": True}, {"logprobs": True, "thinking": {"type": "disabled"}}),
    Case("max_tokens", "gpt-mini", {"max_tokens": 20}, {"max_tokens": 20}, cut_short, prompt=LONG),
    Case("max_tokens", "gpt-thinker", {"max_tokens": 20}, {"max_completion_tokens": 20, "max_tokens": None}, cut_short,
         prompt=LONG),
    Case("max_completion_tokens", "gpt-thinker", {"max_completion_tokens": 20}, {"max_completion_tokens": 20},
         cut_short, prompt=LONG),
    Case("max_completion_tokens", "deepseek-flash", {"max_completion_tokens": 20},
         {"max_tokens": 20, "max_completion_tokens": None}, cut_short, prompt=LONG),
    Case("max_completion_tokens", "claude-sonnet", {"max_completion_tokens": 20},
         {"max_tokens": 20, "max_completion_tokens": None}, cut_short, prompt=LONG),
    Case("no cap", "claude-sonnet", {}, {"max_tokens": 8192}),
    Case("reasoning_effort", "gpt-thinker", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    Case("reasoning_effort", "deepseek-flash", {"reasoning_effort": "high"}, {"reasoning_effort": "high"}, thoughts),
    Case("reasoning_effort none", "deepseek-flash", {"reasoning_effort": "none"},
         {"thinking": {"type": "disabled"}, "reasoning_effort": None}),
    Case("reasoning_effort", "claude-sonnet", {"reasoning_effort": "high"},
         {"output_config": {"effort": "high"}, "reasoning_effort": None}, thoughts),
    Case("json_object", "gpt-mini", {"response_format": {"type": "json_object"}},
         {"response_format": {"type": "json_object"}}, json_object, prompt="Say it in JSON"),
    Case("json_object", "deepseek-flash", {"response_format": {"type": "json_object"}},
         {"response_format": {"type": "json_object"}}, json_object, prompt="Say it in JSON"),
    Case("json_object", "claude-sonnet", {"response_format": {"type": "json_object"}}, {"response_format": None},
         json_object, reply=Reply(text='{"name": "Rome"}')),
    Case("json_schema", "gpt-mini", {"response_format": JSON_SCHEMA}, {"response_format": JSON_SCHEMA}, json_object),
    Case("json_schema", "claude-sonnet", {"response_format": JSON_SCHEMA}, {"output_config": {"format": CLOSED}},
         json_object, reply=Reply(text='{"name": "Rome"}')),
    Case("image by URL", "gpt-mini", {"messages": user(LOOK, image("https://example.com/a.png"))},
         {"messages": user(LOOK, image("https://example.com/a.png"))}),
    Case("image by URL", "claude-sonnet", {"messages": user(LOOK, image("https://example.com/a.png"))},
         {"messages": user(LOOK, {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}})}),
    Case("image in the request", "gpt-mini", {"messages": user(image(DATA_URL), LOOK)},
         {"messages": user(image(DATA_URL), LOOK)}),
    Case("image in the request", "claude-sonnet", {"messages": user(image(DATA_URL), LOOK)},
         {"messages": user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                           LOOK)}),
    Case("developer role", "gpt-mini", {"messages": LAYERS}, {"messages": LAYERS}),
    Case("developer role", "deepseek-flash", {"messages": LAYERS},
         {"messages": [{**LAYERS[0], "role": "system"}, LAYERS[1]]}),
    Case("developer role", "claude-sonnet", {"messages": LAYERS},
         {"system": [{"type": "text", "text": "Be brief."}]}),
    Case("metadata", "gpt-mini", {"metadata": {"ticket": "7", "run": "r1"}, "store": True},
         {"metadata": {"ticket": "7"}, "store": True}),
    Case("metadata", "deepseek-flash", {"metadata": {"ticket": "7"}}, {"metadata": None}),
    Case("the rest of OpenAI's", "gpt-mini",
         {"user": "u1", "service_tier": "auto", "prompt_cache_key": "k", "safety_identifier": "s", "verbosity": "low"},
         {"user": "u1", "service_tier": "auto", "prompt_cache_key": "k", "safety_identifier": "s", "verbosity": "low"}),
    Case("unknown fields", "deepseek-flash", {"extra_body": {"enable_search": True, "x": {"y": [1, None, "é"]}}},
         {"enable_search": True, "x": {"y": [1, None, "é"]}}),
    Case("thinking, DeepSeek's own", "deepseek-flash", {"extra_body": {"thinking": {"type": "disabled"}}},
         {"thinking": {"type": "disabled"}}),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.model}: {case.name}") for case in CASES])
def test_field(sdk: Sdk, vendors: Vendors, case: Case, mode: str, stream: bool) -> None:
    if case.reply is not None:
        vendors.claude.script(case.reply)
    heard = sdk.create(mode, stream=stream, said=case.prompt, model=case.model, **case.fields).ok
    (request,) = [request for vendor in vendors.all for request in vendor.requests]
    assert {name: request.body.get(name) for name in case.sent} == dict(case.sent)
    assert bool(request.body.get("stream")) is stream
    case.heard(heard)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("model", ["deepseek-flash", "gpt-mini", "claude-sonnet"])
@pytest.mark.parametrize("asked", [True, False])
def test_include_usage(sdk: Sdk, vendors: Vendors, mode: str, model: str, asked: bool) -> None:
    """Sent by the vendor in any case: the ledger needs it. The client sees it only if it asked."""
    heard = sdk.create(mode, stream=True, model=model, stream_options={"include_usage": asked}).ok
    usage = heard.usage
    if not asked:
        assert usage is None
        return
    assert usage is not None
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    whole = sdk.create(mode, model=model).ok
    assert usage["cost_usd"] == pytest.approx(float(whole.headers["x-levelhead-cost-usd"]), abs=1e-9)
    assert usage["cost_usd"] > 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_fence_around_json(sdk: Sdk, vendors: Vendors, stream: bool) -> None:
    """Claude has no JSON mode: it is asked for JSON alone, and sometimes wraps it."""
    vendors.claude.script(Reply(text='```json\n{"name": "Rome"}\n```'))
    wanted = {"type": "json_object"}
    heard = sdk.create(model="claude-sonnet", stream=stream, response_format=wanted).ok
    assert orjson.loads(heard.text) == {"name": "Rome"}


def test_a_reasoning_model_newer_than_the_table(sdk: Sdk, proxy: Proxy) -> None:
    """Its name says that it refuses sampling, as `wire/chat_write.py` reads its output cap from it."""
    assert sdk.at(proxy.url, "sk-pioneer").create(model="gpt-unlisted", temperature=0.3).ok.text == "echo: hello"
