"""Which budgets bind whom, and when they refill."""

from datetime import UTC, datetime

import pytest

from levelhead.spend import scopes_for
from levelhead.spend.scopes import budgets_of, window_end, window_of
from levelhead.types import Budget, Identity, Key, Scope


def names(budgets, **identity):
    key = Key(identity.pop("key", "a"), team=identity.pop("team", None))
    return [str(scope) for scope in scopes_for(budgets, Identity(key=key, **identity))]


@pytest.mark.parametrize(
    ("budget", "identity", "expected"),
    [
        (Budget("key", 1, "a"), {}, ["key:a"]),
        (Budget("key", 1, "a"), {"key": "b"}, []),
        (Budget("key", 1), {"key": "b"}, ["key:b"]),
        (Budget("team", 1, "t", "month"), {"team": "t"}, ["team:t"]),
        (Budget("team", 1), {"team": "t/u"}, ["team:t%2Fu"]),
        (Budget("team", 1, "t"), {"team": "u"}, []),
        (Budget("team", 1), {}, []),
        (Budget("run", 1), {"run": "r", "session": "s"}, ["run:a/r"]),
        (Budget("run", 1), {"session": "s"}, ["run:a/s"]),
        (Budget("run", 1), {}, ["run:a/none"]),  # bound all the same
        (Budget("run", 1, "nightly"), {"run": "r"}, []),
        (Budget("slot", 1, "critic", "run"), {"run": "r", "slot": "critic"}, ["slot:a/r/critic"]),
        (Budget("slot", 1, "critic", "day"), {"run": "r", "slot": "critic"}, ["slot:a/critic"]),
        (Budget("slot", 1, "critic"), {"slot": "drafter"}, []),
        (Budget("slot", 1, None, "run"), {"run": "r", "slot": "drafter"}, ["slot:a/r/drafter"]),
        (Budget("slot", 1), {}, []),
    ],
)
def test_scopes_of_a_request(budget, identity, expected):
    assert names([budget], **identity) == expected


def test_scopes_come_from_wide_to_narrow_and_once():
    budgets = [
        Budget("slot", 1, "critic", "run"),
        Budget("run", 1),
        Budget("team", 1),
        Budget("slot", 1, "critic", "hour"),
        Budget("key", 1, "a", "day"),
        Budget("key", 1, "a", "month"),
    ]
    wide_to_narrow = ["key:a", "team:t", "run:a/r", "slot:a/r/critic", "slot:a/critic"]
    assert names(budgets, team="t", run="r", slot="critic") == wide_to_narrow
    assert names([], run="r", slot="critic") == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"key": "a", "run": "b/c"}, {"key": "a/b", "run": "c"}),
        ({"key": "a", "run": "%2F"}, {"key": "a", "run": "/"}),
    ],
)
def test_no_key_can_pose_as_another(ours, theirs):
    budgets = [Budget("run", 1), Budget("key", 1), Budget("slot", 1, "x", "run"), Budget("slot", 1, "x")]
    assert not set(names(budgets, slot="x", **ours)) & set(names(budgets, slot="x", **theirs)) - {"key:a", "slot:a/x"}


@pytest.mark.parametrize(
    ("scope", "amounts"),
    [
        (Scope("key", "a"), {"day": 10, "month": 99}),  # its own day, not the smaller one for everybody
        (Scope("key", "b"), {"day": 1}),
        (Scope("key", "x%2Fy"), {"day": 5}),
        (Scope("run", "a/r/with/slashes"), {"ever": 7}),
        (Scope("slot", "a/r/critic"), {"run": 3}),
        (Scope("slot", "a/critic"), {"hour": 4}),
        (Scope("slot", "a/r/drafter"), {}),
        (Scope("team", "t"), {}),
    ],
)
def test_budgets_of_a_scope(scope, amounts):
    budgets = [
        Budget("key", 10, "a", "day"),
        Budget("key", 1, None, "day"),
        Budget("key", 99, "a", "month"),
        Budget("key", 5, "x/y", "day"),
        Budget("run", 8),
        Budget("run", 7),
        Budget("slot", 3, "critic", "run"),
        Budget("slot", 4, "critic", "hour"),
    ]
    assert {per: budget.amount for per, budget in budgets_of(budgets, scope).items()} == amounts


@pytest.mark.parametrize(
    ("per", "moment", "end"),
    [
        ("hour", "2026-11-22T23:59:59.999", "2026-11-23T00:00:00"),
        ("hour", "2026-11-23T00:00:00", "2026-11-23T01:00:00"),
        ("day", "2028-02-29T12:00:00", "2028-03-01T00:00:00"),
        ("month", "2026-12-31T23:59:59", "2027-01-01T00:00:00"),
        ("month", "2027-01-01T00:00:00", "2027-02-01T00:00:00"),
        ("run", "2026-11-23T00:00:00", None),
        ("ever", "2026-11-23T00:00:00", None),
    ],
)
def test_windows_follow_the_calendar(per, moment, end):
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    ends = window_end(per, window_of(per, at))
    assert ends == (None if end is None else datetime.fromisoformat(end).replace(tzinfo=UTC).timestamp())
    if ends is not None:
        assert window_of(per, ends) == window_of(per, at) + 1
        assert window_of(per, ends - 0.001) == window_of(per, at)
