"""The dashboard over HTTP: who gets it, and that its figures are those of /metrics."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from .house import Proxy, Vendors, eventually

ADMIN = {"server": {"admin_key_env": "ADMIN_KEY"}, "extra_env": {"ADMIN_KEY": "sk-admin"}}
HTML = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def guarded(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Two workers, two keys, an admin key."""
    running_vendors.fresh()
    budgets = [{"scope": "key", "name": "team", "usd": 5, "per": "day"}]
    with Proxy(
        tmp_path_factory.mktemp("dashboard"),
        running_vendors,
        keys={"team": {}, "other": {}},
        slots={"critic": {"floor": "strong"}},
        budgets=budgets,
        workers=2,
        **ADMIN,
    ) as proxy:
        yield proxy


def test_only_the_admin_gets_figures(guarded: Proxy) -> None:
    for path in ("/dashboard", "/dashboard/data"):
        for key in (None, "team", "wrong"):
            refused = guarded.client(key).get(path)
            assert refused.status == 401, (path, key)
            assert refused.error["message"]
        assert guarded.client("admin").get(path).status == 200
    assert guarded.client("wrong").get("/dashboard", **HTML).status == 401
    locked = guarded.client(None).get("/dashboard", **HTML)
    assert locked.status == 200
    assert b'data-locked="yes"' in locked.raw
    assert b'data-locked="yes"' not in guarded.client("admin").get("/dashboard").raw


def test_nothing_runs_but_what_is_shipped(guarded: Proxy) -> None:
    page = guarded.client(None).get("/dashboard", **HTML)
    policy = page.headers["content-security-policy"]
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (text,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page.raw.decode(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(rb"(src|href)=.?(https?:)?//", page.raw)


def test_the_admin_key_explains_but_asks_nothing(guarded: Proxy, vendors: Vendors) -> None:
    admin = guarded.client("admin")
    body = {"model": "auto/critic", "messages": [{"role": "user", "content": "hello"}]}
    told = admin.send("POST", "/v1/explain", body)
    assert told.status == 200
    assert told.body["decision"]["tier"] == "strong"
    assert told.body["models"] == guarded.client("team").send("POST", "/v1/explain", body).body["models"]
    assert admin.chat().status == 401
    assert vendors.asked == 0


def test_figures_are_those_of_metrics(guarded: Proxy, vendors: Vendors) -> None:
    """Whichever worker is asked: each has answered a part."""
    admin, secret = guarded.client("admin"), "the swordfish's name"
    for i in range(24):
        client = guarded.client("team" if i % 2 else "other")
        assert client.chat(f"{secret} {i}", model="critic" if i % 3 else "auto", temperature=0).status == 200

    def metric(name: str, **labels: str) -> Decimal:
        page = admin.get("/metrics").raw.decode()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line.rpartition(" ") for line in page.splitlines() if re.match(rf"levelhead_{name}[{{ ]", line)]
        return sum((Decimal(n) for head, _, n in lines if all(one in head for one in wanted)), Decimal())

    eventually(lambda: len(admin.get("/dashboard/data").body["decisions"]) >= 24, "decisions are logged")
    for _ in range(4):
        shown = admin.get("/dashboard/data").body
        assert shown["cost_usd"] == pytest.approx(float(metric("cost_usd_total")), abs=1e-12)
        assert shown["baseline_usd"] == pytest.approx(float(metric("baseline_cost_usd_total")), abs=1e-12)
        assert shown["saved_usd"]["routing"] == pytest.approx(float(metric("saved_usd_total", by="routing")), abs=1e-12)
        assert shown["requests"]["ok"] == metric("requests_total", outcome="ok") >= 24
        for cell in shown["cells"]:
            assert cell["decisions"] == metric("decisions_total", slot=cell["slot"], level=cell["level"])
            assert cell["decisions"] == sum(cell["tiers"].values())
        assert sum(cell["decisions"] for cell in shown["cells"] if cell["slot"] == "critic") >= 16
        assert 0 < shown["overhead_seconds"]["median"] <= shown["overhead_seconds"]["p95"]
    assert [one["key"] for one in shown["decisions"]].count("other") >= 12
    assert sum(one["requests"] for one in shown["history"]) <= shown["requests"]["ok"]
    assert {one["scope"] for one in shown["budgets"]} >= {"key:team"}
    assert secret not in admin.get("/dashboard/data").raw.decode()


def test_without_an_admin_key(vendors: Vendors, tmp_path: Path) -> None:
    """Open to this machine; but what keys did is nobody's to see."""
    with Proxy(tmp_path / "keys", vendors, keys={"team": {}}) as proxy:
        assert proxy.client("team").chat().status == 200
        shown = proxy.client(None).get("/dashboard/data").body
        assert shown["requests"]["ok"] == 1
        assert shown["budgets"] is shown["decisions"] is None
        for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            for path in ("/dashboard", "/dashboard/data"):
                assert proxy.client(None).get(path, **headers).status == 403, (path, headers)
    with Proxy(tmp_path / "open", vendors, keys={}) as proxy:
        answer = proxy.client(None).chat(headers={"x-levelhead-slot": "<b>bold</b>"})
        id = answer.headers["x-levelhead-decision-id"]
        eventually(
            lambda: [one["id"] for one in proxy.client(None).get("/dashboard/data").body["decisions"]] == [id],
            "the decision is logged",
        )
        shown = proxy.client(None).get("/dashboard/data").body
        assert (shown["budgets"], shown["decisions"][0]["slot"]) == ([], "<b>bold</b>")
