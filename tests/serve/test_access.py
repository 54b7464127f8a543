"""Who may ask: keys, rates, and the rules of a proxy without keys."""

import pytest

from levelhead.config import ApiKey
from levelhead.errors import InvalidRequest, PermissionDenied, RateLimited, Unauthenticated
from levelhead.serve.access import Access
from levelhead.types import Key, Secret

TEAM = ApiKey(Key("team-a"), Secret("sk-team-a"))
LOCAL = {"host": "127.0.0.1:8100", "content-type": "application/json"}


@pytest.mark.parametrize("header", [{"authorization": "Bearer sk-team-a"}, {"x-api-key": "sk-team-a"}])
def test_a_key_is_known_by_either_vendors_header(header):
    assert Access([TEAM]).key(header) == TEAM.key


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer nope"}, {"authorization": "Basic sk-team-a"}, {"x-api-key": ""}]
)
def test_an_unknown_key_is_refused_without_showing_it(headers):
    with pytest.raises(Unauthenticated) as refused:
        Access([TEAM]).key(headers)
    assert "nope" not in refused.value.message


def test_keys_are_not_kept_in_the_clear():
    assert "sk-team-a" not in repr(vars(Access([TEAM], admin=Secret("sk-admin"))))


@pytest.mark.parametrize("host", ["127.0.0.1:8100", "localhost", "[::1]:8100", "LOCALHOST:1"])
def test_an_open_proxy_answers_to_loopback_names(host):
    assert Access([]).key({"host": host}).name == "local"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "10.0.0.1", "[::1"]
)
def test_an_open_proxy_refuses_a_rebound_name(host):
    with pytest.raises(PermissionDenied):
        Access([]).key({"host": host})


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://[bad"])
def test_an_open_proxy_refuses_a_foreign_page(origin):
    with pytest.raises(PermissionDenied):
        Access([]).key({**LOCAL, "origin": origin})


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_an_open_proxy_takes_only_json(kind):
    Access([]).require_json(LOCAL)
    Access([TEAM]).require_json({"content-type": kind})
    with pytest.raises(InvalidRequest):
        Access([]).require_json({**LOCAL, "content-type": kind})


def test_a_rate_refills_by_the_clock():
    now = [0.0]
    key = ApiKey(Key("slow", requests_per_minute=2), Secret("sk-slow"))
    access = Access([key], clock=lambda: now[0])
    headers = {"x-api-key": "sk-slow"}
    access.key(headers)
    access.key(headers)
    with pytest.raises(RateLimited) as refused:
        access.key(headers)
    assert refused.value.retry_after == pytest.approx(30.0)
    now[0] -= 1000.0  # a clock that jumps back neither refills nor breaks
    with pytest.raises(RateLimited):
        access.key(headers)
    now[0] += 30.0
    access.key(headers)


def test_metrics_take_their_own_token_or_the_admin_key():
    access = Access([TEAM], admin=Secret("sk-admin"), metrics=Secret("scrape"))
    for token in ("scrape", "sk-admin"):
        access.require_metrics({"authorization": f"Bearer {token}"})
    for token in ("", "sk-team-a"):
        with pytest.raises(Unauthenticated):
            access.require_metrics({"authorization": f"Bearer {token}"})
    assert access.is_admin({"authorization": "Bearer sk-admin"})
    assert not access.is_admin({"authorization": "Bearer scrape"})
    assert not Access([TEAM]).is_admin({"authorization": "Bearer sk-team-a"})
