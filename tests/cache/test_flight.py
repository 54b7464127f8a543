import asyncio

import pytest

from levelhead.cache import SingleFlight
from levelhead.errors import BudgetExhausted, UpstreamError, UpstreamUnavailable


class Upstream:
    """Counts its calls; each waits for `go`."""

    def __init__(self, *outcomes):
        self.calls = 0
        self.outcomes = list(outcomes)
        self.go = asyncio.Event()

    async def __call__(self):
        self.calls += 1
        outcome = self.outcomes.pop(0) if self.outcomes else f"answer {self.calls}"
        await self.go.wait()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


async def ask(flights, upstream, key=b"k"):
    seat = flights.join(key)
    try:
        value = await seat.wait()
        return seat.land(await upstream()) if value is None else value
    except UpstreamError as error:
        seat.fail(error)
        raise
    finally:
        seat.leave()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def start(flights, upstream, count):
    tasks = [asyncio.create_task(ask(flights, upstream)) for _ in range(count)]
    await settle()
    return tasks


async def test_all_who_ask_at_the_same_time_share_one_call():
    flights, upstream = SingleFlight(), Upstream()
    tasks = await start(flights, upstream, 20)
    other = asyncio.create_task(ask(flights, upstream, b"other"))
    await settle()
    assert upstream.calls == 2
    upstream.go.set()
    assert set(await asyncio.gather(*tasks)) == {"answer 1"}
    assert await other == "answer 2"
    assert len(flights) == 0
    assert await ask(flights, upstream) == "answer 3", "who comes later asks anew"


async def test_a_cancelled_leader_hands_over_and_poisons_nobody():
    flights, upstream = SingleFlight(), Upstream()
    leader, *followers = await start(flights, upstream, 4)
    leader.cancel()
    await settle()
    assert upstream.calls == 2
    upstream.go.set()
    assert set(await asyncio.gather(*followers)) == {"answer 2"}
    assert leader.cancelled()
    assert len(flights) == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 2), (2, 1, 0), (1, 2)])
async def test_cancelling_leader_and_heirs_in_the_same_tick_leaves_the_rest_served(order):
    flights, upstream = SingleFlight(), Upstream()
    tasks = await start(flights, upstream, 5)
    for i in order:
        tasks[i].cancel()
    await settle()
    upstream.go.set()
    rest = [task for i, task in enumerate(tasks) if i not in order]
    async with asyncio.timeout(60):
        assert len(set(await asyncio.gather(*rest))) == 1
    assert len(flights) == 0


async def test_an_heir_cancelled_before_it_wakes_hands_on():
    flights, upstream = SingleFlight(), Upstream()
    leader, heir, last = await start(flights, upstream, 3)
    leader.cancel()
    await asyncio.sleep(0)  # the leader has left and named its heir, who hasn't run yet
    heir.cancel()
    upstream.go.set()
    async with asyncio.timeout(60):
        assert await last == "answer 2"
    assert heir.cancelled()
    assert len(flights) == 0


async def test_an_upstream_error_is_shared():
    flights, upstream = SingleFlight(), Upstream(UpstreamUnavailable("down"))
    tasks = await start(flights, upstream, 5)
    upstream.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [UpstreamUnavailable] * 5
    assert upstream.calls == 1
    assert len(flights) == 0


@pytest.mark.parametrize("error", [BudgetExhausted("run r1", scope="run:r1"), KeyError("a bug")])
async def test_what_is_wrong_with_the_leader_alone_stays_with_it(error):
    flights, upstream = SingleFlight(), Upstream(error)
    leader, *followers = await start(flights, upstream, 3)
    upstream.go.set()
    with pytest.raises(type(error)):
        await leader
    assert set(await asyncio.gather(*followers)) == {"answer 2"}
    assert len(flights) == 0


async def test_a_stream_left_halfway_is_taken_over_from_the_start():
    flights = SingleFlight()

    async def stream():
        seat = flights.join(b"k")
        try:
            if (value := await seat.wait()) is None:
                for piece in ("a", "b"):
                    yield piece
                seat.land("ab")
            else:
                yield value
        finally:
            seat.leave()

    async def whole():
        return [piece async for piece in stream()]

    leader = stream()
    assert await anext(leader) == "a"
    follower, second = asyncio.create_task(whole()), asyncio.create_task(whole())
    await settle()
    assert not follower.done()
    await leader.aclose()
    assert await follower == ["a", "b"]
    assert await second == ["ab"]


async def test_who_waited_long_enough_goes_alone():
    flights, upstream = SingleFlight(patience=0.01), Upstream()
    leader = flights.join(b"k")
    upstream.go.set()
    assert await ask(flights, upstream) == "answer 1"
    late = asyncio.create_task(ask(SingleFlightView(flights), upstream))
    await settle()
    leader.land("led")
    assert await late == "led", "one who went alone lands for nobody else"
    leader.leave()
    assert len(flights) == 0


async def test_who_joined_a_flight_that_ended_before_it_waited_leads_the_next():
    flights = SingleFlight()
    leader, late = flights.join(b"k"), flights.join(b"k")
    leader.land("too early")
    assert await late.wait() is None
    assert late.leads
    late.leave()
    assert len(flights) == 0


class SingleFlightView:
    """The same flights, with endless patience."""

    def __init__(self, flights):
        self.flights = flights

    def join(self, key):
        seat = self.flights.join(key)
        seat._patience = None
        return seat
