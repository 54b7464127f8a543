"""`levelhead report` on the log of a proxy that ran: its sums are `/metrics`', its page stands alone."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from levelhead.cli import main
from levelhead.testing import RedisServer

from .house import VENDOR_KEYS, Proxy, Vendors, eventually

SETTINGS: dict[str, Any] = {
    "keys": {"team": {"models": ["deepseek-flash", "claude-sonnet"]}},
    "slots": {"drafter": {"ceiling": "efficient"}},
    "budgets": [{"scope": "key", "name": "team", "usd": 5, "per": "day"}],
}
EASY = "Translate 'cat' into French"
NASTY = "<script>alert(1)</script>"


class Outline(HTMLParser):
    """Every tag opened, every address named."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "action", "xlink:href")]


def environment(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "LEVELHEAD_HOME": str(folder), **VENDOR_KEYS, "KEY_TEAM": "sk-team"}


def report(folder: Path, *options: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command, run in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in environment(folder).items():
            patch.setenv(name, value)
        patch.chdir(folder)
        try:
            main(["report", "--config", str(folder / "levelhead.yaml"), *options])
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else 1
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    if request.param == "sqlite":
        yield {}
    elif not RedisServer.installed():
        pytest.skip("needs redis-server")
    else:
        with RedisServer(tmp_path_factory.mktemp("redis")) as server:
            yield {"state": {"url": server.url}}


@pytest.fixture(scope="module")
def ran(
    state: dict[str, Any], running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Proxy]]:
    """Twelve requests in several slots, one of them cached, one refused; six verdicts."""
    running_vendors.fresh()
    folder = tmp_path_factory.mktemp("report")
    with Proxy(folder, running_vendors, **SETTINGS, **state) as proxy:
        client = proxy.client("team")
        for number in range(4):
            for asked in ("auto", "auto/drafter", "claude-sonnet"):
                said = client.chat(f"{EASY} {number}", model=asked, headers={"x-levelhead-run": NASTY})
                if asked != "auto":
                    body = {"decision_id": said.headers["x-levelhead-decision-id"], "score": 1 if number else 0.5}
                    assert client.send("POST", "/v1/feedback", body).status == 200
        for _ in range(2):
            client.chat(EASY, temperature=0, headers={"x-levelhead-slot": NASTY})
        eventually(lambda: _complete(folder, 14), "the log is written")
        yield folder, proxy


def test_the_sums_are_those_of_the_metrics(ran: tuple[Path, Proxy]) -> None:
    folder, proxy = ran
    found = _complete(folder, 14)
    for name, told in (
        ("cost_usd_total", found["spent_usd"]),
        ("baseline_cost_usd_total", found["baseline_usd"]),
    ):
        assert told == pytest.approx(float(proxy.metric(name)), abs=2e-9)
    for by, told in found["saved_by"].items():
        assert told == pytest.approx(float(proxy.metric("saved_usd_total", by=by)), abs=2e-9)
        assert told > 0
    assert found["saved_usd"] == pytest.approx(sum(found["saved_by"].values()) - found["excess_usd"])
    assert sum(cell["requests"] for cell in found["by"]) == found["requests"]
    assert {cell["slot"] for cell in found["by"]} == {"drafter", "none", "other"}
    assert found["outcomes"] == {"ok": 13, "cached": 1}
    assert found["shadow"] is None
    (budget,) = found["budgets"]
    assert (budget["scope"], budget["limit_usd"]) == ("key:team", 5)


def test_verdicts_have_an_interval_for_each_tier(ran: tuple[Path, Proxy]) -> None:
    quality = _complete(ran[0], 14)["quality"]
    assert set(quality) == {"efficient", "strong"}
    for one in quality.values():
        assert (one["verdicts"], one["answers"]) == (4, 4)
        assert one["score"] == pytest.approx(3.5 / 4)
        assert 0 < one["lower"] < one["score"] < one["upper"] <= 1


def test_the_page_stands_alone_and_escapes_what_it_shows(ran: tuple[Path, Proxy]) -> None:
    folder, _ = ran
    code, _, err = report(folder, "--out", "nowhere/report.html")
    assert (code, "Traceback" in err) == (1, False)
    command = [sys.executable, "-m", "levelhead", "report", "--config", "levelhead.yaml", "--out", "report.html"]
    env = {"PATH": os.environ["PATH"], **environment(folder)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "written to report.html" in done.stdout
    text = (folder / "report.html").read_text()
    outline = Outline(text)
    assert {"svg", "table", "h1"} <= outline.tags
    assert not outline.tags & {"script", "link", "iframe", "img"}
    assert outline.addresses == []
    assert "url(" not in text
    assert "@import" not in text
    assert NASTY not in text
    assert EASY not in text
    assert "prefers-color-scheme:dark" in text
    assert re.search(r"drafter.*efficient", text)


def test_an_earlier_time_holds_nothing(ran: tuple[Path, Proxy]) -> None:
    folder, _ = ran
    code, out, _ = report(folder, "--days", "0", "--json", "--out", "none.html")
    assert (code, orjson.loads(out)["requests"]) == (0, 0)
    assert "holds no request" in (folder / "none.html").read_text()


def test_a_missing_log_is_said(tmp_path: Path, running_vendors: Vendors) -> None:
    (tmp_path / "levelhead.yaml").write_text(yaml.safe_dump({"models": running_vendors.models()}))
    code, _, err = report(tmp_path)
    assert (code, "No decision log at" in err, "Traceback" in err) == (1, True, False)


def test_what_shadow_mode_would_have_saved_has_bounds(running_vendors: Vendors, tmp_path: Path) -> None:
    with Proxy(tmp_path, running_vendors, keys={"team": {}}, mode="shadow") as proxy:
        client = proxy.client("team")
        for number in range(8):
            client.chat(f"{EASY}, {'please ' * number}", headers={"x-levelhead-session": f"s{number}"})
    found = eventually(lambda: _complete(tmp_path, 8), "the log is written")["shadow"]
    assert (found["requests"], found["conversations"], found["would_go_elsewhere"]) == (8, 8, 8)
    assert found["would_save_usd"] == pytest.approx(found["spent_usd"] - found["would_cost_usd"])
    low, high = found["bounds"]
    assert 0 < low < found["if_twice_as_long_share"] < found["would_save_share"] < high <= 1
    assert report(tmp_path, "--out", "shadow.html")[0] == 0
    assert "What routing would have saved" in (tmp_path / "shadow.html").read_text()


def _complete(folder: Path, requests: int) -> dict[str, Any]:
    """The report, once that many requests are in it; else nothing."""
    code, out, err = report(folder, "--json")
    assert code == 0, err
    found: dict[str, Any] = orjson.loads(out)
    return found if found["requests"] == requests else {}
