"""The choice: best expected quality minus the price of money times expected cost.

The price of money of a request is `threshold / (cost of strong - cost of the cheapest)`: at it, an uplift of just
`threshold` is worth what the strong model costs more. With two models this is "strong only where its predicted uplift
exceeds the threshold"; with more it picks from the upper hull of quality over cost. It depends on costs and tiers
alone, never on the predictions, or the first law below would not hold among three models. When a budget must last, a
higher `dual` price takes its place. Two laws follow and are tested: a larger uplift, all else equal, never routes
weaker; a tighter budget never routes dearer.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..types import Model, Nanos, Reason, value

# Ties in worth go to the cheaper model; differences below this are rounding.
_EPSILON = 1e-12


@value
class Offer:
    """What one eligible model would give and take for this request.

    `success` 0..1, `expected_cost_usd` in USD, `worst_case` nanodollars at the wanted output cap.
    """

    model: Model
    success: float
    expected_cost_usd: float
    worst_case: Nanos
    cold_cost_usd: float | None = None  # without any prompt cache, where that differs


@value
class Choice:
    """The chosen offer and why; `ranking` lists every affordable offer, best first, for fallbacks."""

    offer: Offer
    reason: Reason
    ranking: tuple[Offer, ...]


def price_of_money(offers: Sequence[Offer], threshold: float) -> float:
    """Quality per USD: how much success probability a dollar must buy to be spent."""
    top, strong, cheapest = -1, 0.0, float("inf")
    for offer in offers:
        cost, rank = offer.expected_cost_usd, offer.model.tier_rank
        if offer.cold_cost_usd is not None:  # what a prompt cache saves must not make money dearer
            cost = offer.cold_cost_usd
        if cost < cheapest:
            cheapest = cost
        if rank > top or (rank == top and cost < strong):
            top, strong = rank, cost
    if strong <= cheapest:
        return 0.0  # the strong tier is also the cheapest: nothing to trade
    return max(threshold, 0.0) / (strong - cheapest)


def choose(
    offers: Sequence[Offer],
    *,
    threshold: float,
    remaining: Nanos | None = None,
    dual: float = 0.0,
    pinned: bool = False,
) -> Choice | None:
    """Picks among `offers` (eligible ones only, at least one). None: money covers none that is no dearer.

    `threshold`: the largest predicted uplift that stays on the cheaper model. `remaining`: nanodollars left in the
    tightest budget; an offer whose worst case exceeds it is out. `dual`: quality per USD that a dollar has to buy for a
    budget to last; 0 where none has to.
    """
    rate = price_of_money(offers, threshold)
    ordered = _by_worth(offers, rate)
    wanted = ordered[0]
    if dual > rate:
        ordered = _by_worth(offers, dual)
    paid = ordered if remaining is None else [o for o in ordered if o.worst_case <= remaining]
    best = ordered[0] if paid and paid[0] is ordered[0] else _thriftiest(ordered, remaining)
    if best is None:
        return None
    fallbacks = [o for o in paid if o is not best]
    if len(fallbacks) > 1:
        fallbacks.sort(key=lambda o: o.model.tier != best.model.tier)  # within the tier first; the sort is stable
    return Choice(best, _reason(best, wanted, offers, pinned), (best, *fallbacks))


def _by_worth(offers: Sequence[Offer], rate: float) -> list[Offer]:
    worth = [
        (round((rate * o.expected_cost_usd - o.success) / _EPSILON), o.expected_cost_usd, at)
        for at, o in enumerate(offers)
    ]
    worth.sort()
    return [offers[at] for _, _, at in worth]


def _thriftiest(ordered: Sequence[Offer], remaining: Nanos | None) -> Offer | None:
    """The first that can be paid of those that are no dearer than the ones before: so less money never costs more."""
    ceiling = float("inf")
    for offer in ordered:
        if offer.expected_cost_usd <= ceiling:
            ceiling = offer.expected_cost_usd
            if remaining is None or offer.worst_case <= remaining:
                return offer
    return None


def _reason(best: Offer, wanted: Offer, offers: Sequence[Offer], pinned: bool) -> Reason:
    if best is not wanted:
        return Reason.BUDGET
    if pinned:
        return Reason.PINNED
    tier = best.model.tier
    if all(o.model.tier == tier for o in offers):
        return Reason.ONLY_ELIGIBLE
    cheapest = min(offers, key=lambda o: (o.expected_cost_usd, o.model.tier_rank))
    return Reason.QUALITY_MET if tier == cheapest.model.tier else Reason.UPLIFT
