"""What a run leaves behind, as frozen values: each agent's turn, and the run as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..observe.teams import DEEDS, TeamSummary
from ..types import Level

if TYPE_CHECKING:
    from .emergence import Emergence
    from .judge import Quality

Phase = Literal["assign", "intend", "draft", "rank", "act", "integrate"]
Status = Literal["contributed", "abstained", "failed"]
Abstention = Literal["voluntary", "directed", "budget"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One agent's turn: what it was shown, what it did, which model served it and what that cost.

    `sees`: agents whose output it was shown, `cut`: how many of those were shortened or left out to fit the window;
    `used`: agents it says it built on, always among `sees`. `abstention` is set where `status` is "abstained":
    voluntary (its own choice), directed (the coordinator's) or budget (no money for it; no model was called).
    `malformed`: the answer wasn't of the asked form and was read as well as it could be. `lean` and `propensity`: how
    far it leaned to the strong tier, and with which probability it was given that lean (1: not by chance).
    """

    agent: int
    slot: str
    phase: Phase
    step: int  # turns of one step run in parallel; steps follow each other
    status: Status
    role: str = ""
    text: str = ""
    why: str = ""
    abstention: Abstention | None = None
    sees: tuple[int, ...] = ()
    used: tuple[int, ...] = ()
    cut: int = 0
    malformed: bool = False
    free_role: bool = True
    model: str = ""
    tier: str = ""
    level: Level | None = None
    cost_usd: float = 0.0
    decision_id: str = ""
    called: bool = False  # whether a model answered
    lean: float = 0.0
    propensity: float = 1.0
    error: str = ""

    @property
    def strong_chance(self) -> float:
        """The chance that the seat had to lean to strength."""
        return self.propensity if self.lean > 0 else 1 - self.propensity

    @property
    def contributed(self) -> bool:
        return self.status == "contributed"


@dataclass(frozen=True, slots=True)
class SeatUplift:
    """The main effect of a strong model in a slot on a run's score (0..1), with its 95 % interval, over `runs` runs in
    which a coin decided that seat."""

    slot: str
    uplift: float
    low: float
    high: float
    runs: int


@dataclass(frozen=True, slots=True)
class TeamRun:
    """One execution of a team.

    `result` is the final output, by `final_agent` (None: several, in the order of their seats, or nobody). `turns` has
    every turn; `contributions` the one of each agent that counts. `budget_forced` says that money, not the team,
    decided something: a seat that was skipped, or a model or length below what was wanted. `charter` is the hash of
    ring 1, `settings` what ring 3 was set to, `trial` the randomised trial it took part in, if any. `uplift`: what
    coins had shown of a strong model in its slots when it ended; slots that coins never decided are left out.
    """

    id: str
    mission: str
    task: str
    protocol: str
    result: str
    final_agent: int | None
    turns: tuple[Turn, ...]
    contributions: tuple[Turn, ...]
    cost_usd: float
    budget_usd: float | None
    steps: int
    level: Level | None  # of the task, as foreseen
    emergence: Emergence
    quality: Quality | None = None
    budget_forced: bool = False
    charter: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    trial: Mapping[str, Any] | None = None
    uplift: tuple[SeatUplift, ...] = ()
    seconds: float = 0.0

    @property
    def calls(self) -> int:
        """How many model calls the agents made."""
        return sum(turn.called for turn in self.turns)

    def plot(self, path: str | Path | None = None) -> str:
        """The run as one HTML page without scripts or links: who built on whom, cost, abstentions.

        Writes it to `path` where one is given. Raises `OSError` where that can't be written.
        """
        from .plot import page

        html = page(self)
        if path is not None:
            Path(path).write_text(html, encoding="utf-8")
        return html


def summary(run: TeamRun) -> TeamSummary:
    """What metrics are told."""
    did: list[str] = [turn.abstention or turn.status for turn in run.contributions]
    return TeamSummary(
        run.protocol,
        "empty" if not run.result else "budget_forced" if run.budget_forced else "complete",
        {what: did.count(what) for what in DEEDS},
        run.emergence.distinct_roles,
        run.emergence.hierarchy_depth,
        run.cost_usd,
        None if run.quality is None else run.quality.q,
    )
