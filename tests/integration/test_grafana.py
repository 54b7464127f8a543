"""Dashboard and alerts against a real Prometheus that scraped a real proxy under load, as `deploy/` configures it."""

from __future__ import annotations

import asyncio
import json
import math
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from levelhead import Router, Team
from levelhead.assemble import policy_of, rooms_of
from levelhead.cli import main
from levelhead.config import load
from levelhead.difficulty import load_quality_model
from levelhead.observe.journal import open_journal
from levelhead.policy.certificate import Certificate, save
from levelhead.testing import Refusal, Reply
from levelhead.types import Audited, Level, Usage, Verdict

from .conftest import PAIR
from .house import VENDOR_KEYS, Proxy, Vendors, eventually
from .prometheus import Prometheus, in_time, needs_prometheus
from .talk import Client

pytestmark = needs_prometheus

ROOT = Path(__file__).parents[2]
TOKEN = "metrics-0123456789"
SETTINGS: dict[str, Any] = {
    "keys": {"team": {"models": [*PAIR, "gpt-mini"]}, "broke": {"models": PAIR}},
    "slots": {"drafter": {"ceiling": "efficient"}, "critic": {"floor": "strong"}},
    "budgets": [
        {"scope": "key", "name": "team", "usd": 50, "per": "day"},
        {"scope": "key", "name": "broke", "usd": 0.005},
        {"scope": "run", "usd": 5},
    ],
    "server": {"metrics_token_env": "METRICS_TOKEN"},
}
TASKS = (
    "Translate 'cat' into French",
    "Plan the cut-over of billing in phases that build on each other; legal and sales disagree about the date, and "
    "the data that both want is missing. First map it, then design the contracts, then the migration, then the drill.",
)


@pytest.fixture(scope="module")
def prometheus(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("seen")
    certify(folder, running_vendors)
    running_vendors.fresh()
    with (
        Proxy(folder, running_vendors, workers=2, extra_env={"METRICS_TOKEN": TOKEN}, **SETTINGS) as proxy,
        teams_page(folder) as (team, page),
        Prometheus(folder, deployed(folder, proxy.url, page)) as prometheus,
    ):
        eventually(lambda: prometheus.sum('up{job=~"levelhead.*"}') == 2, "both are scraped")
        for _ in range(2):  # a rate is what happened between two scrapes
            load_up(proxy, running_vendors)
            team.run("What is the capital of Australia?")
            all_is_scraped(proxy, prometheus)
        eventually(lambda: prometheus.sum("increase(levelhead_team_runs_total[5m])") > 0, "the team is scraped")
        yield prometheus
    running_vendors.fresh()


def all_is_scraped(proxy: Proxy, prometheus: Prometheus) -> None:
    told = Client(proxy.url, TOKEN).get("/metrics").raw.decode()
    counted = sum(float(x) for x in re.findall(r"(?m)^levelhead_requests_total\{.*\} (\S+)$", told))
    eventually(lambda: prometheus.sum('levelhead_requests_total{job="levelhead"}') == counted, "all is scraped")


def certify(folder: Path, vendors: Vendors) -> None:
    """One slot on both its paths, for the policy that is about to run."""
    file = folder / "models.yaml"
    file.write_text(yaml.safe_dump({"models": vendors.models()}))
    rooms = rooms_of(load(file, env={**VENDOR_KEYS, "LEVELHEAD_HOME": str(folder)}))
    policy = policy_of(load_quality_model().name, tuple(rooms.models.values()))
    terms = ("drafter", "", 0.4, 0.05, 0.95, 900)
    direct = Certificate(policy, "direct", *terms, 0.011, 0.031, 0.6, "betting")
    drafted = Certificate(policy, "cascade", *terms, 0.012, 0.022, 0.6, "betting")
    save([direct, drafted], folder / "certificates.json")
    asyncio.run(audit(folder / "state.db", policy))


async def audit(state: Path, policy: str) -> None:
    """As audits left them before the last restart: critics' answers, half of them worse than the strong tier's."""
    journal = open_journal(state)
    for at in range(40):
        known = Audited(
            "efficient", "direct", 0.9, 0.02, float(at % 2), 1.0, "claude-sonnet", 1.0, 0.9, "gpt-mini", certifies=True,
            served_first=True, policy=policy, cost_usd=0.01,
        )  # fmt: skip
        said = (f"dec_{at}", "team", "critic", "deepseek-flash", Level.L2, -1.0, 0.9, (), float(at % 2), "audit", 0.0)
        await journal.judge(Verdict(*said, known))
    await journal.aclose()


@contextmanager
def teams_page(folder: Path) -> Iterator[tuple[Team, str]]:
    """A team on the simulated pair, and the address of its Router's metrics."""
    empty = folder / "empty.yaml"
    empty.write_text("{}")
    router = Router(load(empty, env={"LEVELHEAD_HOME": str(folder / "team")}))

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802: http.server's name
            page = router.exposition().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *about: Any) -> None:
            pass

    with router, ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        team = Team("Answer in one line", agents=2, protocol="sequential", router=router)
        team.run("What is the capital of France?")  # the series of teams begin with the first run
        yield team, f"127.0.0.1:{server.server_port}"
        server.shutdown()


def deployed(folder: Path, proxy: str, teams: str) -> dict[str, Any]:
    """`deploy/prometheus.yaml`, with the files that it names beside it and the targets of this test."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus.yaml").read_text())
    with pytest.raises(SystemExit, match="0"):
        main(["grafana", "--out", str(folder)])
    (folder / "metrics-token").write_text(TOKEN)
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [proxy.removeprefix("http://")]}]
    config["scrape_configs"] = [job, {"job_name": "levelhead-teams", "static_configs": [{"targets": [teams]}]}]
    return config


def load_up(proxy: Proxy, vendors: Vendors) -> None:
    """Every kind of request that the panels tell apart."""
    vendors.fresh()
    team, broke = proxy.client("team"), proxy.client("broke")

    def ask(number: int) -> None:
        said = team.chat(TASKS[number % 2], model=("auto", "auto/drafter", "auto/critic")[number % 3])
        assert said.status == 200, said.raw
        judged = {"decision_id": said.headers["x-levelhead-decision-id"], "score": number % 4 / 3}
        assert team.send("POST", "/v1/feedback", judged).status == 200
        with team.stream(TASKS[0], temperature=0) as stream:
            list(stream)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(12)))
    for model in ("deepseek-flash", "claude-sonnet"):
        assert team.chat(model=model, headers={"x-levelhead-session": "one"}).status == 200
    vendors.claude.answer = lambda body: Reply(text="So be it.", usage=Usage(input=10, output=100))
    assert {broke.chat(f"{n}", model="claude-sonnet", max_tokens=100).status for n in range(12)} in ({200, 429}, {429})
    vendors.openai.answer = lambda body: Refusal(status=500)
    assert {team.chat(f"{n}", model="gpt-mini").status for n in range(3)} <= {200, 502, 503}


DASHBOARD = json.loads((ROOT / "src/levelhead/observe/grafana/levelhead.json").read_text())
RULES = yaml.safe_load((ROOT / "src/levelhead/observe/grafana/levelhead-rules.yaml").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
WINDOWS = {"$__rate_interval": "5m", "$__range": "5m", "$job": ".*", "$slot": ".*"}


def filled_in(query: str) -> str:
    """As Grafana sends it, with everything selected."""
    for variable, value in WINDOWS.items():
        query = query.replace(variable, value)
    assert "$" not in query
    return query


def test_every_panel_shows_something(prometheus: Prometheus) -> None:
    """One test for all of them: the load is dear to repeat on each worker of the suite."""

    def lacking() -> list[object]:
        found_wanting: list[object] = []
        for panel in PANELS:
            for target in panel["targets"]:
                found = prometheus.ask(filled_in(target["expr"]))
                if not any(math.isfinite(value) for _, value in found):
                    found_wanting.append((panel["title"], target["expr"]))
                legend = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
                found_wanting += [(panel["title"], labels) for labels, _ in found if not legend <= set(labels)]
        return found_wanting

    def check() -> None:
        assert lacking() == []

    in_time(check)  # rates take two scrapes
    assert len(PANELS) > 30
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)


def test_what_the_panels_say_is_true(prometheus: Prometheus) -> None:
    def shown(title: str) -> float:
        (panel,) = [panel for panel in PANELS if panel["title"] == title]
        ((_, value),) = prometheus.ask(filled_in(panel["targets"][0]["expr"]))
        return value

    def saved() -> None:
        spent, baseline = (prometheus.sum(f"levelhead_{name}_usd_total") for name in ("cost", "baseline_cost"))
        assert 0 < spent < baseline
        assert shown("Saved") == pytest.approx(1 - spent / baseline, rel=0.05)

    def lost() -> None:
        bound = prometheus.sum('levelhead_quality_loss{slot="all",bound="upper"}')
        assert shown("Quality loss, upper bound") == bound > 0.5

    in_time(saved)
    in_time(lost)


def selectors(query: str) -> set[str]:
    return set(re.findall(r"levelhead_\w+(?:\{[^}]*\})?", query))


def test_every_alert_reads_what_is_there(prometheus: Prometheus) -> None:
    def check() -> None:
        missing = [(a["alert"], s) for a in ALERTS for s in selectors(a["expr"]) if not prometheus.ask(f"count ({s})")]
        assert missing == []

    in_time(check)


def test_alerts_are_evaluated(prometheus: Prometheus) -> None:
    def evaluated() -> dict[str, Any]:
        rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
        return {rule["name"]: rule for rule in rules} if all(rule["health"] == "ok" for rule in rules) else {}

    rules = eventually(evaluated, "every rule is evaluated without an error")
    assert set(rules) == {alert["alert"] for alert in ALERTS}
    wanted = {"RequestsRefusedForBudget": "firing", "QualityLossHigh": "pending", "UpstreamFails": "pending"}
    quiet = ("Down", "LedgerErrors", "BudgetOverrun", "CertificateLost", "DecisionLogLosesRows", "CacheLosesStores")
    wanted |= dict.fromkeys(quiet, "inactive")

    def states() -> None:
        found = evaluated()
        assert {name: found[f"Levelhead{name}"]["state"] for name in wanted if found} == wanted
        (refused,) = found["LevelheadRequestsRefusedForBudget"]["alerts"]
        labels = refused["labels"]
        assert labels == {"alertname": labels["alertname"], "job": "levelhead", "severity": "warning"}

    in_time(states)  # a scrape that came late makes `Down` pending for a while


def test_promtool_is_content(prometheus: Prometheus) -> None:
    for check in (["config", prometheus.file], ["rules", prometheus.file.with_name("levelhead-rules.yaml")]):
        done = subprocess.run(["promtool", "check", *check], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_when_they_should() -> None:
    """On made-up series, with their texts; each alert in a case where it fires."""
    cases = Path(__file__).with_name("alerts.yaml")
    done = subprocess.run(["promtool", "test", "rules", cases], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [case for test in yaml.safe_load(cases.read_text())["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in told if case["exp_alerts"]} == {alert["alert"] for alert in ALERTS}
