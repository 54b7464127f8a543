"""Ring 3 tunes itself: one setting at a time, one challenger against what is in force, a coin for every run.

The difference of mean rewards is bounded by a confidence sequence over 2 (2Z - 1) (r - m), with Z the coin, r the run's
reward and m the mean of earlier rewards: its expectation is the challenger's advantage at every run, so that one may
look after each. A challenger is adopted when the bound shows it to be better, dropped when it shows it to be worse or
after `PATIENCE` runs. Each step stands in the charter's log; a frozen setting has no trials.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..stats import MeanSequence
from .charter import RING_3, SYSTEM, Charter
from .charter_log import Entry, append
from .state import TeamState

DELTA = 0.025  # of one bound: a challenger that is no better is adopted with at most this probability
PATIENCE = 300
COIN = 0.5
COST_WEIGHT = 0.1  # what a run that spends its whole budget loses in reward


@dataclass(frozen=True, slots=True)
class Trial:
    number: int
    name: str
    incumbent: Any
    challenger: Any


@dataclass(frozen=True, slots=True)
class Arm:
    """What one run uses. `settings` are ring 3's; `challenger` whether the coin chose it; None: no trial is on."""

    settings: Mapping[str, Any]
    trial: Trial | None = None
    challenger: bool = False


class Tuner:
    """`names`: the settings that may tune themselves: those with declared bounds, and the protocol where several are
    allowed and it is named."""

    def __init__(self, charter: Charter, state: TeamState, names: tuple[str, ...]) -> None:
        self._charter = charter
        self._state = state
        self._names = tuple(name for name in names if name in RING_3)
        self._evidence: dict[int, Evidence] = {}

    def draw(self, seed: str) -> Arm:
        """The settings of the next run."""
        settings = self._charter.settings()
        trial = self.current()
        if trial is None:
            trial = self._begin(settings, seed)
        if trial is None:
            return Arm(settings)
        challenger = random.Random(f"{seed}/arm").random() < COIN  # noqa: S311 - a trial's coin, guards nothing
        if challenger:
            settings = {**settings, trial.name: trial.challenger}
        return Arm(settings, trial, challenger)

    def learn(self, arm: Arm, run: str, reward: float) -> str | None:
        """Takes in a run's reward (0..1); "adopted", "dropped" or None where the trial goes on."""
        trial = arm.trial
        if trial is None or self.current() != trial:
            return None  # ended by another process meanwhile
        self._state.add_setting_trial(trial.number, run, arm.challenger, COIN, reward)
        evidence = self._evidence.setdefault(trial.number, Evidence())
        for took, earned in self._state.setting_trials(trial.number)[evidence.count :]:
            evidence.add(took, earned)
        if evidence.better:
            why = f"trial {trial.number}: better by {evidence.estimate:.3f} over {evidence.count} runs"
            self._charter.set(SYSTEM, trial.name, trial.challenger, why)
            return self._end(trial, "adopted")
        if evidence.worse or evidence.count >= PATIENCE:
            return self._end(trial, "dropped")
        return None

    def current(self) -> Trial | None:
        """The trial that is on, unless its setting was frozen or changed meanwhile."""
        log = self._charter.log()
        last = next((entry for entry in reversed(log) if entry.action in ("trial", "trial-end")), None)
        if last is None or last.action == "trial-end":
            return None
        trial = Trial(last.seq, last.name, last.value["incumbent"], last.value["challenger"])
        stale = self._charter.settings()[trial.name] != trial.incumbent or self._charter.frozen(trial.name)
        if stale:
            self._end(trial, "void")
            return None
        return trial

    def _begin(self, settings: Mapping[str, Any], seed: str) -> Trial | None:
        open_to = [name for name in self._names if not self._charter.frozen(name)]
        if not open_to:
            return None
        rng = random.Random(f"{seed}/trial")  # noqa: S311 - as above
        name = rng.choice(open_to)
        challenger = self._challenger(name, settings[name], rng)
        if challenger is None or challenger == settings[name]:
            return None
        value = {"incumbent": settings[name], "challenger": challenger, "propensity": COIN}
        return Trial(self._write(name, "trial", value), name, settings[name], challenger)

    def _challenger(self, name: str, incumbent: Any, rng: random.Random) -> Any:
        if name == "protocol":
            others = [other for other in self._charter.terms.protocols if other != incumbent]
            return rng.choice(others) if others else None
        low, high = self._charter.bounds(name)
        step = max((high - low) / 4, 1.0 if name == "batch_size" else 0.0)
        value = min(max(incumbent + rng.choice((-1, 1)) * step, low), high)
        return round(value) if name == "batch_size" else value

    def _end(self, trial: Trial, how: str) -> str:
        self._write(trial.name, "trial-end", {"trial": trial.number, "outcome": how})
        return how

    def _write(self, name: str, action: str, value: Any) -> int:
        entry = Entry(self._charter.now(), SYSTEM.kind, SYSTEM.name, 3, action, name, value, "", True, "")
        written = append(self._state, entry)
        assert written is not None
        return written


class Evidence:
    """Whether the challenger's mean reward is shown to differ from the incumbent's; each side errs with `DELTA`."""

    def __init__(self) -> None:
        self._sequence = MeanSequence(DELTA, low=-2.0, high=2.0, grid=3)  # only whether zero is out matters
        self._total = 0.0

    def add(self, challenger: bool, reward: float) -> None:
        """`reward` 0..1."""
        mean = (self._total + 0.5) / (self.count + 1)
        self._sequence.add(2 * (1 if challenger else -1) * (min(max(reward, 0.0), 1.0) - mean))
        self._total += reward

    @property
    def count(self) -> int:
        return self._sequence.count

    @property
    def estimate(self) -> float:
        return self._sequence.estimate

    @property
    def better(self) -> bool:
        return self._sequence.lower >= 0

    @property
    def worse(self) -> bool:
        return self._sequence.upper <= 0


def reward_of(score: float, target: float, cost_usd: float, budget_usd: float | None) -> float:
    """0..1: quality up to the target, less a little for what it cost of its budget."""
    spent = min(1.0, cost_usd / budget_usd) if budget_usd else 0.0
    return max(0.0, min(score / target if target > 0 else 1.0, 1.0) - COST_WEIGHT * spent)
