"""Coordination protocols after biology. arXiv:2603.28990 names morphogenetic, clonal, stigmergic and ripple protocols
without defining them: these are our readings of published work that each class names, not the paper's own.

| protocol | model calls for N agents | what an agent sees | final output |
|---|---|---|---|
| stigmergic | N, in N steps | the one text as it was last left | the text as it stands at the end |
| morphogenetic | 2N, in 2 steps: intentions, then work | its two neighbours' intentions | all contributions, in order |
| clonal | 2N+2, in 4 steps: drafts, ranking, variations, choice | one draft, by its rank | agent 0's choice |
| ripple | N, in N/2 + 1 steps | the neighbours that the wave came from | all contributions, in order |
"""

from __future__ import annotations

from collections.abc import Mapping

from .record import Phase, Turn
from .stage import Cue, Stage
from .views import joined, last, spoken

EDGE_NEED, NEED, INTENT_NEED = 2.0, 1.0, 0.25
Need = Mapping[tuple[int, Phase], float]


class Stigmergic:
    """One after the other on one shared text, which is all that an agent sees; what it leaves is what the next finds.

    Stigmergy in its first, sematectonic form: the work itself tells what to do next, nobody is addressed (Grasse,
    Insectes Sociaux 6, 1959; Theraulaz and Bonabeau, A Brief History of Stigmergy, Artificial Life 5(2), 1999).
    """

    name = "stigmergic"

    def needs(self, agents: int) -> Need:
        return {(at, "act"): EDGE_NEED if at in (0, agents - 1) else NEED for at in range(agents)}

    def final(self, agents: int) -> tuple[int, Phase]:
        return (agents - 1, "act")

    async def play(self, stage: Stage) -> None:
        for agent in range(stage.agents):
            left = tuple(turn for turn in spoken(stage.turns) if turn.contributed)[-1:]
            await stage.play(Cue(agent, sees=left, last=agent == stage.agents - 1))

    def result(self, turns: list[Turn]) -> tuple[str, int | None]:
        return last(turns)


class Morphogenetic:
    """Agents in a row take up roles by their place in it, and differ from their neighbours; nobody sees further.

    Positional information along an axis (Wolpert, J. Theoretical Biology 25, 1969) and inhibition of like by like next
    to it (Turing, Phil. Trans. R. Soc. B 237, 1952), as in morphogenetic engineering: a form out of local rules
    (Doursat, Sayama and Michel, Natural Computing 12(4), 2013).
    """

    name = "morphogenetic"

    def needs(self, agents: int) -> Need:
        return {(at, phase): need for phase, need in _STATED for at in range(agents)}

    def final(self, agents: int) -> tuple[int, Phase]:
        return (agents - 1, "act")

    async def play(self, stage: Stage) -> None:
        places = [f"You stand at {at / max(stage.agents - 1, 1):.2f} of the row." for at in range(stage.agents)]
        await stage.play(*(Cue(at, "intend", told=place) for at, place in enumerate(places)))
        stated = {turn.agent: turn for turn in spoken(stage.turns, "intend")}
        beside = [tuple(stated[at] for at in (one - 1, one + 1) if at in stated) for one in range(stage.agents)]
        await stage.play(*(Cue(at, sees=sees, told=places[at]) for at, sees in enumerate(beside)))

    def result(self, turns: list[Turn]) -> tuple[str, int | None]:
        return joined(turns)


class Clonal:
    """All draft; agent 0 ranks the drafts; all vary one each, the better ones more often and less boldly; it chooses.

    One generation of CLONALG (de Castro and Von Zuben, IEEE Trans. Evolutionary Computation 6(3), 2002): the i-th best
    gets round(N/2i) clones, at least one, until there are N (its equation with a factor of a half); mutation is
    the stronger the lower the rank; the best of the mature clones is selected again. Affinity is agent 0's ranking.
    """

    name = "clonal"

    def needs(self, agents: int) -> Need:
        every: tuple[Phase, ...] = ("draft", "act")
        work: dict[tuple[int, Phase], float] = {(at, phase): NEED for phase in every for at in range(agents)}
        return {**work, (0, "rank"): NEED, (0, "integrate"): EDGE_NEED}

    def final(self, agents: int) -> tuple[int, Phase]:
        return (0, "integrate")

    async def play(self, stage: Stage) -> None:
        await stage.play(*(Cue(agent, "draft") for agent in range(stage.agents)))
        drafts = tuple(turn for turn in spoken(stage.turns, "draft") if turn.contributed)
        ranked = await stage.rank(drafts)
        parents = clones(len(ranked), stage.agents)
        cues = []
        for agent, rank in enumerate(parents):
            bold = "with small changes" if rank < max(1, len(ranked) // 4) else "boldly: keep only what is good in it"
            told = (
                f"The draft you see was ranked {rank + 1} of {len(ranked)}. Give a whole answer that varies it {bold}."
            )
            cues.append(Cue(agent, sees=(ranked[rank],), told=told))
        await stage.play(*(cues or [Cue(agent) for agent in range(stage.agents)]))
        await stage.play(Cue(0, "integrate", sees=spoken(stage.turns)))

    def result(self, turns: list[Turn]) -> tuple[str, int | None]:
        for phase in ("integrate", "act", "draft"):  # agent 0 varied the best draft: without a choice, that one
            for turn in turns:
                if turn.phase == phase and turn.contributed:
                    return turn.text, turn.agent
        return "", None


class Ripple:
    """Agents in a ring; agent 0 begins, and a wave runs both ways: each is woken once, by the neighbours before it.

    No published protocol of that name was found. This is the closest that was: waves of pings that each agent passes on
    once and then ignores, after slime moulds and fireflies (Varughese et al., A swarm design paradigm unifying swarm
    behaviors using minimalistic communication, Bioinspiration and Biomimetics 15, 036005, 2020); here a ping carries
    what its sender wrote.
    """

    name = "ripple"

    def needs(self, agents: int) -> Need:
        return {(at, "act"): EDGE_NEED if at in (0, agents // 2) else NEED for at in range(agents)}

    def final(self, agents: int) -> tuple[int, Phase]:
        return (agents // 2, "act")

    async def play(self, stage: Stage) -> None:
        size = stage.agents
        for reach in range(size // 2 + 1):
            front = sorted({reach % size, -reach % size})
            known = {turn.agent: turn for turn in spoken(stage.turns)}
            await stage.play(*(Cue(at, sees=tuple(known[n] for n in _wakers(at, size) if n in known)) for at in front))

    def result(self, turns: list[Turn]) -> tuple[str, int | None]:
        return joined(turns)


_STATED: tuple[tuple[Phase, float], ...] = (("intend", INTENT_NEED), ("act", NEED))


def clones(drafts: int, agents: int) -> list[int]:
    """For each agent the rank (from 0) of the draft that it varies; empty where there are no drafts."""
    found: list[int] = []
    for rank in range(drafts):
        found += [rank] * max(1, round(agents / (2 * (rank + 1))))
    found += list(range(drafts)) * (agents if drafts else 0)  # too few drafts: round again from the best
    return sorted(found[:agents])


def _wakers(agent: int, size: int) -> tuple[int, ...]:
    """The neighbours that are nearer to agent 0 on the ring, in order."""

    def distance(at: int) -> int:
        return min(at, size - at)

    beside = {(agent - 1) % size, (agent + 1) % size}
    return tuple(sorted(at for at in beside if distance(at) < distance(agent)))
