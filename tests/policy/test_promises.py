"""Certificates in force: who they bind, and that a withdrawn one stays withdrawn."""

from dataclasses import replace

import pytest

from levelhead.policy import Certificate, Paired, Promises, load, mark_withdrawn, save, trust_of, uplift_of

WHOLE = Certificate("p", "cascade", "", "", 0.8, 0.02, 0.95, 500, 0.0, 0.01, 0.5, "exact")
CRITIC = replace(WHOLE, slot="critic", threshold=0.7)
HARD = replace(CRITIC, domain="L3", threshold=0.6)


def test_the_nearest_counts():
    promises = Promises([WHOLE, CRITIC, HARD], "p")
    assert promises.threshold("cascade", "critic", "L3") == 0.6
    assert promises.threshold("cascade", "critic", "L1") == 0.7
    assert promises.threshold("cascade", "planner", "L1") == 0.8
    assert promises.threshold("direct", "critic", "L3") is None


def test_another_policy_s_bind_nothing():
    assert Promises([WHOLE], "q").threshold("cascade", "", "") is None
    assert Promises([WHOLE.withdraw("why")], "p").threshold("cascade", "", "") is None


def test_a_withdrawn_one_is_not_stood_in_for_and_stays_withdrawn(tmp_path):
    path = tmp_path / "certificates.json"
    save([WHOLE, HARD], path)
    promises = Promises(load(path), "p", lambda one: mark_withdrawn(path, one))
    while promises.threshold("cascade", "critic", "L3") is not None:
        gone = promises.verdict("cascade", Paired(0.9, 0.0, 1.0, "critic", "L3"))
    assert gone is not None
    assert "risen above the goal" in gone.withdrawn
    assert promises.threshold("cascade", "planner", "L1") == 0.8
    again = Promises(load(path), "p")
    assert again.threshold("cascade", "critic", "L3") is None
    assert [one.valid for one in load(path)] == [True, False]


def test_trust_and_uplift_are_one_scale():
    for uplift in (0.0, 0.01, 0.1, 0.5):
        assert uplift_of(trust_of(uplift)) == pytest.approx(uplift)
    assert trust_of(-0.3) == 1.0
    assert uplift_of(0.0) == 1.0
