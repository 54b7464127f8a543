"""The promise, by simulation: certificates that are wrong are rare, and those that could be given are given."""

import numpy as np
import pytest

from levelhead.errors import ArtefactError
from levelhead.learn.certify import LEAST, Refusal, certify, certify_cells
from levelhead.policy import Certificate, Paired, Watch, load, save
from levelhead.types import Goal

GOAL = Goal(0.02, 0.95)
SHARE = 0.6  # of drafts that the second opinion agrees with


def drawn(random, n, lost=0.01, won=0.03, **fields):
    """Verdicts of a source where trusted drafts lose `lost` and win `won` of the time, and others lose a third."""
    found = []
    for agrees, u in random.random((n, 2)):
        trusted = agrees < SHARE
        chances = (lost, won) if trusted else (0.35, 0.05)
        scores = (0.0, 1.0) if u < chances[0] else (1.0, 0.0) if u < sum(chances) else (1.0, 1.0)
        found.append(Paired(0.85 if trusted else 0.3, *scores, **fields))
    return found


def test_what_keeps_the_goal_is_certified_down_to_where_it_does():
    found = certify(drawn(np.random.default_rng(1), 800), GOAL, policy="p1")
    assert isinstance(found, Certificate)
    assert 0.3 < found.threshold <= 0.85
    assert found.accepted == pytest.approx(SHARE, abs=0.05)
    assert found.estimate < found.upper <= 0.02
    assert (found.policy, found.n, found.method, found.valid) == ("p1", 800, "exact", True)


def test_a_loss_at_the_goal_is_seldom_certified():
    """The edge of the promise: the trusted drafts lose exactly 2 points over all requests."""
    random, wrong, runs = np.random.default_rng(2), 0, 120
    lost = 0.05 + 0.02 / SHARE
    for _ in range(runs):
        found = certify(drawn(random, 500, lost=lost, won=0.05), GOAL, policy="p")
        wrong += isinstance(found, Certificate) and found.accepted > SHARE / 2
    assert wrong / runs <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


def test_too_little_evidence_says_so():
    found = certify(drawn(np.random.default_rng(3), 40), GOAL, policy="p")
    assert isinstance(found, Refusal)
    assert found.why.startswith("uncertified: 40 verdicts")
    assert isinstance(certify([], GOAL, policy="p"), Refusal)


def test_graded_scores_take_a_betting_bound():
    random = np.random.default_rng(4)
    verdicts = [Paired(0.9, min(1.0, 0.8 + s), 0.8) for s in random.normal(0.01, 0.05, 1500)]
    found = certify(verdicts, GOAL, policy="p")
    assert isinstance(found, Certificate)
    assert found.method == "betting"


def test_what_money_forced_lies_outside_and_is_counted():
    random = np.random.default_rng(5)
    free, forced = drawn(random, 600), [Paired(0.9, 0.0, 1.0, forced=True)] * 300
    found = certify([*free, *forced], GOAL, policy="p")
    assert isinstance(found, Certificate)
    assert (found.n, found.forced) == (600, 300)


def test_sparse_cells_are_tested_at_their_parent():
    random = np.random.default_rng(6)
    verdicts = [
        *drawn(random, 900, slot="critic", domain="maths"),
        *drawn(random, LEAST - 1, slot="critic", domain="law"),
        *drawn(random, LEAST, slot="critic", domain="code", lost=0.4),
        *drawn(random, 30, slot="planner", domain="maths"),
    ]
    found = {(one.slot, one.domain): one for one in certify_cells(verdicts, GOAL, policy="p")}
    assert set(found) == {("critic", "maths"), ("critic", "code"), ("", "")}
    assert isinstance(found["critic", "maths"], Certificate)
    assert isinstance(found["critic", "code"], Refusal)
    assert found["", ""].n == LEAST - 1 + 30


def test_many_cells_share_the_error():
    """Twenty cells at the edge of the promise: seldom is any of them certified."""
    random, runs, wrong = np.random.default_rng(7), 15, 0
    lost = 0.05 + 0.02 / SHARE
    for _ in range(runs):
        verdicts = [v for cell in range(20) for v in drawn(random, 150, lost=lost, won=0.05, slot=f"s{cell}")]
        found = certify_cells(verdicts, GOAL, policy="p")
        wrong += any(isinstance(one, Certificate) and one.accepted > SHARE / 2 for one in found)
    assert wrong / runs <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


def test_certificates_are_kept(tmp_path):
    found = certify(drawn(np.random.default_rng(1), 800), GOAL, policy="p1")
    path = tmp_path / "deep" / "certificates.json"
    save([found], path)
    assert load(path) == [found]
    assert load(tmp_path / "none.json") == []
    path.write_text('[{"policy": 1}]')
    with pytest.raises(ArtefactError, match="no certificates"):
        load(path)


def certified(random):
    found = certify(drawn(random, 1000), GOAL, policy="p")
    assert isinstance(found, Certificate)
    return Watch(found)


def test_a_certificate_is_withdrawn_after_a_shift_and_the_loss_stays_small():
    random, late, losses = np.random.default_rng(8), 0, []
    for _ in range(20):
        watch, loss = certified(random), 0.0
        stream = [*drawn(random, 600), *drawn(random, 600, lost=0.22, won=0.02)]
        for verdict in stream:
            if watch.certificate.valid and verdict.trust >= watch.certificate.threshold:
                loss += verdict.strong - verdict.efficient
            watch.verdict(verdict)
        late += watch.certificate.valid or watch.seen > 900
        losses.append(loss / len(stream))
    assert late <= 1
    assert np.mean(losses) <= 0.03
    assert "the loss has risen" in watch.certificate.withdrawn


def test_other_traffic_shows_before_its_loss_does():
    random = np.random.default_rng(9)
    watch = certified(random)
    for _ in range(200):
        watch.checked(0.3)
    assert not watch.certificate.valid
    assert "traffic has changed" in watch.certificate.withdrawn


def test_the_same_traffic_keeps_its_certificate():
    random, kept = np.random.default_rng(10), 0
    for _ in range(20):
        watch = certified(random)
        for verdict in drawn(random, 800):
            watch.verdict(verdict)
        watch.verdict(Paired(0.9, 0.0, 1.0, forced=True))
        kept += watch.certificate.valid
    assert kept >= 18


def test_a_stream_is_certified_by_a_test_that_may_be_repeated():
    verdicts = drawn(np.random.default_rng(11), 4_000, lost=0.005, propensity=0.02)
    first = next(
        n
        for n in range(100, 4_001, 100)
        if isinstance(certify(verdicts[:n], GOAL, policy="p", stream=True), Certificate)
    )
    assert 200 <= first <= 2_500
    found = certify(verdicts, GOAL, policy="p", stream=True)
    assert isinstance(found, Certificate)
    assert (found.method, found.n) == ("anytime", 4_000)
    assert found.estimate < found.upper <= 0.02
