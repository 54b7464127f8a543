"""A server that speaks api.anthropic.com's messages, streams, errors and refusals included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from ..types import Usage
from . import anthropic_rules
from .fake_openai import digest, last_user_text, pieces
from .http_server import Received
from .replies import Fault, Refusal, Reply, ToolUse, tokens
from .vendor import VendorServer, dumps

__all__ = ["FakeAnthropic"]

Json = Mapping[str, Any]
_VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")

_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


class FakeAnthropic(VendorServer):
    """Messages, token counts and models. Base URL without /v1, key as x-api-key."""

    chat_path = "/v1/messages"
    not_found_type = "not_found_error"
    models: tuple[str, ...] = (
        "claude-sonnet-5-5", "claude-opus-5-5", "claude-opus-5", "claude-sonnet-4-5", "claude-opus-4-1",
        "claude-haiku-4-5", "claude-fable-5-1",
    )  # fmt: skip

    def admit(self, request: Received) -> Refusal | None:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.headers.get("x-api-key", bearer) != self.api_key:
            return Refusal(status=401, message="invalid x-api-key")
        version = request.headers.get("anthropic-version")
        if version is None:
            return Refusal(message="anthropic-version: header is required")
        if version not in _VERSIONS:
            return Refusal(message=f'anthropic-version: "{version}" is not a valid version')
        body = request.body
        for name in ("temperature", "top_p", "top_k"):  # gone since the version of October 2026
            if version == _VERSIONS[-1] and isinstance(body, dict) and name in body:
                return Refusal(message=f"{name}: Extra inputs are not permitted")
        return None

    def check(self, body: Json) -> Refusal | None:
        refused = anthropic_rules.check(body)
        refused = refused or self._foreign_thinking(body)
        if refused is not None:
            return Refusal(message=refused)
        if body["model"] not in self.models:
            return Refusal(status=404, message=f"model: {body['model']}")
        asked = tokens(body["messages"]) + tokens(body.get("system") or "")
        if asked > self.context_tokens:
            return Refusal(message=f"prompt is too long: {asked} tokens > {self.context_tokens} maximum")
        if asked + body["max_tokens"] > self.context_tokens:
            said = f"input length and `max_tokens` exceed context limit: {asked} + {body['max_tokens']}"
            return Refusal(
                message=f"{said} > {self.context_tokens}, decrease input length or `max_tokens` and try again"
            )
        return None

    def _foreign_thinking(self, body: Json) -> str | None:
        """A thought that was edited, or that another vendor signed."""
        for at, message in enumerate(body["messages"]):
            for position, block in enumerate(message["content"] if isinstance(message["content"], list) else ()):
                if block.get("type") == "thinking" and block["signature"] != digest(block["thinking"], 0):
                    return f"messages.{at}.content.{position}: Invalid `signature` in `thinking` block"
        return None

    def envelope(self, refusal: Refusal) -> bytes:
        kind = refusal.type or _TYPES.get(refusal.status, "api_error")
        error = {"type": kind, "message": refusal.message}
        return dumps({"type": "error", "error": error, "request_id": self._request_id()})

    def error_headers(self) -> list[tuple[str, str]]:
        return [
            ("request-id", self._request_id()),
            ("anthropic-organization-id", "00000000-0000-0000-0000-000000000000"),
            ("anthropic-ratelimit-requests-limit", "4000"),
            ("anthropic-ratelimit-requests-remaining", "3999"),
        ]

    def other(self, request: Received) -> bytes | Refusal:
        if request.method == "GET" and request.path == "/v1/models":
            listed = [{"type": "model", "id": name, "display_name": name} for name in self.models]
            return dumps({"data": listed, "has_more": False, "first_id": self.models[0], "last_id": self.models[-1]})
        body = request.body
        if request.path == "/v1/messages/count_tokens" and isinstance(body, dict):
            refused = anthropic_rules.check({**body, "max_tokens": 1})
            return Refusal(message=refused) if refused else dumps({"input_tokens": tokens(body["messages"])})
        return Refusal(status=404, message="Not Found")

    # --- answers ---

    def echo(self, body: Json) -> Reply:
        choice = body.get("tool_choice") or {}
        if choice.get("type") in ("tool", "any"):
            return Reply(tools=(ToolUse(choice.get("name") or body["tools"][0]["name"]),))
        thinks = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
        said = last_user_text(body)
        return Reply(text=f"echo: {said}", reasoning=f"thinking of: {said}" if thinks else "")

    def render(self, reply: Reply, body: Json) -> bytes:
        reply = self.settled(reply, body)
        return dumps({**self._message(reply, body), "content": self.blocks(reply), "usage": self.usage(reply)})

    def blocks(self, reply: Reply) -> list[dict[str, Any]]:
        """The answer's content blocks, whole."""
        found: list[dict[str, Any]] = []
        if reply.reasoning:
            signature = digest(reply.reasoning, 0)
            found.append({"type": "thinking", "thinking": reply.reasoning, "signature": signature})
        if reply.text:
            found.append({"type": "text", "text": reply.text})
        for call in reply.tools:
            name = call.id or f"toolu_{digest('tool', self.next_number())[:24]}"
            made = {"type": "tool_use", "id": name, "name": call.name, "caller": {"type": "direct"}}
            found.append({**made, "input": orjson.loads(call.arguments)})
        return found

    def events(self, reply: Reply, body: Json) -> list[bytes]:
        reply = self.settled(reply, body)
        opening = {**self._message(reply, body), "content": [], "stop_reason": None, "stop_sequence": None}
        opening["usage"] = {**self.usage(reply), "output_tokens": 1}
        frames = [event("message_start", message=opening)]
        arguments = iter(reply.tools)
        for index, block in enumerate(self.blocks(reply)):
            raw = next(arguments).arguments if block["type"] == "tool_use" else ""
            frames += self._block_events(index, block, raw, reply.piece_chars)
            if index == 0:
                frames.insert(2, event("ping"))
        delta = {"stop_reason": reply.finish, "stop_sequence": None}
        frames.append(event("message_delta", delta=delta, usage={"output_tokens": (reply.usage or Usage()).output}))
        frames.append(event("message_stop"))
        return frames

    def _block_events(self, index: int, block: dict[str, Any], arguments: str, chars: int) -> list[bytes]:
        kind = block["type"]
        if kind == "tool_use":
            empty = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces(arguments, chars))]
        elif kind == "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"], chars)]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        else:
            empty = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"], chars)]
        start = event("content_block_start", index=index, content_block=empty)
        middle = [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        return [start, *middle, event("content_block_stop", index=index)]

    def error_event(self, fault: Fault) -> bytes:
        error = {"type": fault.type, "message": fault.message, "details": None}
        return event("error", error=error, request_id=self._request_id())

    # --- parts ---

    def settled(self, reply: Reply, body: Json) -> Reply:
        """Cut to the output cap, with its reason to stop and its usage."""
        cap, text, finish = body["max_tokens"], reply.text, reply.finish
        if tokens(text) > cap and reply.usage is None:
            text, finish = text.encode()[: 4 * cap].decode("utf-8", "ignore"), finish or "max_tokens"
        used = reply.usage or Usage(
            input=tokens(body["messages"]) + tokens(body.get("system") or ""),
            output=tokens(text) + tokens(reply.reasoning) + sum(tokens(call.arguments) + 4 for call in reply.tools),
        )
        return replace(reply, text=text, finish=finish or ("tool_use" if reply.tools else "end_turn"), usage=used)

    def usage(self, reply: Reply) -> dict[str, Any]:
        used = reply.usage or Usage()
        return {
            "input_tokens": used.input,
            "cache_creation_input_tokens": used.cache_write + used.cache_write_1h,
            "cache_read_input_tokens": used.cached_input,
            "cache_creation": {
                "ephemeral_5m_input_tokens": used.cache_write,
                "ephemeral_1h_input_tokens": used.cache_write_1h,
            },
            "output_tokens": used.output,
            "output_tokens_details": None,
            "inference_geo": "not_available",
            "server_tool_use": None,
            "service_tier": "standard",
        }

    def _message(self, reply: Reply, body: Json) -> dict[str, Any]:
        return {
            "id": f"msg_{digest('message', self.next_number())[:24]}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": reply.finish,
            "stop_sequence": None,
            "stop_details": None,
            "container": None,
            "usage": {},
        }

    def _request_id(self) -> str:
        return f"req_{digest('request', self.next_number())[:24]}"


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), dumps({"type": kind, **fields}))
