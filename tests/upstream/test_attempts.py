"""The declared order of tries, told by a fake clock."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from levelhead.errors import UpstreamError, UpstreamRefused, UpstreamTimeout, UpstreamUnavailable
from levelhead.testing import FakeClock, FakeUpstream
from levelhead.types import Attempt, Call, Model, Price
from levelhead.upstream import Attempts, Health
from levelhead.wire.chat import read_request

MODELS = [
    Model(name=name, tier="t", tier_rank=0, wire="openai", upstream_model=name, price=Price(0, 0, 0, 0, 0))
    for name in ("first", "second", "third")
]
CHAT = read_request(b'{"model":"auto","messages":[{"role":"user","content":"x"}]}')


class Watcher:
    def __init__(self) -> None:
        self.seen: list[Attempt] = []

    def attempted(self, attempt: Attempt) -> None:
        self.seen.append(attempt)

    def finished(self, record: object) -> None: ...


class Case:
    def __init__(self, deadline: float = 100.0) -> None:
        self.clock, self.watcher = FakeClock(), Watcher()
        self.health = Health(self.clock, threshold=2)
        self.again(deadline)

    def again(self, deadline: float = 100.0) -> Attempts:
        self.attempts = Attempts(
            self.health, self.watcher, deadline_seconds=deadline, clock=self.clock, sleep=self.clock.sleep,
            jitter=lambda: 1.0,
        )  # fmt: skip
        return self.attempts

    async def ask(self, upstream: FakeUpstream, models: list[Model] = MODELS) -> str:
        """What the router does."""
        for model in self.attempts.models(models):
            try:
                answer = await self.attempts.complete(upstream, Call(CHAT, model, 10, self.attempts.remaining))
                return str(answer.body["choices"][0]["message"]["content"])
            except UpstreamError as error:
                if not self.attempts.may_go_on(error):
                    raise
        raise self.attempts.exhausted()

    @property
    def trail(self) -> list[str]:
        return [f"{attempt.model} {attempt.outcome}" for attempt in self.attempts.trail]


@pytest.fixture
def case() -> Case:
    return Case()


def down(retry_after: float | None = None, status: int | None = 503) -> UpstreamUnavailable:
    return UpstreamUnavailable("down", retry_after=retry_after, upstream_status=status)


async def test_success_is_one_try(case):
    assert await case.ask(FakeUpstream("hi")) == "hi"
    assert case.trail == ["first ok"]
    assert case.watcher.seen == case.attempts.trail
    assert case.clock.slept == []


async def test_again_then_elsewhere(case):
    assert await case.ask(FakeUpstream(down(), down(), "hi")) == "hi"
    assert case.trail == ["first error", "first error", "second ok"]
    assert case.clock.slept == [0.25]
    assert [attempt.code for attempt in case.attempts.trail] == ["503", "503", ""]


async def test_four_tries_in_all(case):
    with pytest.raises(UpstreamUnavailable):
        await case.ask(FakeUpstream(*[down()] * 9))
    assert case.trail == ["first error", "first error", "second error", "second error"]


async def test_what_cant_be_repeated_goes_elsewhere_at_once(case):
    timeout = UpstreamTimeout("late")
    timeout.retryable = False
    assert await case.ask(FakeUpstream(timeout, UpstreamError("no credit", code="upstream_quota"), "hi")) == "hi"
    assert case.trail == ["first timeout", "second error", "third ok"]
    assert [attempt.code for attempt in case.attempts.trail] == ["upstream_timeout", "upstream_quota", ""]


async def test_a_refusal_ends_it(case):
    with pytest.raises(UpstreamRefused, match="bad"):
        await case.ask(FakeUpstream(UpstreamRefused("bad", upstream_status=400), "never"))
    assert case.trail == ["first refused"]
    assert case.health.state("first") == "closed"


async def test_overflow_goes_to_the_next_model(case):
    overflow = UpstreamRefused("too long", upstream_status=400, code="context_length_exceeded")
    overflow.elsewhere = True
    assert await case.ask(FakeUpstream(overflow, "hi")) == "hi"
    assert case.trail == ["first refused", "second ok"]


@pytest.mark.parametrize(("asked", "slept"), [(1.5, [1.5]), (0.1, [0.25]), (2.5, [])])
async def test_retry_after_is_honoured_or_avoided(case, asked, slept):
    assert await case.ask(FakeUpstream(down(asked), "hi")) == "hi"
    assert case.clock.slept == slept
    assert case.trail[-1] == ("first ok" if slept else "second ok")


async def test_nothing_beyond_the_deadline():
    case = Case(deadline=0.2)
    with pytest.raises(UpstreamUnavailable):
        await case.ask(FakeUpstream(*[down()] * 9), MODELS[:1])
    assert case.trail == ["first error"]
    assert case.clock.slept == []


async def test_a_second_try_has_only_the_time_that_is_left(case):
    upstream = FakeUpstream(down(1.5), "hi")
    await case.ask(upstream)
    assert [call.timeout for call in upstream.calls] == [100.0, 98.5]


async def test_errors_of_our_own_pass_through(case):
    def fail(call: Call) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await case.ask(FakeUpstream(fail))


async def test_cancelled_is_noted_and_blames_nobody(case):
    class Slow(FakeUpstream):
        async def complete(self, call):
            await asyncio.Event().wait()

    task = asyncio.create_task(case.ask(Slow()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert case.trail == ["first cancelled"]
    assert case.health.state("first") == "closed"


async def test_streams_are_tried_the_same_way(case):
    upstream = FakeUpstream(down(), "hi there")
    stream = await case.attempts.stream(
        upstream, replace(Call(CHAT, MODELS[0], 10, 9), chat=replace(CHAT, stream=True))
    )
    assert len([chunk async for chunk in stream]) > 1
    assert case.trail == ["first error", "first ok"]


async def test_a_resting_model_is_passed_over_and_tried_again_later(case):
    for _ in range(2):
        case.again()
        with pytest.raises(UpstreamUnavailable):
            await case.ask(FakeUpstream(down(9)), MODELS[:1])
    assert case.health.state("first") == "open"
    case.again()
    assert await case.ask(FakeUpstream("hi")) == "hi"
    assert case.trail == ["second ok"]
    case.clock.advance(60)
    case.again()
    await case.ask(FakeUpstream("hi"))
    assert case.trail == ["first ok"]
    assert case.health.state("first") == "closed"


async def test_where_all_rest_the_best_is_tried(case):
    for model in MODELS:
        case.health.record(model.name, False)
        case.health.record(model.name, False)
    assert await case.ask(FakeUpstream("hi")) == "hi"
    assert case.trail == ["first ok"]


async def test_an_overflow_moves_to_a_larger_context_first(case):
    overflow = UpstreamRefused("too long", code="context_length_exceeded")
    overflow.elsewhere = True
    sizes = {"first": 1000, "second": 1000, "third": 5000}
    models = [
        replace(model, capabilities=replace(model.capabilities, context_tokens=sizes[model.name])) for model in MODELS
    ]
    assert await case.ask(FakeUpstream(overflow, "hi"), models) == "hi"
    assert case.trail == ["first refused", "third ok"]
    assert await Case().ask(FakeUpstream(overflow, overflow, "hi"), models) == "hi"  # a table may be wrong
