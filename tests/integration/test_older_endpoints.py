"""`client.completions` and `client.embeddings` of the `openai` SDK."""

from __future__ import annotations

from typing import Any

import pytest

from .house import Vendors
from .sdk import Sdk


@pytest.mark.parametrize("model", ["claude-sonnet", "deepseek-flash", "gpt-mini"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_completions(sdk: Sdk, model: str, stream: bool) -> None:
    fields: dict[str, Any] = {"model": model, "prompt": "hello", "max_tokens": 50}
    if stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    said = sdk.said("legacy", fields=fields)
    assert "error" not in said, said
    if not stream:
        assert said["body"]["object"] == "text_completion"
        (choice,) = said["body"]["choices"]
        assert (choice["text"], choice["finish_reason"]) == ("echo: hello", "stop")
        assert said["body"]["usage"]["completion_tokens"] > 0
        return
    choices = [choice for chunk in said["chunks"] for choice in chunk["choices"]]
    assert "".join(choice["text"] for choice in choices) == "echo: hello"
    assert choices[-1]["finish_reason"] == "stop"
    assert said["chunks"][-1]["usage"]["cost_usd"] > 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"prompt": ["a", "b"]}, "prompt"), ({"suffix": "x"}, "suffix"), ({"echo": True}, "echo"), ({"n": 2}, "n")],
)
def test_what_a_chat_model_cannot_do(sdk: Sdk, vendors: Vendors, fields: dict[str, Any], param: str) -> None:
    error = sdk.said("legacy", fields={"model": "auto", "prompt": "hello", **fields})["error"]
    assert (error["status"], error["param"]) == (400, param)
    assert vendors.asked == 0


def test_a_completion_is_cached(sdk: Sdk, vendors: Vendors) -> None:
    fields = {"model": "deepseek-flash", "prompt": "cache this completion", "temperature": 0}
    first, again = (sdk.said("legacy", fields=fields)["body"] for _ in range(2))
    streamed = sdk.said("legacy", fields={**fields, "stream": True})["chunks"]
    assert vendors.asked == 1
    text = "".join(choice["text"] for chunk in streamed for choice in chunk["choices"])
    assert first["choices"][0]["text"] == again["choices"][0]["text"] == text


def test_embeddings(sdk: Sdk, vendors: Vendors) -> None:
    fields = {"model": "embedder", "input": ["a", "b"], "dimensions": 2, "encoding_format": "float"}
    said = sdk.said("embed", fields=fields)
    assert [one["embedding"] for one in said["body"]["data"]] == [[0.5, 0.0], [0.5, 1.0]]
    assert vendors.openai.requests[-1].body == {**fields, "model": "text-embedding-3-small"}
    assert float(said["headers"]["x-levelhead-cost-usd"]) > 0


def test_a_model_does_one_or_the_other(sdk: Sdk, vendors: Vendors) -> None:
    error = sdk.said("embed", fields={"model": "gpt-mini", "input": "a"})["error"]
    assert (error["status"], error["param"]) == (400, "model")
    error = sdk.create(model="embedder").error
    assert (error["status"], error["param"]) == (400, "model")
    assert vendors.asked == 0
