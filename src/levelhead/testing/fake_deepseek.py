"""A server that speaks api.deepseek.com's chat completions: thinking by default, usage on the last content chunk."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from ..types import Usage
from . import deepseek_rules
from .fake_openai import FakeOpenAI, frame, last_user_text, pieces
from .http_server import Received
from .replies import Fault, Refusal, Reply

__all__ = ["FakeDeepSeek"]

Json = Mapping[str, Any]


class FakeDeepSeek(FakeOpenAI):
    """Chat completions and models. Errors come as octet-stream, waiting as blank lines or comments."""

    models = ("deepseek-v4-flash", "deepseek-v4-pro", "deepseek-flash")
    error_content_type = "application/octet-stream"

    def admit(self, request: Received) -> Refusal | None:
        if request.headers.get("authorization") == f"Bearer {self.api_key}":
            return None
        said = "Authentication Fails, Your api key: ****cdef is invalid"
        return Refusal(status=401, message=said, type="authentication_error", code="invalid_request_error")

    def check(self, body: Json) -> Refusal | None:
        refused = deepseek_rules.check(body, models=self.models) or self._overflow(body)
        return refused and Refusal(message=refused.message, type=refused.type, code=refused.code,
                                   content_type=self.error_content_type)  # fmt: skip

    def _overflow(self, body: Json) -> Refusal | None:
        from .replies import tokens

        asked, cap = tokens(body["messages"]), body.get("max_tokens") or 0
        if asked + cap <= self.context_tokens:
            return None
        said = (
            f"This model's maximum context length is {self.context_tokens} tokens. However, you requested "
            f"{asked + cap} tokens ({asked} in the messages, {cap} in the completion). Please reduce the length of the "
            "messages or completion."
        )
        return Refusal(message=said, type="invalid_request_error", code="invalid_request_error")

    def error_headers(self) -> list[tuple[str, str]]:
        return [("x-ds-trace-id", f"{self.next_number():032x}"), ("server", "elb")]

    def before_body(self) -> bytes:
        return b"\n\n"

    def echo(self, body: Json) -> Reply:
        reply = super().echo(body)
        thought = f"thinking of: {last_user_text(body)}" if deepseek_rules.thinks(body) else ""
        return Reply(text=reply.text, tools=reply.tools, reasoning=thought)

    def events(self, reply: Reply, body: Json) -> list[bytes]:
        reply = self.settled(reply, body)
        head = {**self._head("chat.completion.chunk", body), "usage": None}
        frames = [b": keep-alive\n\n"]
        for delta, finish in self.deltas(reply):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            used = self.usage(reply, body) if finish is not None else None
            frames.append(frame({**head, "choices": [choice], "usage": used}))
        return [*frames, b"data: [DONE]\n\n"]

    def deltas(self, reply: Reply) -> Iterator[tuple[dict[str, Any], str | None]]:
        if reply.reasoning:
            yield {"role": "assistant", "content": None, "reasoning_content": ""}, None
            for piece in pieces(reply.reasoning, reply.piece_chars):
                yield {"content": None, "reasoning_content": piece}, None
        else:
            yield {"role": "assistant", "content": ""}, None
        absent = {"reasoning_content": None} if reply.reasoning else {}
        for piece in pieces(reply.text, reply.piece_chars):
            yield {"content": piece, **absent}, None
        yield from self.tool_deltas(reply)
        yield {"content": "", **absent}, reply.finish

    def usage(self, reply: Reply, body: Json) -> dict[str, Any]:
        used = reply.usage or Usage()
        return {
            "prompt_tokens": used.prompt,
            "completion_tokens": used.output,
            "total_tokens": used.prompt + used.output,
            "prompt_tokens_details": {"cached_tokens": used.cached_input},
            "completion_tokens_details": {"reasoning_tokens": used.reasoning},
            "prompt_cache_hit_tokens": used.cached_input,
            "prompt_cache_miss_tokens": used.prompt - used.cached_input,
        }

    def error_event(self, fault: Fault) -> bytes:
        error = {"message": fault.message, "type": fault.type, "param": None, "code": "service_unavailable"}
        return frame({"error": error})

    def call_id(self, at: int) -> str:
        return f"call_{at:02d}_{self.next_number():024d}"

    def answer_id(self) -> str:
        return str(uuid.UUID(int=self.next_number()))

    def add_reasoning(self, message: dict[str, Any], reply: Reply) -> None:
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
