"""Every dialect to every wire, whole and streamed: what a client asks for is what it hears, or a named 400 for nothing.

The rows are features, in no dialect's words; `Speaker` says them in each, and reads what comes back.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from levelhead.testing import Fault, Refusal, Reply, ToolUse

from .house import Vendors
from .talk import Client, Said

MODELS = {"claude-sonnet": "claude", "deepseek-flash": "deepseek", "gpt-mini": "openai", "gpt-thinker": "openai"}
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"], "additionalProperties": False}
PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
CALLS = (ToolUse("look", '{"x":"1"}'), ToolUse("look", '{"x":"2"}'))
FINISH = {
    "length": {"claude": "max_tokens", "deepseek": "length", "openai": "length"},
    "refusal": {"claude": "refusal", "deepseek": "content_filter", "openai": "content_filter"},
}


class Heard:
    """An answer, whichever way it came. `ended`: end, length, tools, refusal or broken."""

    def __init__(self, text: str, calls: list[tuple[str, Any]], ended: str, thought: bool, tokens: int) -> None:
        self.text, self.calls, self.ended, self.thought, self.tokens = text, calls, ended, thought, tokens


class Speaker:
    """One dialect."""

    path: str

    def __init__(self, client: Client) -> None:
        self._client = client

    def ask(self, stream: bool, **wishes: Any) -> Said:
        body = {"model": wishes.pop("model"), **self.body(**wishes), **({"stream": True} if stream else {})}
        return self._client.send("POST", self.path, body)

    def body(self, **wishes: Any) -> dict[str, Any]:
        raise NotImplementedError

    def heard(self, said: Said, stream: bool) -> Heard:
        raise NotImplementedError

    def error(self, said: Said) -> str:
        """The message of the error, after a look at its shape."""
        return str(said.error["message"]) + str(said.error["param"])


class Chat(Speaker):
    path = "/v1/chat/completions"

    def body(self, **wishes: Any) -> dict[str, Any]:
        content: Any = "hello"
        if "image" in wishes:
            url = {"url": f"data:image/gif;base64,{PIXEL}"}
            content = [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": url}]
        body: dict[str, Any] = {"messages": [{"role": "user", "content": content}], "max_tokens": 2000}
        body["stream_options"] = {"include_usage": True}
        if "tools" in wishes:
            body["tools"] = [{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}]
        if "schema" in wishes:
            wanted = {"name": "answer", "schema": SCHEMA, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        if "stop" in wishes:
            body["stop"] = ["END"]
        if "thinking" in wishes:
            body["reasoning_effort"] = "high"
        return body

    def heard(self, said: Said, stream: bool) -> Heard:
        if not stream:
            choice = said.body["choices"][0]
            message, finish, usage = choice["message"], choice["finish_reason"], said.body["usage"]
            calls = message.get("tool_calls") or []
        else:
            chunks = [orjson.loads(line[6:]) for line in said.raw.splitlines() if line.startswith(b"data: {")]
            message, finish, by_index, usage = {"content": ""}, "broken", {}, {"completion_tokens": 0}
            for chunk in chunks:
                usage = chunk.get("usage") or usage
                for choice in chunk.get("choices") or ():
                    finish = choice.get("finish_reason") or finish
                    delta = choice["delta"]
                    message["content"] += delta.get("content") or ""
                    message["reasoning_content"] = message.get("reasoning_content") or delta.get("reasoning_content")
                    for piece in delta.get("tool_calls") or ():
                        known = by_index.setdefault(piece["index"], {"function": {"name": "", "arguments": ""}})
                        for name, text in (piece.get("function") or {}).items():
                            known["function"][name] += text
            calls = list(by_index.values())
            if "error" in chunks[-1]:
                finish = "broken"
        made = [(call["function"]["name"], orjson.loads(call["function"]["arguments"])) for call in calls]
        ends = {"stop": "end", "tool_calls": "tools", "content_filter": "refusal"}
        thought = bool(message.get("reasoning_content"))
        return Heard(message["content"] or "", made, ends.get(finish, finish), thought, usage["completion_tokens"])


class Messages(Speaker):
    path = "/v1/messages"

    def body(self, **wishes: Any) -> dict[str, Any]:
        content: Any = "hello"
        if "image" in wishes:
            source = {"type": "base64", "media_type": "image/gif", "data": PIXEL}
            content = [{"type": "text", "text": "hello"}, {"type": "image", "source": source}]
        body: dict[str, Any] = {"messages": [{"role": "user", "content": content}], "max_tokens": 2000}
        if "tools" in wishes:
            body["tools"] = [{"name": "look", "input_schema": SCHEMA}]
        if "schema" in wishes:
            body["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        if "stop" in wishes:
            body["stop_sequences"] = ["END"]
        if "thinking" in wishes:
            body["thinking"] = {"type": "enabled", "budget_tokens": 1500}
        return body

    def heard(self, said: Said, stream: bool) -> Heard:
        if not stream:
            blocks, stop, usage = said.body["content"], said.body["stop_reason"], said.body["usage"]
        else:
            events = [orjson.loads(line[6:]) for line in said.raw.splitlines() if line.startswith(b"data: ")]
            blocks, stop, usage = [], "broken", {"output_tokens": 0}
            for event in events:
                delta = event.get("delta") or {}
                if event["type"] == "content_block_start":
                    blocks.append({**event["content_block"], "json": ""})
                elif event["type"] == "content_block_delta":
                    for name, into in (("text", "text"), ("thinking", "thinking"), ("partial_json", "json")):
                        blocks[-1][into] = blocks[-1].get(into, "") + delta.get(name, "")
                elif event["type"] == "message_delta":
                    stop, usage = delta["stop_reason"], event["usage"]
            for block in blocks:
                if block["type"] == "tool_use":
                    block["input"] = orjson.loads(block["json"] or "{}")
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        made = [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
        thought = any(block["type"] == "thinking" and block["thinking"] for block in blocks)
        ends = {"end_turn": "end", "tool_use": "tools", "max_tokens": "length"}
        return Heard(text, made, ends.get(stop, stop), thought, usage["output_tokens"])

    def error(self, said: Said) -> str:
        assert set(said.body) == {"type", "error", "request_id"}
        assert set(said.body["error"]) == {"type", "message"}
        return str(said.body["error"]["message"])


class Responses(Speaker):
    path = "/v1/responses"

    def body(self, **wishes: Any) -> dict[str, Any]:
        content: list[Any] = [{"type": "input_text", "text": "hello"}]
        if "image" in wishes:
            content.append({"type": "input_image", "image_url": f"data:image/gif;base64,{PIXEL}"})
        body: dict[str, Any] = {"input": [{"role": "user", "content": content}], "max_output_tokens": 2000}
        if "tools" in wishes:
            body["tools"] = [{"type": "function", "name": "look", "parameters": SCHEMA}]
        if "schema" in wishes:
            body["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}}
        if "thinking" in wishes:
            body["reasoning"] = {"effort": "high", "summary": "auto"}
        return body

    def heard(self, said: Said, stream: bool) -> Heard:
        whole = said.body if not stream else {}
        if stream:
            events = [orjson.loads(line[6:]) for line in said.raw.splitlines() if line.startswith(b"data: ")]
            whole = events[-1]["response"]
            deltas = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
        output = whole["output"]
        text = "".join(part.get("text", "") for item in output if item["type"] == "message" for part in item["content"])
        refused = any(part["type"] == "refusal" for item in output for part in item.get("content") or ())
        assert not stream or whole["status"] == "failed" or deltas == text
        made = [(i["name"], orjson.loads(i["arguments"])) for i in output if i["type"] == "function_call"]
        ended = {"completed": "tools" if made else "refusal" if refused else "end", "failed": "broken"}.get(
            whole["status"]
        )
        if ended is None:
            ended = {"max_output_tokens": "length", "content_filter": "refusal"}[whole["incomplete_details"]["reason"]]
        thought = any(item["type"] == "reasoning" for item in output)
        return Heard(text, made, ended, thought, (whole.get("usage") or {}).get("output_tokens", 0))


DIALECTS = {"chat": Chat, "messages": Messages, "responses": Responses}
CASES = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
WIRES = pytest.mark.parametrize("model", list(MODELS))


@pytest.fixture(params=list(DIALECTS))
def speaker(request: pytest.FixtureRequest, team: Client) -> Speaker:
    return DIALECTS[request.param](team)


def heard(speaker: Speaker, stream: bool, **wishes: Any) -> Heard:
    said = speaker.ask(stream, **wishes)
    assert said.status == 200, said.raw
    return speaker.heard(said, stream)


@CASES
@WIRES
def test_what_is_asked_is_heard(speaker: Speaker, vendors: Vendors, model: str, stream: bool) -> None:
    vendor: Any = getattr(vendors, MODELS[model])
    plain = heard(speaker, stream, model=model)
    assert (plain.text, plain.calls, plain.ended) == ("echo: hello", [], "end")
    assert plain.tokens > 0
    for uses in (CALLS[:1], CALLS):
        vendor.script(Reply(text="Looking.", tools=uses))
        tools = heard(speaker, stream, model=model, tools=True)
        assert (tools.text, tools.ended) == ("Looking.", "tools")
        assert tools.calls == [("look", orjson.loads(use.arguments)) for use in uses]
    for ended, native in FINISH.items():
        vendor.script(Reply(text="Well,", finish=native[MODELS[model]]))
        assert heard(speaker, stream, model=model).ended == ended
    thinking = heard(speaker, stream, model=model, thinking=True)
    assert thinking.text == "echo: hello"
    assert thinking.thought == (MODELS[model] != "openai")  # which never shows its thoughts
    if not isinstance(speaker, Responses):  # knows no stop sequences
        heard(speaker, stream, model=model, stop=True)
        sent = vendor.requests[-1].body
        assert sent.get("stop", sent.get("stop_sequences")) == ["END"]


@CASES
@WIRES
@pytest.mark.parametrize("wish", ["image", "schema"])
def test_what_a_model_lacks_is_refused_for_nothing_or_done_by_another(
    speaker: Speaker, vendors: Vendors, model: str, stream: bool, wish: str
) -> None:
    if model == "deepseek-flash":
        refused = speaker.ask(stream, model=model, **{wish: True})
        assert refused.status == 400
        field = {"image": ("messages", "input"), "schema": ("response_format", "output_config", "text")}[wish]
        assert any(name in speaker.error(refused) for name in field)
        assert vendors.asked == 0
        chosen = speaker.ask(stream, model="auto", **{wish: True})
        assert chosen.status == 200
        assert chosen.model != model
        return
    heard(speaker, stream, model=model, **{wish: True})
    raw = getattr(vendors, MODELS[model]).requests[-1].raw
    assert (PIXEL if wish == "image" else '"additionalProperties":false').encode() in raw


@CASES
@WIRES
@pytest.mark.usefixtures("healed")
def test_errors(speaker: Speaker, vendors: Vendors, model: str, stream: bool) -> None:
    vendor: Any = getattr(vendors, MODELS[model])
    vendor.script(Refusal(message="that won't do", type="invalid_request_error"))
    refused = speaker.ask(stream, model=model)
    assert refused.status == 400
    assert "that won't do" in speaker.error(refused)
    vendor.script(*[Refusal(status=500, message="no luck")] * 4)
    failed = speaker.ask(stream, model=model)
    assert failed.status >= 500
    assert speaker.error(failed)
    vendors.fresh()
    if stream:
        vendor.script(Reply(text="Some words before it breaks.", fault=Fault("error", after=4)))
        said = speaker.ask(stream, model=model)
        assert said.status == 200
        broken = speaker.heard(said, stream)
        assert broken.ended == "broken"
