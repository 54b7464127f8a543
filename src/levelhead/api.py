"""The Python API: `Router`, over the same pipeline as the proxy.

All work happens in one event loop on a thread of its own, so that a Router can be shared by threads and by any number
of `asyncio.run` calls, and its pooled connections outlive them.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from .assemble import assemble, rooms_of
from .check import Checker
from .config import Config, load
from .errors import InvalidRequest, Overloaded
from .learning import Learner
from .passage import Ask, Reply
from .router import Pipeline
from .types import Decision, Key, Outcome

T = TypeVar("T")

Messages = Sequence[Mapping[str, Any]]

LOCAL = Key("local")


class Router:
    """Routes chats by difficulty, under budgets, to the models of a configuration.

        router = Router.from_config()
        outcome = router.chat(messages=[{"role": "user", "content": "Say hello"}], slot="drafter", run="r1")
        print(outcome.text, outcome.model, outcome.level, outcome.cost_usd)

    Keywords `slot`, `run`, `session`, `task` say who asks; `cache` is "no-cache" or "no-store"; `max_cost_usd` is a
    ceiling for this one call, `lean` (-1 thrift to 1 strength) moves its choice; `model` is "auto" unless said
    otherwise; every other keyword is a field of an OpenAI chat completions request. Methods raise
    `levelhead.errors.LevelheadError`s. Close it, or use it as a context manager, to flush budgets and cache. A process
    that was forked needs a Router of its own.
    """

    def __init__(
        self, config: Config, *, key: Key = LOCAL, dry_run: bool = False, checker: Checker | None = None
    ) -> None:
        """`dry_run`: only to explain; opens no ledger and no cache, and looks at no budget.

        `checker`: your own check of a draft: told `{"messages", "answer"}`, it gives 0..1, a bool, or None.
        """
        self.config = config
        house = None if dry_run else assemble(config, checker=checker)
        self._pipeline = Pipeline(rooms_of(config)) if house is None else house.pipeline
        self._learner = None if house is None else house.learner
        self.metrics = None if house is None else house.metrics
        self._key = key
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._process = os.getpid()

    @classmethod
    def from_config(
        cls, path: str | Path | None = None, *, dry_run: bool = False, checker: Checker | None = None
    ) -> Router:
        """`path`, else `LEVELHEAD_CONFIG`, else `./levelhead.yaml`, else the environment. Raises `ConfigError`."""
        return cls(load(path), dry_run=dry_run, checker=checker)

    @property
    def context_tokens(self) -> int:
        """The smallest context window among the configured models, tokens."""
        return min(model.capabilities.context_tokens for model in self._pipeline.models.values())

    def exposition(self) -> str:
        """What `/metrics` shows, of this Router and the teams that use it: for a page of your own."""
        if self.metrics is None:
            raise RuntimeError("a dry run counts nothing")
        return self._submit(self.metrics.exposition()).result()[0].decode()

    def explain(self, messages: Messages, **fields: Any) -> Decision:
        """What would be done with this chat, without calling a model or spending anything."""
        return self._pipeline.explain(self._ask(messages, fields))[0]

    def chat(self, messages: Messages, **fields: Any) -> Outcome:
        """One whole answer. See the class for `fields`."""
        return self._submit(self._whole(self._ask(messages, fields))).result()

    async def achat(self, messages: Messages, **fields: Any) -> Outcome:
        """As `chat`, without blocking. Cancelling it cancels the upstream call."""
        return await asyncio.wrap_future(self._submit(self._whole(self._ask(messages, fields))))

    async def astream(self, messages: Messages, **fields: Any) -> AsyncGenerator[dict[str, Any], None]:
        """The answer as chat.completion.chunk objects; the last one has `usage` with `cost_usd`."""
        reply = await asyncio.wrap_future(
            self._submit(self._pipeline.respond(self._ask(messages, fields, stream=True)))
        )
        try:
            while (chunks := await asyncio.wrap_future(self._submit(_next(reply)))) is not None:
                for chunk in chunks:
                    yield chunk
        finally:
            await asyncio.wrap_future(self._submit(_leave(reply)))

    def feedback(self, decision_id: str, score: float, source: str = "client") -> dict[str, Any]:
        """A verdict on an answer of this Router's key: `score` 0..1, once for each `source`. Later routing learns.

        Raises `InvalidRequest`, `NotFound`, `Overloaded` where the log can't be kept.
        """
        said = {"decision_id": decision_id, "score": score, "source": source}
        return self._submit(self._learning().feedback(self._key, said)).result()

    def decision(self, decision_id: str) -> dict[str, Any]:
        """What was decided, why, what else was possible, and the verdicts since. Raises `NotFound`, `Overloaded`."""
        return self._submit(self._learning().decision(decision_id, self._key)).result()

    def close(self) -> None:
        """Waits until budgets and cache are written. Using the Router afterwards is a `RuntimeError`."""
        if os.getpid() != self._process:
            return  # a forked child has nothing of its own to write
        with self._lock:
            if self._closed:
                return
            self._closed = True
            loop = self._running()
        asyncio.run_coroutine_threadsafe(self._shut(), loop).result()
        loop.call_soon_threadsafe(loop.stop)

    def __enter__(self) -> Router:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _learning(self) -> Learner:
        if self._learner is None:
            raise Overloaded("The decision log isn't kept here.", retry_after=60)
        return self._learner

    async def _shut(self) -> None:
        await self._pipeline.aclose()
        if self._learner is not None:
            await self._learner.aclose()

    async def _whole(self, ask: Ask) -> Outcome:
        reply = await self._pipeline.respond(ask)
        return _outcome(reply)

    def _ask(self, messages: Messages, fields: Mapping[str, Any], *, stream: bool = False) -> Ask:
        body = {"model": "auto", **fields, "messages": messages, "stream": stream}
        headers = {}
        for name in ("slot", "run", "session", "task", "cache", "max_cost_usd", "lean"):
            if (value := body.pop(name, None)) is not None:
                headers[f"x-levelhead-{name.replace('_', '-')}"] = quote(str(value))
        if stream:
            body["stream_options"] = {**fields.get("stream_options", {}), "include_usage": True}
        try:
            return Ask(orjson.dumps(body, default=_plain), headers, self._key)
        except TypeError as error:
            raise InvalidRequest(f"The request can't be written as JSON: {error}.") from None

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if os.getpid() != self._process:  # its thread stayed behind, and its leases must not be spent twice
            work.close()
            raise RuntimeError("this Router was made before a fork: make one in each process")
        with self._lock:
            if self._closed:
                work.close()
                raise RuntimeError("this Router is closed")
            loop = self._running()
        return asyncio.run_coroutine_threadsafe(work, loop)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(self._loop,), name="levelhead", daemon=True).start()
            if self._learner is not None:
                asyncio.run_coroutine_threadsafe(self._learner.start(), self._loop).result()
        return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _plain(value: object) -> object:
    """Mappings and sequences of other kinds, as plain ones."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    if hasattr(value, "model_dump"):  # a message object of an SDK, handed back as it came
        return value.model_dump(exclude_none=True)
    raise TypeError(type(value).__name__)


async def _next(reply: Reply) -> list[dict[str, Any]] | None:
    assert reply.chunks is not None
    chunks = await anext(reply.chunks, None)
    if chunks is None:
        return None
    cost_usd = reply.passage.cost_usd
    return [
        {**c.data, "usage": {**c.data["usage"], "cost_usd": cost_usd}} if c.data.get("usage") else c.data
        for c in chunks
    ]


async def _leave(reply: Reply) -> None:
    assert reply.chunks is not None
    await reply.chunks.aclose()


def _outcome(reply: Reply) -> Outcome:
    passage = reply.passage
    response: dict[str, Any] = orjson.loads(reply.body)
    choices = response.get("choices") or [{}]
    return Outcome(
        text=(choices[0].get("message") or {}).get("content") or "",
        response=response,
        decision=passage.decision,
        decision_id=passage.id,
        model=passage.model.name if passage.model is not None else "",
        level=passage.level,
        cost_usd=passage.cost_usd,
        usage=passage.usage,
        cache=passage.cache,
    )
