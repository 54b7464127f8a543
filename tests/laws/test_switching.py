"""The law of switching: whoever answers next, in whatever dialect the client speaks, no vendor finds fault.

Each example is a conversation of several turns. Every turn goes to another vendor's model, is judged by that vendor's
rules, answered by its fake, and goes back into the client's history as its SDK would put it there.
"""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from levelhead.testing import FakeAnthropic, FakeDeepSeek, FakeOpenAI, Reply, ToolUse
from levelhead.types import Call, Capabilities, Chat, Dialect, Model, Need, Price
from levelhead.wire import chat, messages
from levelhead.wire.dialects import DIALECTS

PRICE = Price(1, 1, 1, 1, 1)
TEXT_ONLY = frozenset({Need.TOOLS})


def model(name: str, wire: Any = "openai", offers: frozenset[Need] = frozenset(Need), **capable: Any) -> Model:
    return Model(name, "t", 0, wire, name, PRICE, Capabilities(max_output_tokens=8192, offers=offers, **capable))


MODELS = [
    model("deepseek-v4-flash", offers=TEXT_ONLY, thinking="optional"),
    model("deepseek-v4-pro", offers=TEXT_ONLY, thinking="optional"),
    model("gpt-4.1"),
    model("gpt-5.6", sampling=False, thinking="optional"),
    model("claude-sonnet-5-5", "anthropic", prefill=False, sampling=False, thinking="always"),
    model("claude-opus-5", "anthropic", prefill=False, sampling=False, thinking="optional"),
    model("claude-haiku-4-5", "anthropic", thinking="optional"),
]
NAMES = ["look", "mcp__" + "far_" * 22, "write-file"]
IMAGE = "iVBORw0KGgo="

texts = st.sampled_from(["Fine.", "  spaced  ", 'It says "x"\n\tand more ä 名', '{"a": 1}', "w" * 300])
calls = st.lists(
    st.builds(ToolUse, st.sampled_from(NAMES), st.sampled_from(["{}", '{"at":"it"}', '{"n":[1,{"x":null}]}'])),
    max_size=3,
)
turns = st.fixed_dictionaries(
    {
        "model": st.sampled_from(MODELS),
        "said": texts,
        "answer": texts,
        "reasoning": st.sampled_from(["", "I should look."]),
        "calls": calls,
        "results": st.sampled_from(["all", "all", "all", "first", "none"]),
        "image": st.booleans(),
        "stream": st.booleans(),
    }
)


class Conversation:
    """What a client keeps, in its own dialect."""

    def __init__(self, dialect: Dialect, thinking: bool) -> None:
        self.dialect = dialect
        self.thinking = thinking
        self.kept: list[Any] = []
        self.spoken: list[str] = []

    def say(self, text: str, *, image: bool) -> None:
        self.spoken.append(text)
        if not image:
            self.kept.append({"role": "user", "content": text})
        elif self.dialect == "messages":
            source = {"type": "base64", "media_type": "image/png", "data": IMAGE}
            block = {"type": "image", "source": source}
            self.kept.append({"role": "user", "content": [block, {"type": "text", "text": text}]})
        elif self.dialect == "responses":
            part = {"type": "input_image", "image_url": f"data:image/png;base64,{IMAGE}"}
            self.kept.append({"role": "user", "content": [part, {"type": "input_text", "text": text}]})
        else:
            part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}
            self.kept.append({"role": "user", "content": [part, {"type": "text", "text": text}]})

    def request(self) -> Chat:
        body: dict[str, Any] = {"model": "auto"}
        schema = {"type": "object", "properties": {"at": {"type": "string"}}}
        if self.dialect == "messages":
            body |= {"max_tokens": 4000, "messages": self.kept, "system": "Be brief."}
            body["tools"] = [{"name": name, "input_schema": schema} for name in NAMES]
            if self.thinking:
                body["thinking"] = {"type": "enabled", "budget_tokens": 2000}
        elif self.dialect == "responses":
            body |= {"input": self.kept, "instructions": "Be brief.", "store": False}
            body["tools"] = [{"type": "function", "name": name, "parameters": schema} for name in NAMES]
            if self.thinking:
                body["reasoning"] = {"effort": "high", "summary": "auto"}
        else:
            body["messages"] = [{"role": "developer", "content": "Be brief."}, *self.kept]
            body["tools"] = [{"type": "function", "function": {"name": n, "parameters": schema}} for n in NAMES]
            if self.thinking:
                body["reasoning_effort"] = "high"
        return DIALECTS[self.dialect].read_request(orjson.dumps(body))

    def hear(self, body: dict[str, Any], results: str) -> None:
        """The answer goes into the history, and the results of its calls, all of them or not."""
        if self.dialect == "messages":
            self.kept.append({"role": "assistant", "content": body["content"]})
            ids = [block["id"] for block in body["content"] if block["type"] == "tool_use"]
        elif self.dialect == "responses":
            self.kept += body["output"]
            ids = [item["call_id"] for item in body["output"] if item["type"] == "function_call"]
        else:
            message = body["choices"][0]["message"]
            self.kept.append(message)
            ids = [call["id"] for call in message.get("tool_calls") or ()]
        answered = {"all": ids, "first": ids[:1], "none": []}[results]
        for id in answered:
            text = f"result {len(self.spoken)}"
            self.spoken.append(text)
            if self.dialect == "messages":
                result = {"type": "tool_result", "tool_use_id": id, "content": text}
                if self.kept[-1]["role"] == "assistant":
                    self.kept.append({"role": "user", "content": []})
                self.kept[-1]["content"].append(result)
            elif self.dialect == "responses":
                self.kept.append({"type": "function_call_output", "call_id": id, "output": text})
            else:
                self.kept.append({"role": "tool", "tool_call_id": id, "content": text})


def vendor_of(to: Model) -> Any:
    if to.wire == "anthropic":
        return FakeAnthropic(context_tokens=1_000_000)
    return FakeDeepSeek() if "deepseek" in to.name else FakeOpenAI()


def asked(conversation: Conversation, turn: dict[str, Any]) -> dict[str, Any]:
    """One turn; the answer in the client's dialect."""
    to, vendor = turn["model"], vendor_of(turn["model"])
    request = conversation.request()
    call = Call(request, to, 4000, 10.0)
    wire = messages if to.wire == "anthropic" else chat
    body = orjson.loads(wire.write_request(call))
    refusal = vendor.check(body)
    assert refusal is None, (to.name, refusal.message)
    check_texts(body, conversation)
    own_names = [tool.get("name") or tool["function"]["name"] for tool in body["tools"]]
    uses = tuple(ToolUse(own_names[NAMES.index(use.name)], use.arguments) for use in turn["calls"])
    reply = Reply(text=turn["answer"], reasoning=turn["reasoning"], tools=uses)
    codec = DIALECTS[conversation.dialect]
    if not turn["stream"]:
        answer = wire.read_answer(vendor.render(reply, body), call)
    else:
        reader: Any = chat.StreamReader(request, call)
        collector = chat.Collector()
        if to.wire == "anthropic":
            reader = messages.StreamReader(request, call)
        for frame in vendor.events(reply, {**body, "stream": True}):
            collector.add(reader.feed(frame))
        collector.add(reader.finish() if not reader.finished else [])
        answer = collector.answer()
    rendered: dict[str, Any] = orjson.loads(codec.render_answer(answer, request))
    check_answer(rendered, turn, conversation.dialect)
    return rendered


def check_texts(body: dict[str, Any], conversation: Conversation) -> None:
    """Everything that was said is said to the next model, in its order."""
    raw = orjson.dumps(body["messages"]).decode()
    at = 0
    for text in conversation.spoken:
        written = orjson.dumps(text.strip()).decode()[1:-1]
        found = raw.find(written, at)
        assert found >= 0 or written in raw, (text, raw)
        at = max(at, found)


def check_answer(rendered: dict[str, Any], turn: dict[str, Any], dialect: Dialect) -> None:
    """The client hears the model's text, and its calls by the client's own names."""
    if dialect == "messages":
        said = "".join(block["text"] for block in rendered["content"] if block["type"] == "text")
        heard = [(b["name"], b["input"]) for b in rendered["content"] if b["type"] == "tool_use"]
    elif dialect == "responses":
        said = "".join(p["text"] for i in rendered["output"] if i["type"] == "message" for p in i["content"])
        items = [item for item in rendered["output"] if item["type"] == "function_call"]
        heard = [(item["name"], orjson.loads(item["arguments"])) for item in items]
    else:
        message = rendered["choices"][0]["message"]
        said = message["content"] or ""
        made = [call["function"] for call in message.get("tool_calls") or ()]
        heard = [(function["name"], orjson.loads(function["arguments"])) for function in made]
    assert said == turn["answer"]
    assert heard == [(use.name, orjson.loads(use.arguments)) for use in turn["calls"]]


@settings(max_examples=200)
@given(
    st.sampled_from(["chat", "messages", "responses"]),
    st.booleans(),
    st.lists(turns, min_size=2, max_size=7),
    st.data(),
)
def test_no_vendor_refuses_what_others_began(
    dialect: Dialect, thinking: bool, script: list[dict[str, Any]], data: st.DataObject
) -> None:
    conversation = Conversation(dialect, thinking)
    for turn in script:
        answered_all = bool(conversation.kept) and turn["results"] == "all" and data.draw(st.booleans())
        if not (answered_all and is_open(conversation)):
            conversation.say(turn["said"], image=turn["image"])
        answer = asked(conversation, turn)
        conversation.spoken.append(turn["answer"])
        conversation.hear(answer, turn["results"])


def is_open(conversation: Conversation) -> bool:
    """Whether the history ends on results, so that the client may ask without a word of its own."""
    last = conversation.kept[-1]
    content = last.get("content")
    return (
        last.get("role") == "tool"
        or last.get("type") == "function_call_output"
        or (last.get("role") == "user" and isinstance(content, list) and content[0].get("type") == "tool_result")
    )
