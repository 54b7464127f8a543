"""A team's books on its seats: which were strong by chance, how it went, what that shows, and what runs have cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..types import Level
from .leaning import Money, place_of
from .record import SeatUplift, TeamRun
from .state import MOST_TRIALS, SeatTrial, TeamState
from .uplift import Effect, by_slot, interval
from .worth import Worth, worth

REFIT = 0.04  # learned anew when trials have grown by so much
HORIZON = 50  # runs over which what was spent too much or too little is made up for


class SeatBook:
    """Without a `state` what is learned lives as long as the book. What runs cost is the book's own in any case."""

    def __init__(self, state: TeamState | None = None) -> None:
        self._state = state
        self._trials: list[SeatTrial] = []
        self._scored: set[str] = set()
        self._known = -1
        self._worth = worth()
        self._fitted: Sequence[SeatTrial] = ()
        self._shown: Mapping[str, Effect] | None = {}
        self._levels = [1.0] * len(Level)
        self._runs, self._spent = 0, 0.0

    def worth(self) -> Worth:
        """What is expected of strength in each seat."""
        self._refresh()
        return self._worth

    def uplift(self, slots: Sequence[str] = ()) -> tuple[SeatUplift, ...]:
        """What coins alone have shown of these slots (none named: all), in order."""
        self._refresh()
        if self._shown is None:
            self._shown = by_slot(self._fitted)
        shown = self._shown
        return tuple(
            SeatUplift(slot, shown[slot].mean, *interval(shown[slot]), shown[slot].runs)
            for slot in dict.fromkeys(slots or sorted(shown))
            if slot in shown
        )

    def learn(self, run: TeamRun, score: float, verdicts: Mapping[int, float]) -> None:
        """Takes in the score of a run, 0..1, and verdicts on contributions, by agent."""
        self.add(seat_trials(run, score, verdicts))

    def add(self, trials: Sequence[SeatTrial]) -> None:
        """A run that was scored before is scored anew."""
        if self._state is not None:
            if trials:
                self._state.add_seat_trials(trials)
            return
        runs = {trial.run for trial in trials}
        if runs & self._scored:
            self._trials = [trial for trial in self._trials if trial.run not in runs]
        self._scored |= runs
        self._trials.extend(trials)
        if len(self._trials) > 2 * MOST_TRIALS:
            del self._trials[:-MOST_TRIALS]
            self._known = -1

    def ended(self, cost_usd: float, level: Level | None) -> None:
        """Writes down what a run cost and how hard its task was."""
        self._runs += 1
        self._spent += cost_usd
        if level is not None:
            self._levels[level - 1] += 1

    def due(self, average_usd: float) -> float:
        """What the next run may cost so that runs come to the average, in USD."""
        return max(0.0, average_usd + (average_usd * self._runs - self._spent) / HORIZON)

    def money(self, ratio: float, units: float | None, average: float | None) -> Money:
        return Money(ratio, units, average, tuple(self._levels))

    def _refresh(self) -> None:
        count = len(self._trials) if self._state is None else self._state.seat_trial_count()
        if self._known >= 0 and self._known <= count <= self._known * (1 + REFIT):
            return
        trials = self._trials if self._state is None or not count else self._state.seat_trials()
        self._worth, self._fitted, self._shown, self._known = worth(trials), tuple(trials), None, count


def seat_trials(run: TeamRun, score: float, verdicts: Mapping[int, float]) -> list[SeatTrial]:
    """The seats of a run in which coins decided some, or that has verdicts: those tell of seats without coins, too."""
    agents, level = len(run.contributions), run.level
    if level is None or not (verdicts or any(turn.propensity < 1 for turn in run.turns)):
        return []
    return [
        SeatTrial(
            run.id,
            place_of(turn.agent, agents, turn.phase),
            int(level),
            turn.lean > 0,
            turn.strong_chance,
            score,
            turn.slot,
            verdicts.get(turn.agent),
        )
        for turn in run.turns
        if turn.phase != "intend"
    ]
