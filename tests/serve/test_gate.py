"""Who gets in, who waits, who is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from levelhead.errors import LevelheadError, Overloaded, RateLimited
from levelhead.serve.gate import Bounds, Gate

from .peer import Clock, live, settle


class Crowd:
    """Tasks at one gate: `done` names, in order, those whose turn came; each stays inside until it is let out."""

    def __init__(self, **bounds: float) -> None:
        self.gate = Gate(Bounds(**bounds), asyncio.get_running_loop().time)  # type: ignore[arg-type]
        self.inside: list[str] = []
        self.came: list[str] = []
        self.errors: dict[str, LevelheadError] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._exits: dict[str, asyncio.Event] = {}

    async def come(self, names: Sequence[str]) -> None:
        """The key is a name's first letter."""
        for name in names:
            self._exits[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._pass(name))
            await settle()

    async def go(self, *names: str) -> None:
        for name in names:
            self._exits[name].set()
        await settle()

    async def _pass(self, name: str) -> None:
        key = name[0]
        try:
            if (place := self.gate.enter(key)) is not None:
                await self.gate.wait(key, place)
        except LevelheadError as error:
            self.errors[name] = error
            return
        self.came.append(name)
        self.inside.append(name)
        try:
            await self._exits[name].wait()
        finally:
            self.inside.remove(name)
            self.gate.leave(key)


def test_keys_take_turns():
    async def scene(clock: Clock) -> None:
        crowd = Crowd(in_flight=1, per_key=1)
        await crowd.come(["a1", "a2", "a3", "a4", "b1", "c1", "b2"])
        for _ in range(7):
            await crowd.go(*crowd.inside)
        assert crowd.came == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]
        assert (crowd.gate.in_flight, crowd.gate.waiting) == (0, 0)

    live(scene)


def test_a_key_has_its_fill_and_others_pass_it():
    async def scene(clock: Clock) -> None:
        crowd = Crowd(in_flight=4, per_key=2, wait=10)
        await crowd.come(["a1", "a2", "a3", "b1"])
        assert crowd.inside == ["a1", "a2", "b1"]
        await clock.pass_(11)
        assert isinstance(crowd.errors["a3"], RateLimited)
        assert crowd.errors["a3"].retry_after >= 1
        assert crowd.gate.waiting == 0

    live(scene)


def test_who_waits_too_long_is_turned_away():
    async def scene(clock: Clock) -> None:
        crowd = Crowd(in_flight=1, per_key=1, wait=10)
        await crowd.come(["a1", "b1"])
        await clock.pass_(9)
        assert not crowd.errors
        await clock.pass_(2)
        assert isinstance(crowd.errors["b1"], Overloaded)
        assert 1 <= crowd.errors["b1"].retry_after <= 30

    live(scene)


def test_where_all_lines_are_full_the_longest_loses_its_last():
    async def scene(clock: Clock) -> None:
        crowd = Crowd(in_flight=1, per_key=1, waiting=3)
        await crowd.come(["a0", "a1", "a2", "a3", "a4", "b1"])
        assert set(crowd.errors) == {"a4", "a3"}
        with pytest.raises(Overloaded):
            crowd.gate.check("a")
        crowd.gate.check("c")
        await crowd.go("a0")
        await crowd.go("a1")
        assert crowd.inside == ["b1"]

    live(scene)


def test_nobody_may_wait():
    async def scene(clock: Clock) -> None:
        crowd = Crowd(in_flight=1, per_key=1, waiting=0)
        await crowd.come(["a1", "b1"])
        assert isinstance(crowd.errors["b1"], Overloaded)

    live(scene)


def test_who_leaves_the_line_gives_its_place_up():
    async def scene(clock: Clock) -> None:
        crowd = Crowd(in_flight=1, per_key=1)
        await crowd.come(["a1", "b1", "c1"])
        crowd.tasks["b1"].cancel()
        await settle()
        await crowd.go("a1")
        assert crowd.inside == ["c1"]
        crowd.tasks["c1"].cancel()
        await settle()
        assert (crowd.gate.in_flight, crowd.gate.waiting) == (0, 0)

    live(scene)


def test_who_leaves_at_the_very_moment_of_its_turn_gives_it_on():
    async def scene(clock: Clock) -> None:
        crowd = Crowd(in_flight=1, per_key=1)
        await crowd.come(["a1", "b1", "c1"])
        crowd._exits["a1"].set()
        await asyncio.sleep(0)  # a1 wakes up and leaves: b1's turn has come, and b1 hasn't heard of it
        crowd.tasks["b1"].cancel()
        await settle()
        assert crowd.came == ["a1", "c1"]
        await crowd.go("c1")
        assert (crowd.gate.in_flight, crowd.gate.waiting) == (0, 0)

    live(scene)
