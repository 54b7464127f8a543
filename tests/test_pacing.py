"""Pacing by the clock: a day's money lasts the day, whatever the traffic does, and none is saved without need."""

import numpy as np
import pytest

from levelhead.deciding import Decider, Question
from levelhead.pacing import Pacer
from levelhead.policy import Offer, choose
from levelhead.types import (
    NANOS_PER_USD,
    Assessment,
    Balance,
    Budget,
    Candidate,
    Chat,
    Decision,
    Goal,
    Identity,
    Key,
    Level,
    Model,
    Price,
    Reason,
    Record,
    Scope,
)

DAY = 86_400.0
MIDNIGHT = 1_795_305_600.0
KEY = Key("a")
SCOPE = Scope("key", "a")
CHEAP = Model("cheap", "efficient", 0, "simulated", "cheap", Price(1e-7, 1e-7, 1e-7, 1e-7, 1e-7))
DEAR = Model("dear", "strong", 1, "simulated", "dear", Price(1e-5, 1e-5, 1e-5, 1e-5, 1e-5))
PAIR = (CHEAP, DEAR)
COST = {"cheap": 1e-4, "dear": 1e-2}  # USD


class Traffic:
    """One or several workers on one budget, each with a pacer of its own; every call costs `factor` times the guess."""

    def __init__(self, usd, *, workers=1, factor=1.0, per="day"):
        self.limit = usd
        self.factor = factor
        self.spent = 0.0
        self.now = MIDNIGHT
        self.chance = np.random.default_rng(0)
        self.budgets = (Budget("key", round(usd * NANOS_PER_USD), "a", per),)
        self.pacers = [Pacer(self.budgets, ("cheap", "dear"), self.windows, lambda: self.now) for _ in range(workers)]
        self.dear = self.refused = self.requests = 0

    def windows(self, scopes):
        spent = round(self.spent * NANOS_PER_USD)
        return [Balance(SCOPE, round(self.limit * NANOS_PER_USD), spent, 0, MIDNIGHT + DAY) for _ in scopes]

    def ask(self):
        pacer = self.pacers[self.requests % len(self.pacers)]
        self.requests += 1
        uplift = float(self.chance.uniform(0, 0.5))
        success = {"cheap": 0.5, "dear": 0.5 + uplift}
        offers = [Offer(m, success[m.name], COST[m.name], round(5e9 * COST[m.name])) for m in PAIR]
        left = round((self.limit - self.spent) * NANOS_PER_USD)
        choice = choose(offers, threshold=0.0, remaining=left, dual=pacer.price([SCOPE]))
        if choice is None:
            self.refused += 1
            return
        model = choice.offer.model
        self.dear += model is DEAR
        cost = self.factor * COST[model.name]
        self.spent += cost
        pacer.finished(record(model, success, choice.reason, cost, self.now))

    def run(self, hours, per_hour):
        """Evenly over `hours`. Returns what was spent in each."""
        spent = []
        for _ in range(hours):
            before = self.spent
            for _ in range(per_hour):
                self.now += 3_600 / per_hour
                self.ask()
            spent.append(self.spent - before)
        return spent


def record(model, success, reason, cost, at, outcome="ok"):
    candidates = tuple(Candidate(m, success[m.name], COST[m.name]) for m in PAIR)
    assessment = Assessment(Level.L2, 0.5, 0.5, success)
    decision = Decision(model, reason, COST[model.name], COST["dear"], candidates, (model,), assessment, 100)
    return Record("d", at, Identity(KEY), outcome, decision=decision, model=model, cost_usd=cost)


@pytest.mark.parametrize(("workers", "factor"), [(1, 1.0), (4, 0.3), (2, 3.0)])
def test_a_days_money_lasts_the_day(workers, factor):
    """Enough for a quarter of the requests to go to the dear model; guesses of cost are off by `factor`."""
    per_hour = 60
    quarter = factor * 24 * per_hour * (0.25 * COST["dear"] + 0.75 * COST["cheap"])
    traffic = Traffic(quarter, workers=workers, factor=factor)
    spent = traffic.run(24, per_hour)
    assert traffic.refused == 0
    assert 0.93 * quarter <= traffic.spent <= quarter
    even = quarter / 24
    assert all(0.5 * even < hour < 1.7 * even for hour in spent[2:-1])


def test_money_that_is_there_is_not_saved():
    traffic = Traffic(1_000.0)
    traffic.run(24, 20)
    assert traffic.dear == traffic.requests
    assert traffic.pacers[0].price([SCOPE]) == 0


def test_what_was_saved_in_a_quiet_time_is_spent_later():
    """Rush hours after a quiet morning get more than their even share."""
    traffic = Traffic(3.0)
    quiet = traffic.run(12, 5)
    rush = traffic.run(12, 100)
    assert sum(quiet) < 0.7
    assert sum(rush) > 2.1
    assert traffic.refused == 0


def test_the_money_goes_where_it_buys_most():
    traffic = Traffic(24 * 60 * (0.2 * COST["dear"] + 0.8 * COST["cheap"]))
    traffic.run(18, 60)
    price = traffic.pacers[0].price([SCOPE])
    worth = price * (COST["dear"] - COST["cheap"])
    assert 0.3 < worth < 0.5  # uplifts are even over 0 to 0.5: the best fifth starts at 0.4


@pytest.mark.parametrize("budget", [Budget("run", 1), Budget("key", 1, "a"), Budget("slot", 1, "critic", "run")])
def test_a_budget_without_an_end_is_not_paced(budget):
    pacer = Pacer((budget,), ("cheap", "dear"), lambda scopes: [], lambda: MIDNIGHT)
    assert not pacer
    pacer.finished(record(DEAR, {"cheap": 0.1, "dear": 0.9}, Reason.UPLIFT, 1.0, MIDNIGHT))
    assert pacer.price([SCOPE]) == 0


class Sure:
    """A quality model that is sure of a small uplift."""

    def assess(self, chat, models):
        return Assessment(Level.L1, 0.1, 0.9, {"cheap": 0.7, "dear": 0.9})

    def threshold(self, max_quality_loss, models=None):
        return 0.05


@pytest.mark.parametrize(("price", "model", "reason"), [(0.0, DEAR, Reason.UPLIFT), (1e9, CHEAP, Reason.BUDGET)])
def test_a_target_that_money_does_not_reach_yields_visibly(price, model, reason):
    decider = Decider(Sure(), PAIR, Goal(), lambda name: True, pace=lambda scopes: price if SCOPE in scopes else 0.0)
    chat = Chat("chat", {}, "auto", [{"role": "user", "content": "hi"}], text_bytes=2)
    question = Question(chat, KEY, PAIR, None, False, None, MIDNIGHT, scopes=(SCOPE,))
    decision = decider.decide(question, decider.assess(chat))
    assert (decision.model, decision.reason) == (model, reason)
