"""Coordination protocols after arXiv:2603.28990: who acts when, on what, and whose output is final.

| protocol | model calls for N agents | what an agent sees | final output |
|---|---|---|---|
| sequential | N | all completed outputs before it | the last contribution |
| batched (K) | N, in ceil(N/K) steps | all outputs of earlier groups | the last contribution |
| coordinator | N+1: agent 0 plans, all others work, it integrates | its role, outputs of earlier phases | agent 0's |
| broadcast | 2N: intentions, then decisions | all intentions | all contributions, in the order of seats |
| shared | N | the roles of earlier tasks | all contributions, in the order of seats |

Fewer calls are made where money forces a turn out, or where a coordinator lets an agent sit out. The paper also names
morphogenetic, clonal, stigmergic and ripple protocols without defining them: see `swarms.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import InvalidRequest
from ..types import PROTOCOLS
from .purse import Purse
from .record import Phase, Turn
from .stage import Cue, Stage
from .swarms import Clonal, Morphogenetic, Ripple, Stigmergic
from .views import joined, last, spoken

EDGE_NEED, NEED, INTENT_NEED = 2.0, 1.0, 0.25  # how money is split: edges and integrators may want a strong model
Need = Mapping[tuple[int, Phase], float]


class Coordination(Protocol):
    """One way to coordinate. `needs` plans the turns and weighs what each may cost; `final` is to be kept safe."""

    name: str

    def needs(self, agents: int) -> Need: ...
    def final(self, agents: int) -> tuple[int, Phase]: ...
    async def play(self, stage: Stage) -> None: ...
    def result(self, turns: list[Turn]) -> tuple[str, int | None]: ...


class Sequential:
    """Fixed order; each agent sees the completed outputs of all predecessors and picks its own role."""

    name = "sequential"

    def needs(self, agents: int) -> Need:
        return {(at, "act"): EDGE_NEED if at in (0, agents - 1) else NEED for at in range(agents)}

    def final(self, agents: int) -> tuple[int, Phase]:
        return (agents - 1, "act")

    async def play(self, stage: Stage) -> None:
        for agent in range(stage.agents):
            await stage.play(Cue(agent, sees=spoken(stage.turns), last=agent == stage.agents - 1))

    def result(self, turns: list[Turn]) -> tuple[str, int | None]:
        return last(turns)


class Batched(Sequential):
    """Groups of `size` in parallel; a group sees the completed outputs of all earlier groups. O(N/K) latency."""

    name = "batched"

    def __init__(self, size: int) -> None:
        self.size = size

    async def play(self, stage: Stage) -> None:
        for first in range(0, stage.agents, self.size):
            sees = spoken(stage.turns)
            group = range(first, min(first + self.size, stage.agents))
            await stage.play(*(Cue(agent, sees=sees, last=agent == stage.agents - 1) for agent in group))


class Coordinator:
    """Agent 0 assigns roles and phases (1 call), the others work by phases (N-1), agent 0 integrates (1)."""

    name = "coordinator"

    def needs(self, agents: int) -> Need:
        work: dict[tuple[int, Phase], float] = {(at, "act"): NEED for at in range(1, agents)}
        return {(0, "assign"): NEED, **work, (0, "integrate"): EDGE_NEED}

    def final(self, agents: int) -> tuple[int, Phase]:
        return (0, "integrate")

    async def play(self, stage: Stage) -> None:
        plan = await stage.plan()
        for agent, (_, phase) in plan.items():
            if phase == 0:
                stage.sit_out(agent, "the coordinator lets it sit out")
        for phase in sorted({phase for _, phase in plan.values() if phase > 0}):
            sees = spoken(stage.turns)
            now = [(agent, role) for agent, (role, at) in plan.items() if at == phase]
            await stage.play(*(Cue(agent, sees=sees, role=role) for agent, role in now))
        await stage.play(Cue(0, "integrate", sees=spoken(stage.turns)))

    def result(self, turns: list[Turn]) -> tuple[str, int | None]:
        whole = [turn for turn in turns if turn.phase == "integrate" and turn.contributed]
        return (whole[0].text, 0) if whole else joined(turns)


class Broadcast:
    """All state intentions at once, then all decide at once, each seeing every intention."""

    name = "broadcast"

    def needs(self, agents: int) -> Need:
        intents: dict[tuple[int, Phase], float] = {(at, "intend"): INTENT_NEED for at in range(agents)}
        return {**intents, **{(at, "act"): NEED for at in range(agents)}}

    def final(self, agents: int) -> tuple[int, Phase]:
        return (agents - 1, "act")

    async def play(self, stage: Stage) -> None:
        await stage.play(*(Cue(agent, "intend") for agent in range(stage.agents)))
        sees = spoken(stage.turns, "intend")
        await stage.play(*(Cue(agent, sees=sees) for agent in range(stage.agents)))

    def result(self, turns: list[Turn]) -> tuple[str, int | None]:
        return joined(turns)


class Shared:
    """All at once, each seeing which roles the team's agents played in earlier tasks."""

    name = "shared"

    def needs(self, agents: int) -> Need:
        return {(at, "act"): NEED for at in range(agents)}

    def final(self, agents: int) -> tuple[int, Phase]:
        return (agents - 1, "act")

    async def play(self, stage: Stage) -> None:
        await stage.play(*(Cue(agent, shows_history=True) for agent in range(stage.agents)))

    def result(self, turns: list[Turn]) -> tuple[str, int | None]:
        return joined(turns)


def protocol_named(name: str, *, batch_size: int) -> Coordination:
    """Raises `InvalidRequest` for a name that isn't in `PROTOCOLS`."""
    made: dict[str, Any] = {
        "sequential": Sequential,
        "batched": lambda: Batched(batch_size),
        "coordinator": Coordinator,
        "broadcast": Broadcast,
        "shared": Shared,
        "morphogenetic": Morphogenetic,
        "clonal": Clonal,
        "stigmergic": Stigmergic,
        "ripple": Ripple,
    }
    if name not in made:
        raise InvalidRequest(f"There is no protocol {name!r}. Known: {', '.join(PROTOCOLS)}.", param="protocol")
    found: Coordination = made[name]()
    return found


def purse_for(protocol: Coordination, agents: int, budget: int | None, headroom: float, least: int = 0) -> Purse:
    return Purse(budget, dict(protocol.needs(agents).items()), protocol.final(agents), headroom, least)
