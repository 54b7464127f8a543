"""The loss from audits: unbiased whatever the chances, and bounds that may be looked at after every audit."""

import numpy as np
import pytest

from levelhead.stats import AuditedLoss, loss_below, loss_upper

PATIENT = (20, 50, 100, 200, 400, 800)  # audits after which somebody looks


def audits(random, n, rate, lost=0.08, won=0.04, efficient=0.6):
    """A stream of `n` requests: (loss, chance) of those that a coin picked. `rate`: by path."""
    served = random.random(n) < efficient
    u = random.random(n)
    loss = np.where(served, np.where(u < lost, 1.0, np.where(u < lost + won, -1.0, 0.0)), 0.0)
    chance = np.where(served, *rate)
    picked = random.random(n) < chance
    return loss[picked], chance[picked]


def test_without_audits_nothing_is_known():
    found = AuditedLoss().told(0.05)
    assert (found.lower, found.upper, found.n) == (-1.0, 1.0, 0)
    assert np.isnan(found.estimate)
    assert not AuditedLoss().shown_below(0.5, 0.05)
    assert AuditedLoss().shown_below(1.0, 0.05)


def test_each_audit_speaks_for_those_that_the_coin_left_out():
    """One lost request in ten of the efficient path, which is audited four times as often."""
    known = AuditedLoss(least=0.1)
    for loss, chance, count in ((1.0, 0.4, 4), (0.0, 0.4, 36), (0.0, 0.1, 15)):
        known.add(loss, chance, count)
    assert known.estimate == pytest.approx((4 / 0.4) / (40 / 0.4 + 15 / 0.1))
    again = AuditedLoss.of(np.repeat([1.0, 0.0, 0.0], [4, 36, 15]), np.repeat([0.4, 0.4, 0.1], [4, 36, 15]))
    assert again.estimate == pytest.approx(known.estimate)


@pytest.mark.parametrize("rate", [(0.05, 0.05), (0.2, 0.05)], ids=["alike", "one path oftener"])
def test_the_truth_stays_inside_while_one_watches(rate):
    random, truth = np.random.default_rng(7), 0.6 * (0.08 - 0.04)
    missed, estimates = 0, []
    for _ in range(150):
        losses, chances = audits(random, 16_000, rate)
        known, looked = AuditedLoss(least=0.05), False
        for at, (loss, chance) in enumerate(zip(losses.tolist(), chances.tolist(), strict=True), 1):
            known.add(loss, chance)
            if at in PATIENT:
                found = known.told(0.05)
                looked = looked or not found.lower <= truth <= found.upper
        missed += looked
        estimates.append(known.estimate)
    assert missed <= 150 * 0.1  # either bound is wrong with at most 0.05
    assert np.mean(estimates) == pytest.approx(truth, abs=3 * np.std(estimates) / 150**0.5)


def test_bounds_close_in():
    losses, chances = audits(np.random.default_rng(8), 100_000, (0.05, 0.05))
    found = AuditedLoss.of(losses, chances).told(0.05)
    assert found.lower < 0.024 < found.upper < found.lower + 0.05
    assert found.standard_error == pytest.approx(losses.std() / losses.size**0.5, rel=1e-6)
    assert found.n == losses.size


def test_testing_again_and_again_is_allowed():
    """A loss of exactly the bound, looked at after each hundred verdicts: shown to be below in few of the runs."""
    random, wrong = np.random.default_rng(9), 0
    for _ in range(100):
        u = random.random(1_500)
        losses = np.where(u < 0.07, 1.0, np.where(u < 0.12, -1.0, 0.0))
        chances = np.full(losses.size, 0.02)
        wrong += any(
            loss_below(losses[:n], 0.02, 0.05, chances=chances[:n]).passed for n in range(100, losses.size + 1, 100)
        )
    assert wrong <= 5 + 4.4
    won = np.where(u < 0.01, 1.0, np.where(u < 0.05, -1.0, 0.0))
    tested = loss_below(won, 0.02, 0.05, chances=chances)
    assert (tested.passed, tested.method, tested.n) == (True, "anytime", 1_500)
    assert loss_upper(won, 0.05, chances=chances) < 0.02


@pytest.mark.parametrize(("loss", "chance"), [(1.1, 0.5), (-2, 0.5), (0, 0), (0, 1.5), (float("nan"), 0.5)])
def test_what_is_no_audit_is_refused(loss, chance):
    with pytest.raises(ValueError, match="is not in"):
        AuditedLoss().add(loss, chance)
