"""Laws of the decision, over any offers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from levelhead.policy import Offer, choose, dual_price
from levelhead.types import Model, Price, Reason

PRICE = Price(1e-6, 1e-6, 1e-7, 1e-6, 1e-6)
probability = st.floats(0, 1)
usd = st.floats(1e-6, 1.0)


@st.composite
def offers(draw, least=1):
    ranks = draw(st.lists(st.integers(0, 2), min_size=least, max_size=4))
    return [
        Offer(
            Model(f"m{i}", f"tier{rank}", rank, "openai", f"m{i}", PRICE),
            draw(probability),
            draw(usd),
            draw(st.integers(1, 10**9)),
        )
        for i, rank in enumerate(ranks)
    ]


@given(offers(least=2), st.data(), probability, st.floats(0, 1))
def test_larger_success_of_the_chosen_never_loses_it(some, data, threshold, more):
    """Raising the predicted success of the chosen model alone keeps it chosen: a larger uplift never routes weaker."""
    before = choose(some, threshold=threshold)
    raised = [
        Offer(o.model, min(1.0, o.success + more), o.expected_cost_usd, o.worst_case) if o is before.offer else o
        for o in some
    ]
    assert choose(raised, threshold=threshold).offer.model is before.offer.model


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), usd, usd, probability)
def test_larger_uplift_never_routes_weaker(low, high, weak_success, weak_cost, strong_cost, threshold):
    low, high = sorted((low, high))
    weak, strong = (Model(n, n, r, "openai", n, PRICE) for r, n in enumerate(("efficient", "strong")))

    def picks_strong(success):
        some = [Offer(weak, weak_success, weak_cost, 1), Offer(strong, success, strong_cost, 1)]
        return choose(some, threshold=threshold).offer.model is strong

    assert picks_strong(high) >= picks_strong(low)


@given(offers(), probability, st.integers(0, 10**9), st.integers(0, 10**9))
def test_tighter_budget_never_routes_dearer(some, threshold, a, b):
    tight, loose = sorted((a, b))
    small = choose(some, threshold=threshold, remaining=tight)
    large = choose(some, threshold=threshold, remaining=loose)
    if small is not None:
        assert large is not None
        assert small.offer.expected_cost_usd <= large.offer.expected_cost_usd
        assert small.offer.worst_case <= tight


@given(offers(), probability, st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_higher_price_of_money_never_routes_dearer(some, threshold, a, b):
    easy, hard = sorted((a, b))
    dear = choose(some, threshold=threshold, dual=easy)
    thrifty = choose(some, threshold=threshold, dual=hard)
    assert thrifty.offer.expected_cost_usd <= dear.offer.expected_cost_usd * (1 + 1e-9)
    assert (thrifty.reason is Reason.BUDGET) or thrifty.offer is choose(some, threshold=threshold).offer


tables = st.lists(st.tuples(*[st.tuples(probability, usd)] * 3), min_size=1, max_size=12)


@given(tables, st.lists(st.floats(0.2, 5.0), min_size=3, max_size=3), usd, usd)
def test_the_dual_price_keeps_the_allowance_and_falls_as_it_grows(table, bias, a, b):
    success, cost = (np.array([[model[i] for model in row] for row in table]) for i in (0, 1))
    spend = cost * bias
    tight, loose = sorted((a, b))
    prices = [dual_price(success, cost, spend, allowance) for allowance in (tight, loose)]

    def spent(price):
        return spend[np.arange(len(table)), np.argmax(success - price * cost, axis=1)].mean()

    for price, allowance in zip(prices, (tight, loose), strict=True):
        assert spent(price) <= max(allowance, spent(1e8))  # at the largest price, where nothing suffices
    if bias[0] == bias[1] == bias[2]:
        assert prices[0] >= prices[1]


@given(offers(), probability, st.integers(0, 10**9))
def test_ranking_holds_only_what_is_affordable_and_starts_with_the_choice(some, threshold, remaining):
    choice = choose(some, threshold=threshold, remaining=remaining)
    if choice is not None:
        assert choice.ranking[0] is choice.offer
        assert all(o.worst_case <= remaining for o in choice.ranking)
        assert len({o.model.name for o in choice.ranking}) == len(choice.ranking)
