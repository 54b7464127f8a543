"""Who decides how a team works: its maker, within the charter; coins, where something is to be learned; and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config import Config
from ..types import PROTOCOLS
from .charter import CLIENT, RING_2, RING_3, Charter, Terms
from .charter_log import read
from .record import TeamRun
from .seats import SeatBook
from .state import TeamState
from .tuning import Arm, Tuner, reward_of

DEFAULTS: Mapping[str, Any] = {**RING_2, **RING_3}


@dataclass(slots=True)
class Office:
    """`asked`: settings that the team's maker fixed. Without a charter nothing binds them; without a state what is
    learned lives as long as the team. `gate`: by model name, whether it may choose its roles."""

    asked: Mapping[str, Any] = field(default_factory=dict)
    charter: Charter | None = None
    state: TeamState | None = None
    tuner: Tuner | None = None
    gate: Mapping[str, bool] = field(default_factory=dict)
    seats: SeatBook = field(default_factory=SeatBook)
    _arms: dict[str, Arm] = field(default_factory=dict)

    def draw(self, run: str, seed: str) -> Arm:
        """The settings of one run: the charter's, or a trial's, under what the maker fixed."""
        if self.tuner is not None:
            arm = self.tuner.draw(seed)
            self._arms[run] = arm
        else:
            arm = Arm(DEFAULTS if self.charter is None else self.charter.settings())
        return Arm({**arm.settings, **self.asked}, arm.trial, arm.challenger)

    def learn(self, run: TeamRun, score: float, verdicts: Mapping[int, float]) -> None:
        """Takes in the score (0..1) of a run: what strength is worth where, and how the trial goes."""
        self.seats.learn(run, score, verdicts)
        arm = self._arms.pop(run.id, None)
        if self.tuner is not None and arm is not None:
            reward = reward_of(score, run.settings["target_quality"], run.cost_usd, run.budget_usd)
            self.tuner.learn(arm, run.id, reward)

    def admit(self, mission: str) -> None:
        """Raises `PermissionDenied`, and has it written down, where the maker's wishes cross a ring."""
        charter = self.charter
        if charter is None:
            return
        if charter.terms.mission is not None and mission != charter.terms.mission:
            charter.refuse(CLIENT, "mission", mission, "the mission is ring 1's")
        now = charter.settings()
        for name, value in self.asked.items():
            most = now[name]
            if name in RING_2 and most is not None and (value is None or value > most):
                charter.refuse(CLIENT, name, value, f"at most {most:g} is approved")
            elif name in RING_3 and charter.wrong(name, value) is not None:
                charter.refuse(CLIENT, name, value, f"it {charter.wrong(name, value)}")


def office_for(config: Config | None, asked: Mapping[str, Any], *, tune: bool) -> Office:
    """The office of a team whose router has this configuration (None: there is none to govern it)."""
    if config is None:
        return Office(asked)
    state = TeamState(config.teams_store)
    entry = config.charter
    gate = gate_of(state) if state.path.exists() else {}
    office = Office(asked, None, state, None, gate, SeatBook(state))
    if entry.model_fields_set or (state.path.exists() and read(state)):
        office.charter = charter_of(config)
        names = [*entry.bounds, *(["protocol"] if len(entry.protocols) > 1 else [])]
        free = tuple(name for name in names if name not in asked)
        if tune and free:
            office.tuner = Tuner(office.charter, state, free)
    return office


def charter_of(config: Config) -> Charter:
    """The charter of a configuration, with the values in force from its state."""
    entry = config.charter
    bounds = {str(name): pair for name, pair in entry.bounds.items()}
    terms = Terms(entry.mission, entry.values, bounds, entry.protocols or PROTOCOLS)
    return Charter(terms, TeamState(config.teams_store))


def gate_of(state: TeamState) -> dict[str, bool]:
    """By model name, whether its newest probe lets it choose its roles."""
    return {model: bool(report["may_self_organise"]) for model, report in state.probes().items()}
