"""Fakes that need no socket: an upstream behind its port, and a clock that is told the time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from ..errors import LevelheadError, StreamBroken
from ..types import Answer, Call, Chunk, Usage, Wire
from ..wire import chat as codec
from .replies import tokens

__all__ = ["FakeClock", "FakeStream", "FakeUpstream", "answer_of"]

Step = str | Answer | LevelheadError | Callable[[Call], Answer]


class FakeClock:
    """A clock for every port that takes one: call it for the time, `advance` it, `sleep` on it without waiting."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class FakeUpstream:
    """An `Upstream` that answers by script: a text, a whole `Answer`, an error to raise, or a function of the call.

    Without a script it echoes the last message. `calls` lists what was asked; `breaks_after` ends every stream with
    `StreamBroken` after so many chunks.
    """

    def __init__(self, *script: Step, wire: Wire = "openai", breaks_after: int | None = None) -> None:
        self.wire = wire
        self.calls: list[Call] = []
        self.closed = False
        self.breaks_after = breaks_after
        self._script = deque(script)

    def script(self, *steps: Step) -> None:
        self._script.extend(steps)

    async def complete(self, call: Call) -> Answer:
        self.calls.append(call)
        step = self._script.popleft() if self._script else f"echo: {call.chat.messages[-1].get('content')}"
        if isinstance(step, LevelheadError):
            raise step
        if isinstance(step, Answer):
            return step
        return answer_of(call, step) if isinstance(step, str) else step(call)

    async def stream(self, call: Call) -> FakeStream:
        answer = await self.complete(call)
        return FakeStream(self.wire, answer, codec.answer_chunks(answer, call.chat), self.breaks_after)

    async def aclose(self) -> None:
        self.closed = True


class FakeStream:
    """The chunks of an answer, one a read."""

    def __init__(self, wire: Wire, answer: Answer, chunks: Iterable[Chunk], breaks_after: int | None) -> None:
        self.wire = wire
        self.usage: Usage | None = None
        self.output_bytes = 0
        self.closed = False
        self._answer = answer
        self._chunks = list(chunks)
        self._breaks_after = breaks_after
        self._sent = 0

    @property
    def counted(self) -> Usage | None:
        return self.usage

    def __aiter__(self) -> FakeStream:
        return self

    async def __anext__(self) -> list[Chunk]:
        if self._sent == self._breaks_after:
            raise StreamBroken("the fake was told to break here")
        if self.closed or self._sent == len(self._chunks):
            raise StopAsyncIteration
        chunk = self._chunks[self._sent]
        self._sent += 1
        for choice in chunk.data["choices"]:
            self.output_bytes += len((choice["delta"].get("content") or "").encode())
        if not chunk.data["choices"]:
            self.usage = self._answer.usage
        return [chunk]

    async def aclose(self) -> None:
        self.closed = True


def answer_of(call: Call, text: str) -> Answer:
    """A plain answer to a call, its tokens counted as the fake vendors count."""
    usage = Usage(input=tokens(list(call.chat.messages)), output=tokens(text))
    message = {"role": "assistant", "content": text}
    body = {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": call.model.upstream_model,
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}
            for index in range(call.chat.n)
        ],
        "usage": {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
        },
    }
    return Answer(body, usage, "stop")
