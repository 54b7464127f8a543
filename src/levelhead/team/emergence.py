"""What a team made of itself: counts over the turns of one run and, for stability, over the run before it.

All of these are ours where arXiv:2603.28990 names a metric without its formula; each says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .record import Turn


@dataclass(frozen=True, slots=True)
class Emergence:
    """`abstentions` by kind. None: undefined (stability before a second run, money per contribution without one)."""

    agents: int
    contributing: int
    distinct_roles: int
    role_stability: float | None
    hierarchy_depth: int
    abstention_rate: float
    abstentions: Mapping[str, int]
    failed: int
    malformed: int
    contribution_gini: float
    cost_per_contribution_usd: float | None


def emergence(
    contributions: Sequence[Turn], *, before: Mapping[int, str] | None = None, cost_usd: float = 0.0, malformed: int = 0
) -> Emergence:
    """`contributions`: one turn of each agent. `before`: the roles of the team's previous run by agent."""
    spoken = [turn for turn in contributions if turn.contributed]
    kinds = {kind: sum(t.abstention == kind for t in contributions) for kind in ("voluntary", "directed", "budget")}
    agents = len(contributions)
    return Emergence(
        agents=agents,
        contributing=len(spoken),
        distinct_roles=len({normal(turn.role) for turn in spoken}),
        role_stability=role_stability(before, roles_of(contributions)),
        hierarchy_depth=hierarchy_depth(contributions),
        abstention_rate=sum(kinds.values()) / agents if agents else 0.0,
        abstentions=kinds,
        failed=sum(turn.status == "failed" for turn in contributions),
        malformed=malformed,
        contribution_gini=gini([len(turn.text) for turn in contributions]),
        cost_per_contribution_usd=cost_usd / len(spoken) if spoken else None,
    )


def normal(role: str) -> str:
    """Roles that differ in case, spaces or punctuation are one."""
    return " ".join("".join(c if c.isalnum() else " " for c in role.casefold()).split())


def roles_of(contributions: Sequence[Turn]) -> dict[int, str]:
    return {turn.agent: normal(turn.role) for turn in contributions if turn.contributed}


def role_stability(before: Mapping[int, str] | None, now: Mapping[int, str]) -> float | None:
    """Of the agents that contributed to both of two consecutive runs, the share that kept their role, 0..1.

    0 is a team that reinvents every role for every task, 1 one whose roles are fixed. Ours: the paper reports a role
    stability index near zero without a formula.
    """
    both = before.keys() & now.keys() if before else set()
    return sum(before[agent] == now[agent] for agent in both) / len(both) if before and both else None


def hierarchy_depth(contributions: Sequence[Turn]) -> int:
    """Agents on the longest chain in which each used the output of the one before it: 0 nobody, 1 nobody used anyone.

    Who used whose output is what agents say, among those they were shown; who abstained breaks a chain.
    """
    depth: dict[int, int] = {}
    for turn in sorted(contributions, key=lambda turn: turn.step):
        if turn.contributed:
            depth[turn.agent] = 1 + max((depth.get(agent, 0) for agent in turn.used if agent != turn.agent), default=0)
    return max(depth.values(), default=0)


def gini(amounts: Sequence[float]) -> float:
    """Gini coefficient of non-negative amounts: 0 all alike, (n-1)/n one has it all. Here over characters contributed.

    The mean absolute difference of all pairs over twice the mean (Gini 1912, in the sorted form).
    """
    total, n = sum(amounts), len(amounts)
    if total <= 0:
        return 0.0
    weighted = sum((2 * rank - n - 1) * amount for rank, amount in enumerate(sorted(amounts), 1))
    return weighted / (n * total)
