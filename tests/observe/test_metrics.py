import asyncio
import shutil
import subprocess
import sys
from threading import Thread

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from levelhead.observe.labels import Labels
from levelhead.observe.metrics import PrometheusObserver
from levelhead.types import Attempt, Balance, Model, Price, Reason, Scope, Usage

PRICE = Price(1e-6, 2e-6, 1e-7, 1e-6, 1e-6)
FAST = Model("fast", "efficient", 0, "openai", "v4-flash", PRICE)
BEST = Model("best", "strong", 1, "anthropic", "sonnet", PRICE)
STRAY = Model("stray", "nowhere", 0, "openai", "x", PRICE)
OPENMETRICS = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3"


def scrape(observer):
    """Every series as {(name, labels): value}, process metrics aside."""
    page, _ = asyncio.run(observer.exposition())
    return {
        (sample.name.removeprefix("levelhead_"), *sample.labels.values()): sample.value
        for family in parse(page.decode())
        for sample in family.samples
        if family.name.startswith("levelhead_")
    }


def changes(observer, *records):
    before = scrape(observer)
    for record in records:
        observer.finished(record)
    return {
        series: pytest.approx(value - before.get(series, 0.0))
        for series, value in scrape(observer).items()
        if value != before.get(series, 0.0) and not series[0].endswith(("_bucket", "_sum"))
    }


@pytest.fixture
def observer(models):
    return PrometheusObserver(models=models, slots=["critic", "drafter"], keys=["team-a"])


def test_one_answer_in_every_metric(observer, make_record):
    assert changes(observer, make_record()) == {
        ("requests_total", "fast", "ok", "critic", "efficient"): 1,
        ("decisions_total", "L2", "quality_met", "critic", "efficient"): 1,
        ("decision_seconds_count",): 1,
        ("overhead_seconds_count",): 1,
        ("ttft_seconds_count", "fast"): 1,
        ("tokens_total", "fast", "critic", "input"): 10,
        ("tokens_total", "fast", "critic", "cached_input"): 20,
        ("tokens_total", "fast", "critic", "cache_write"): 7,
        ("tokens_total", "fast", "critic", "output"): 5,
        ("cost_usd_total", "answer", "L2", "fast", "critic", "efficient"): 0.001,
        ("baseline_cost_usd_total", "L2", "critic"): 0.01,
        ("saved_usd_total", "routing", "critic"): 0.009,
        ("cache_requests_total", "miss", "none"): 1,
    }


def test_a_cached_answer_uses_no_tokens_and_saves_its_whole_baseline(observer, make_record):
    hit = make_record(
        chosen=None, outcome="cached", model=FAST, cache="hit", cache_tier="disk", cost_usd=0.0, first_byte_seconds=None
    )
    assert changes(observer, hit) == {
        ("requests_total", "fast", "cached", "critic", "efficient"): 1,
        ("overhead_seconds_count",): 1,
        ("baseline_cost_usd_total", "L2", "critic"): 0.01,
        ("saved_usd_total", "cache", "critic"): 0.01,
        ("cache_requests_total", "hit", "disk"): 1,
    }


def test_a_refused_request_costs_nothing(observer, make_record):
    refused = make_record(
        chosen=None,
        level=None,
        outcome="refused",
        usage=Usage(),
        cost_usd=0.0,
        baseline_usd=0.0,
        cache="bypass",
        first_byte_seconds=None,
        slot_label="none",
    )
    assert changes(observer, refused) == {
        ("requests_total", "none", "refused", "none", "none"): 1,
        ("overhead_seconds_count",): 1,
        ("cache_requests_total", "bypass", "none"): 1,
    }


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"chosen": FAST, "reason": Reason.BUDGET}, "budget"),
        (
            {"chosen": FAST, "reason": Reason.BUDGET, "outcome": "refused", "error_code": "insufficient_quota"},
            "refused",
        ),
        ({"chosen": BEST, "outcome": "error", "error_code": "upstream_quota"}, None),
        ({"chosen": BEST, "reason": Reason.UPLIFT, "model": FAST}, "fallback"),
        ({"chosen": FAST, "model": BEST}, None),
        ({"chosen": BEST, "reason": Reason.UPLIFT}, None),
    ],
)
def test_downgrades(observer, make_record, record, reason):
    found = {series[1] for series in changes(observer, make_record(**record)) if series[0] == "downgrades_total"}
    assert found == ({reason} if reason else set())


def test_attempts_breaker_and_losses(models):
    states = {"fast": "closed", "best": "open"}
    observer = PrometheusObserver(models=models, breaker=states.__getitem__)
    for code, outcome in [
        ("", "ok"),
        ("429", "error"),
        ("529", "error"),
        ("upstream_tls", "error"),
        ("ok\n}", "error"),
    ]:
        observer.attempted(Attempt("fast", outcome, code))
    observer.cache_lost("disk", "dropped")
    observer.overran(0.25)
    observer.overran(-1)
    now = scrape(observer)
    assert {series[1:]: value for series, value in now.items() if series[0] == "upstream_attempts_total" and value} == {
        ("none", "fast", "ok"): 1,
        ("429", "fast", "error"): 1,
        ("529", "fast", "error"): 1,
        ("upstream_tls", "fast", "error"): 1,
        ("other", "fast", "error"): 1,
    }
    assert (now["breaker_state", "fast"], now["breaker_state", "best"]) == (0, 2)
    states["best"] = "half_open"
    assert scrape(observer)["breaker_state", "best"] == 1
    assert now["cache_requests_total", "dropped", "disk"] == 1
    assert now["budget_overrun_usd_total",] == 0.25


def test_every_configured_series_is_there_at_zero(observer):
    now = scrape(observer)
    for series in [
        ("requests_total", "best", "error", "drafter", "strong"),
        ("requests_total", "none", "refused", "none", "none"),
        ("decisions_total", "L4", "uplift", "none", "strong"),
        ("tokens_total", "fast", "critic", "output"),
        ("cost_usd_total", "answer", "L1", "best", "critic", "strong"),
        ("baseline_cost_usd_total", "L3", "none"),
        ("saved_usd_total", "cache", "drafter"),
        ("excess_usd_total", "critic"),
        ("downgrades_total", "budget"),
        ("cache_requests_total", "hit", "memory"),
        ("breaker_state", "fast"),
        ("ttft_seconds_count", "best"),
    ]:
        assert now[series] == 0
    assert {series[0] for series, value in now.items() if value} == {"build_info"}
    assert not any(series[0].endswith("_created") for series in now)


def test_budgets_are_read_at_each_scrape_and_show_no_ids(models):
    spent = 0

    def balances():
        def balance(kind, name):
            return Balance(Scope(kind, name), 2_000_000_000, spent, 500_000_000)

        return [
            balance("key", "team-a"),
            Balance(Scope("key", "team-a"), 9_000_000_000, spent, 0),  # its month, while its day binds
            balance("key", "a%2Fb%25"),
            balance("key", "stranger"),
            balance("team", "red"),
            balance("team", "blue"),
            balance("slot", "team-a/run-1/critic"),
            balance("slot", "team-a/run-2/critic"),
            balance("slot", "critic"),
            balance("slot", "team-a/run-1/undeclared"),
            balance("run", "team-a/run-1"),
            balance("run", "team-a/team-a"),
            balance("run", "critic"),
        ]

    observer = PrometheusObserver(
        models=models, slots=["critic"], keys=["team-a", "a/b%"], teams=["red"], balances=balances
    )
    scrape(observer)
    spent = 250_000_000
    found = {series[1:]: value for series, value in scrape(observer).items() if series[0] == "budget_usd"}
    assert found == {
        (kind, scope): value * times
        for kind, value in (("limit", 2), ("spent", 0.25), ("reserved", 0.5))
        for scope, times in (
            ("key:team-a", 1),
            ("key:a/b%", 1),
            ("key", 1),
            ("team:red", 1),
            ("team", 1),
            ("slot:critic", 3),
            ("slot", 1),
            ("run", 3),
        )
    }


def test_a_ledger_out_of_reach_and_a_broken_record_are_said_once_and_harm_nothing(models, make_record, caplog):
    def broken():
        raise OSError("gone")

    observer = PrometheusObserver(models=models, balances=broken)
    for _ in range(3):
        assert scrape(observer)["requests_total", "fast", "ok", "none", "efficient"] == 0
        observer.finished(make_record(outcome="ok", overhead_seconds="not a number"))
    said = [record.message for record in caplog.records if record.name.startswith("levelhead")]
    assert said == ["budgets could not be read", "a request was not counted"]


def test_what_threads_tell_loses_no_count(observer):
    """Caches write behind in threads of their own; requests end in the event loop's."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        lost = [("disk", "dropped")] * 5_000
        threads = [Thread(target=lambda: [observer.cache_lost(*one) for one in lost]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert scrape(observer)["cache_requests_total", "dropped", "disk"] == 20_000


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("application/json", "text/plain; version=0.0.4"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
        ("Application/OpenMetrics-Text", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;version=rubbish\n", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;version=9.9", "application/openmetrics-text; version=1.0.0"),
        ("text/plain;version=1.x;q=0.9,application/openmetrics-text", "text/plain; version=0.0.4"),
        (";;,,=", "text/plain; version=0.0.4"),
    ],
)
async def test_the_page_in_the_format_that_was_asked_for(observer, accept, content_type):
    page, found = await observer.exposition(accept)
    assert found.startswith(content_type)
    assert page.endswith(b"# EOF\n") == ("openmetrics" in content_type)
    families = list((parse_openmetrics if "openmetrics" in found else parse)(page.decode()))
    assert {"levelhead_requests", "levelhead_budget_overrun_usd"} <= {family.name for family in families}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_nothing_to_say(models, make_record):
    observer = PrometheusObserver(
        models=models,
        slots=["critic"],
        balances=lambda: [Balance(Scope("key", "a"), 1, 0, 0)],
        breaker=lambda n: "open",
    )
    observer.finished(make_record())
    page, _ = asyncio.run(observer.exposition())
    check = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (check.returncode, check.stdout + check.stderr) == (0, b"")


def test_labels_of_another_config_are_not_taken_for_ours():
    labels = Labels(models=[FAST], slots=["critic"], keys=[])
    assert (labels.served(None), labels.served(STRAY)) == (("none", "none"), ("other", "other"))
    assert [labels.slot(name) for name in ("critic", "none", "x", "")] == ["critic", "none", "other", "other"]
