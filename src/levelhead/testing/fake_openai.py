"""A server that speaks api.openai.com's chat completions, streams, errors and refusals included."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..types import Usage
from . import openai_rules
from .http_server import Received
from .replies import Fault, Refusal, Reply, ToolUse, tokens
from .vendor import CREATED, VendorServer, dumps

__all__ = ["FakeOpenAI"]

Json = Mapping[str, Any]


class FakeOpenAI(VendorServer):
    """Chat completions and models. Base URL with /v1, key as a bearer token."""

    base_path = "/v1"
    chat_path = "/v1/chat/completions"
    models: tuple[str, ...] = ("gpt-4.1", "gpt-4.1-mini", "gpt-5.6", "gpt-5.6-mini", "o3")
    output_cap = 128_000

    def admit(self, request: Received) -> Refusal | None:
        if request.headers.get("authorization") == f"Bearer {self.api_key}":
            return None
        said = "Incorrect API key provided: sk-wrong****. You can find your API key at https://platform.openai.com."
        return Refusal(status=401, message=said, type="invalid_request_error", code="invalid_api_key")

    def check(self, body: Json) -> Refusal | None:
        if isinstance(body.get("model"), str) and body["model"] not in self.models:
            said = f"The model `{body['model']}` does not exist or you do not have access to it."
            return Refusal(status=404, message=said, type="invalid_request_error", code="model_not_found")
        return openai_rules.check(body, output_cap=self.output_cap) or self._overflow(body)

    def _overflow(self, body: Json) -> Refusal | None:
        asked = tokens(body["messages"])
        if asked <= self.context_tokens:
            return None
        said = (
            f"This model's maximum context length is {self.context_tokens} tokens. However, your messages resulted in"
        )
        return openai_rules.bad(f"{said} {asked} tokens.", "messages", "context_length_exceeded")

    def envelope(self, refusal: Refusal) -> bytes:
        error = {"message": refusal.message, "type": refusal.type, "param": refusal.param, "code": refusal.code}
        return dumps({"error": error})

    def error_headers(self) -> list[tuple[str, str]]:
        return [
            ("x-request-id", f"req_{self.next_number():032x}"),
            ("openai-processing-ms", "12"),
            ("x-ratelimit-remaining-requests", "9999"),
        ]

    def other(self, request: Received) -> bytes | Refusal:
        if request.method == "GET" and request.path == f"{self.base_path}/models":
            listed = [{"id": name, "object": "model", "created": CREATED, "owned_by": "openai"} for name in self.models]
            return dumps({"object": "list", "data": listed})
        if request.method == "POST" and request.path == f"{self.base_path}/embeddings":
            return self._embeddings(request.body)
        return Refusal(
            status=404, message=f"Invalid URL ({request.method} {request.path})", type="invalid_request_error"
        )

    def _embeddings(self, body: Json) -> bytes:
        given = body["input"] if isinstance(body["input"], list) else [body["input"]]
        listed = [{"object": "embedding", "index": at, "embedding": [0.5, at]} for at in range(len(given))]
        used = {"prompt_tokens": tokens(given), "total_tokens": tokens(given)}
        return dumps({"object": "list", "model": body["model"], "data": listed, "usage": used})

    # --- answers ---

    def echo(self, body: Json) -> Reply:
        choice = body.get("tool_choice")
        if choice == "required" or isinstance(choice, Mapping):
            named = choice["function"]["name"] if isinstance(choice, Mapping) else body["tools"][0]["function"]["name"]
            return Reply(tools=(ToolUse(named),))
        said = f"echo: {last_user_text(body)}"
        wants_json = (body.get("response_format") or {}).get("type") in ("json_object", "json_schema")
        return Reply(text=dumps({"echo": said}).decode() if wants_json else said)

    def render(self, reply: Reply, body: Json) -> bytes:
        reply = self.settled(reply, body)
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": reply.refusal}
        self.add_reasoning(message, reply)
        calls = self.calls(reply)
        if calls:
            message["tool_calls"] = calls
        else:
            message["content"] = reply.text
            message["annotations"] = []
        choices = [
            {"index": index, "message": message, "logprobs": logprobs(reply.text, body), "finish_reason": reply.finish}
            for index in range(body.get("n") or 1)
        ]
        whole = {**self._head("chat.completion", body), "choices": choices, "usage": self.usage(reply, body)}
        return dumps(whole)

    def events(self, reply: Reply, body: Json) -> list[bytes]:
        reply = self.settled(reply, body)
        head = self._head("chat.completion.chunk", body)
        options = body.get("stream_options") or {}
        if options.get("include_usage"):
            head["usage"] = None
        frames: list[bytes] = []
        for index in range(body.get("n") or 1):
            for delta, finish in self.deltas(reply):
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
                if delta.get("content"):
                    choice["logprobs"] = logprobs(delta["content"], body)
                chunk = {**head, "choices": [choice]}
                if options.get("include_obfuscation", True) and finish is None:
                    chunk["obfuscation"] = obfuscation(len(frames))
                frames.append(frame(chunk))
        if options.get("include_usage"):
            frames.append(frame({**head, "choices": [], "usage": self.usage(reply, body), "obfuscation": ""}))
        return [*frames, b"data: [DONE]\n\n"]

    def deltas(self, reply: Reply) -> Iterator[tuple[dict[str, Any], str | None]]:
        """(delta, finish_reason) in the order of the stream."""
        content = None if reply.tools else ""
        yield {"role": "assistant", "content": content, "refusal": None}, None
        for piece in pieces(reply.text, reply.piece_chars):
            yield {"content": piece}, None
        for piece in pieces(reply.refusal or "", reply.piece_chars):
            yield {"refusal": piece}, None
        yield from self.tool_deltas(reply)
        yield {}, reply.finish

    def tool_deltas(self, reply: Reply) -> Iterator[tuple[dict[str, Any], None]]:
        for at, call in enumerate(self.calls(reply)):
            arguments = call["function"]["arguments"]
            opening = {**call, "index": at, "function": {**call["function"], "arguments": ""}}
            yield {"tool_calls": [opening]}, None
            for piece in pieces(arguments, reply.piece_chars):
                yield {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}, None

    def error_event(self, fault: Fault) -> bytes:
        return frame({"error": {"message": fault.message, "type": "server_error", "param": None, "code": None}})

    # --- parts ---

    def settled(self, reply: Reply, body: Json) -> Reply:
        """Cut to the output cap, with its reason to stop and its usage."""
        cap = body.get("max_completion_tokens") or body.get("max_tokens")
        finish = reply.finish
        text = reply.text
        if cap is not None and tokens(text) > cap and reply.usage is None:
            text, finish = text.encode()[: 4 * cap].decode("utf-8", "ignore"), finish or "length"
        used = reply.usage or Usage(
            input=tokens(body["messages"]),
            output=tokens(text) + tokens(reply.reasoning) + sum(tokens(call.arguments) + 4 for call in reply.tools),
            reasoning=tokens(reply.reasoning),
        )
        return replace(reply, text=text, finish=finish or ("tool_calls" if reply.tools else "stop"), usage=used)

    def usage(self, reply: Reply, body: Json) -> dict[str, Any]:
        used = reply.usage or Usage()
        output = used.output * (body.get("n") or 1)
        return {
            "prompt_tokens": used.prompt,
            "completion_tokens": output,
            "total_tokens": used.prompt + output,
            "prompt_tokens_details": {"cached_tokens": used.cached_input, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": used.reasoning, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        }  # fmt: skip

    def calls(self, reply: Reply) -> list[dict[str, Any]]:
        return [
            {
                "id": call.id or self.call_id(at),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for at, call in enumerate(reply.tools)
        ]

    def call_id(self, at: int) -> str:
        return f"call_{digest('call', self.next_number())[:24]}"

    def answer_id(self) -> str:
        return f"chatcmpl-{digest('chat', self.next_number())[:29]}"

    def add_reasoning(self, message: dict[str, Any], reply: Reply) -> None:
        """OpenAI doesn't show it."""

    def _head(self, kind: str, body: Json) -> dict[str, Any]:
        return {
            "id": self.answer_id(),
            "object": kind,
            "created": CREATED,
            "model": body["model"],
            "service_tier": "default",
            "system_fingerprint": "fp_fake",
        }


def frame(value: object) -> bytes:
    return b"data: " + dumps(value) + b"\n\n"


def pieces(text: str, chars: int) -> Iterator[str]:
    for at in range(0, len(text), chars):
        yield text[at : at + chars]


def digest(kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()


def obfuscation(number: int) -> str:
    """Padding of varying length, as the vendor adds it against guessing from sizes."""
    raw = hashlib.sha256(str(number).encode()).digest()
    return base64.b64encode(raw)[: 1 + number % 11].decode()


def last_user_text(body: Json) -> str:
    """The text of the last user message."""
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            content = message["content"]
            if isinstance(content, str):
                return content
            return " ".join(part.get("text", "") for part in content if part.get("type") == "text")
    return ""


def logprobs(text: str, body: Json) -> dict[str, Any] | None:
    if not body.get("logprobs"):
        return None
    content = []
    for word in text.split(" "):
        one = {"token": word, "logprob": -0.25, "bytes": list(word.encode())}
        content.append({**one, "top_logprobs": [one] * (body.get("top_logprobs") or 0)})
    return {"content": content, "refusal": None}
