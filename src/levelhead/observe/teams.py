"""Team runs for Prometheus: by protocol, with what agents did; made when the first run ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..types import PROTOCOLS
from .counts import Counting
from .labels import OTHER

OUTCOMES = ("complete", "budget_forced", "empty")
DEEDS = ("contributed", "voluntary", "directed", "budget", "failed")
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_QUALITIES = (0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)


@dataclass(frozen=True, slots=True)
class TeamSummary:
    """One run. `turns` counts agents by what they did (`DEEDS`); `quality` is Q, None where nobody judged."""

    protocol: str
    outcome: Literal["complete", "budget_forced", "empty"]
    turns: Mapping[str, int]
    roles: int
    depth: int
    cost_usd: float
    quality: float | None


class TeamMetrics:
    """Names and labels are part of the contract."""

    def __init__(self, counting: Counting) -> None:
        counter, histogram = counting.counter, counting.seconds
        self.runs = counter("team_runs", "protocol outcome", "Team runs by how they ended")
        self.turns = counter("team_agents", "protocol did", "Agents of team runs by what they did; abstentions by kind")
        self.cost = counter("team_cost_usd", "protocol", "Money that team runs cost, judges included")
        self.roles = histogram("team_distinct_roles", "protocol", "Distinct roles of a run", _SIZES)
        self.depth = histogram("team_hierarchy_depth", "protocol", "Longest chain of used outputs of a run", _SIZES)
        self.quality = histogram("team_quality", "protocol", "Q of a run, as judged", _QUALITIES)
        self.runs.seed(PROTOCOLS, OUTCOMES)
        self.turns.seed(PROTOCOLS, DEEDS)
        self.cost.seed(PROTOCOLS)

    def add(self, run: TeamSummary) -> None:
        protocol = (run.protocol if run.protocol in PROTOCOLS else OTHER,)
        self.runs.add((*protocol, run.outcome))
        for did, count in run.turns.items():
            if count and did in DEEDS:
                self.turns.add((*protocol, did), count)
        self.cost.add(protocol, run.cost_usd)
        self.roles.add(protocol, run.roles)
        self.depth.add(protocol, run.depth)
        if run.quality is not None:
            self.quality.add(protocol, run.quality)
