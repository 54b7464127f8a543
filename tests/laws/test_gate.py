"""Laws of the gate: nobody is lost, nothing leaks, no line starves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serve.peer import Clock, live, settle
from serve.test_gate import Crowd

moves = st.lists(st.tuples(st.sampled_from(["come", "come", "go", "cancel", "wait"]), st.integers(0, 100)), max_size=40)


@given(moves, st.integers(1, 3), st.integers(1, 3), st.integers(0, 4))
def test_every_one_that_comes_passes_or_is_told(moves: list[tuple[str, int]], at_once: int, per_key: int, waiting: int):
    async def scene(clock: Clock) -> None:
        crowd = Crowd(in_flight=at_once, per_key=per_key, waiting=waiting, wait=5)
        for number, (move, pick) in enumerate(moves):
            if move == "come":
                await crowd.come([f"{'abc'[pick % 3]}{number}"])
            elif move == "go" and crowd.inside:
                await crowd.go(crowd.inside[pick % len(crowd.inside)])
            elif move == "cancel" and crowd.tasks:
                list(crowd.tasks.values())[pick % len(crowd.tasks)].cancel()
                await settle()
            elif move == "wait":
                await clock.pass_(pick % 4)
            inside = [name[0] for name in crowd.inside]
            assert crowd.gate.in_flight == len(inside) <= at_once
            assert all(inside.count(key) <= per_key for key in inside)
            assert crowd.gate.waiting <= waiting
        while any(not task.done() for task in crowd.tasks.values()):
            await crowd.go(*crowd.inside)
            await clock.pass_(1)
        assert (crowd.gate.in_flight, crowd.gate.waiting) == (0, 0)
        gone = {name for name, task in crowd.tasks.items() if task.cancelled()}
        assert set(crowd.came) | set(crowd.errors) | gone == set(crowd.tasks)

    live(scene)
