"""`levelhead doctor` against good and broken set-ups; upstreams are real sockets."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from levelhead.cli import checks
from levelhead.cli.checks import Finding, examine
from levelhead.cli.reach import answers
from levelhead.config import from_mapping
from levelhead.testing import RedisServer

from .conftest import Run


class Vendor:
    """A server that answers `GET …/models` as told, and keeps what it was asked."""

    def __init__(self, status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                vendor.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody here answers; a machine that stalls is no upstream that is down."""
    monkeypatch.setattr("levelhead.cli.reach.TIMEOUT_SECONDS", 60.0)


@pytest.fixture
def vendor() -> Iterator[Callable[..., Vendor]]:
    opened: list[Vendor] = []

    def open_one(*args: Any, **kwargs: Any) -> Vendor:
        opened.append(Vendor(*args, **kwargs))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def listing(*ids: str) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": i, "object": "model"} for i in ids]}


def asked(url: str, wire: str = "openai", model: str = "deepseek-v4-flash", key: str | None = "ds-secret") -> Any:
    entry = {"tier": "strong", "wire": wire, "model": model, "base_url": url}
    if key is not None:
        entry["api_key_env"] = "VENDOR_API_KEY"
    config = from_mapping({"models": {"m": entry}}, env={"VENDOR_API_KEY": key or "", "HOME": "/"}, lenient=True)
    (answer,) = answers(config)
    assert key is None or key not in repr(answer)
    return answer


class TestUpstreams:
    def test_openai_wire(self, vendor: Callable[..., Vendor]) -> None:
        one = vendor(body=listing("deepseek-v4-flash", "deepseek-v4-pro"))
        answer = asked(one.url + "/v1")
        assert (answer.status, answer.detail) == ("ok", f"{one.url}/v1 answers and lists the model")
        ((path, headers),) = one.asked
        assert path == "/v1/models"
        assert headers["authorization"] == "Bearer ds-secret"

    @pytest.mark.parametrize("base", ["", "/v1"])
    def test_anthropic_wire(self, vendor: Callable[..., Vendor], base: str) -> None:
        one = vendor(body=listing("claude-sonnet-5-5-20260901"))
        answer = asked(one.url + base, "anthropic", "claude-sonnet-5-5")
        assert answer.status == "ok"
        ((path, headers),) = one.asked
        assert path == "/v1/models?limit=1000"
        assert headers["x-api-key"] == "ds-secret"
        assert headers["anthropic-version"]
        assert "authorization" not in headers

    def test_a_local_server_without_a_key(self, vendor: Callable[..., Vendor]) -> None:
        one = vendor(body=listing("qwen"))
        assert asked(one.url, model="qwen", key=None).status == "ok"
        assert "authorization" not in one.asked[0][1]

    @pytest.mark.parametrize(
        ("status", "body", "verdict", "said"),
        [
            (200, listing("other"), "warn", "doesn't list deepseek-v4-flash"),
            (200, b"<html>", "ok", "answers"),
            (200, {"data": [1, None]}, "ok", "answers"),
            (404, b"", "ok", "answers"),
            (401, {"error": {"message": "bad key ds-secret"}}, "problem", "refuses the key (HTTP 401)"),
            (403, b"", "problem", "refuses the key (HTTP 403)"),
            (402, b"", "problem", "no credit"),
            (429, b"", "warn", "answers HTTP 429"),
            (503, b"", "warn", "answers HTTP 503"),
        ],
    )
    def test_what_a_status_means(
        self, vendor: Callable[..., Vendor], status: int, body: Any, verdict: str, said: str
    ) -> None:
        answer = asked(vendor(status, body).url)
        assert answer.status == verdict
        assert said in answer.detail
        assert (answer.mend is None) is (verdict == "ok")

    def test_a_redirect_does_not_carry_the_key_away(self, vendor: Callable[..., Vendor]) -> None:
        thief = vendor(body=listing("deepseek-v4-flash"))
        answer = asked(vendor(307, b"", {"location": thief.url + "/models"}).url)
        assert answer.status == "problem"
        assert thief.asked == []

    def test_nobody_there(self) -> None:
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))
            answer = asked(f"http://127.0.0.1:{unheard.getsockname()[1]}")
        assert answer.status == "problem"
        assert "refused" in answer.detail

    def test_something_else_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as ssh:

            def greet() -> None:
                connection, _ = ssh.accept()
                with connection:
                    connection.recv(1)
                    connection.sendall(b"SSH-2.0-OpenSSH_9.7\r\n")

            threading.Thread(target=greet, daemon=True).start()
            assert asked(f"http://127.0.0.1:{ssh.getsockname()[1]}").status == "problem"

    def test_no_key_goes_out_in_the_clear(self) -> None:
        assert "in the clear" in asked("http://models.example.com/v1").detail

    def test_one_question_for_models_that_share_a_key(self, vendor: Callable[..., Vendor]) -> None:
        one = vendor(body=listing("a", "b"))
        entry = {"tier": "strong", "wire": "openai", "base_url": one.url}
        models = {"x": {**entry, "model": "a"}, "y": {**entry, "model": "absent"}}
        (answer,) = answers(from_mapping({"models": models}, env={"HOME": "/"}))
        assert len(one.asked) == 1
        assert answer.models == "x, y"
        assert answer.detail.endswith("doesn't list absent")


def findings(config: dict[str, Any] | None, tmp_path: Path) -> dict[str, Finding]:
    file = None
    if config is not None:
        file = tmp_path / "levelhead.yaml"
        file.write_text(yaml.safe_dump(config))
    return {finding.check: finding for finding in examine(file, offline=True)}


class TestSetUp:
    def test_out_of_the_box(self, tmp_path: Path) -> None:
        found = findings(None, tmp_path)
        assert {c: f.status for c, f in found.items()} == {
            "config": "warn",  # simulated
            "keys": "ok",
            "prices": "ok",
            "bind": "ok",
            "artefact": "ok",
            "cache": "ok",
            "state": "ok",
        }
        assert not (tmp_path / "home").exists()

    def test_a_broken_file_names_its_paths(self, tmp_path: Path) -> None:
        found = findings({"server": {"prot": 1}}, tmp_path)
        assert found["config"].status == "problem"
        assert "server.prot: unknown key; did you mean 'port'?" in found["config"].detail

    def test_unset_variables(self, tmp_path: Path) -> None:
        model = {"tier": "strong", "wire": "anthropic", "model": "claude-sonnet-5-5", "api_key_env": "ACME_API_KEY"}
        found = findings({"models": {"m": model}}, tmp_path)
        assert found["keys"].status == "problem"
        assert found["keys"].detail == "models.m.api_key_env: environment variable ACME_API_KEY is not set"

    def test_a_model_without_a_price(self, tmp_path: Path) -> None:
        model = {"tier": "strong", "wire": "openai", "model": "my-own", "base_url": "http://localhost:1/v1"}
        assert findings({"models": {"m": model}}, tmp_path)["prices"].status == "problem"
        priced = {**model, "price": {"input": 0, "output": 0}}
        assert findings({"models": {"m": priced}}, tmp_path)["prices"].status == "ok"

    def test_an_open_house(self, tmp_path: Path) -> None:
        assert findings({"server": {"host": "0.0.0.0"}}, tmp_path)["bind"].status == "problem"

    def test_an_altered_artefact(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from levelhead.difficulty import artefact

        copy = tmp_path / "artefact"
        copy.mkdir()
        for file in artefact.shipped().iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        monkeypatch.setattr(artefact, "shipped", lambda: copy)
        assert findings(None, tmp_path)["artefact"].status == "ok"
        weights = bytearray((copy / "arrays.npz").read_bytes())
        weights[-1] ^= 1
        (copy / "arrays.npz").write_bytes(weights)
        assert findings(None, tmp_path)["artefact"].status == "problem"

    def test_a_file_where_the_directory_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("")
        found = findings({"cache": {"directory": str(tmp_path / "taken")}}, tmp_path)
        assert found["cache"].status == found["state"].status == "problem"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_directories_that_are_not_ours(self, tmp_path: Path) -> None:
        (tmp_path / "ro").mkdir(mode=0o500)
        found = findings({"cache": {"directory": str(tmp_path / "ro/deep")}}, tmp_path)
        assert found["cache"].status == found["state"].status == "problem"

    def test_a_directory_that_refuses_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(**_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(checks.tempfile, "TemporaryFile", full)
        (tmp_path / "home").mkdir()
        found = findings(None, tmp_path)
        assert found["state"].status == "problem"
        assert "No space left on device" in found["state"].detail

    def test_a_ledger_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        (tmp_path / "home/simulated.db").write_bytes(b"not a database" * 100)
        found = findings(None, tmp_path)
        assert found["state"].status == "problem"
        assert "not a database" in found["state"].detail


@pytest.mark.skipif(not RedisServer.installed(), reason="needs redis-server")
@pytest.mark.parametrize(("durable", "status"), [(True, "ok"), (False, "warn")])
def test_a_ledger_in_redis(tmp_path: Path, durable: bool, status: str) -> None:
    file = tmp_path / "levelhead.yaml"
    with RedisServer(tmp_path, durable=durable) as server:
        file.write_text(yaml.safe_dump({"state": {"url": server.url}}))
        (found,) = [f for f in examine(file, offline=False) if f.check == "state"]
        assert found.status == status
    (found,) = [f for f in examine(file, offline=False) if f.check == "state"]
    assert found.status == "problem"
    assert "can't be used" in found.detail


class TestCommand:
    def test_json(self, run: Run) -> None:
        ran = run("doctor", "--json", "--offline")
        said = json.loads(ran.out)
        assert ran.code == 0
        assert said["ok"] is True
        assert {"check", "status", "detail", "mend"} == set(said["checks"][0])

    def test_a_problem_has_its_mend_and_an_exit_code(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "levelhead.yaml").write_text("server: {host: 0.0.0.0}")
        ran = run("doctor", "--offline")
        assert ran.code == 1
        assert "problem bind: keys: required to serve on '0.0.0.0'" in ran.out
        assert "Add what is missing" in ran.out
        assert json.loads(run("doctor", "--offline", "--json").out)["ok"] is False

    def test_online_asks_the_upstreams(
        self, run: Run, tmp_path: Path, vendor: Callable[..., Vendor], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = vendor(401)
        model = {"tier": "strong", "wire": "openai", "model": "gpt-5.5", "base_url": one.url, "api_key_env": "A_KEY"}
        (tmp_path / "levelhead.yaml").write_text(yaml.safe_dump({"models": {"m": model}}))
        monkeypatch.setenv("A_KEY", "ds-secret")
        ran = run("doctor")
        assert ran.code == 1
        assert f"problem upstream m: {one.url} refuses the key" in ran.out
        assert "ds-secret" not in ran.out + ran.err
        assert run("doctor", "--offline").code == 0
        assert len(one.asked) == 1


def test_shadow_mode_is_said(tmp_path: Path) -> None:
    model = {"wire": "openai", "base_url": "http://127.0.0.1:1", "model": "m", "price": {"input": 1, "output": 1}}
    file = tmp_path / "levelhead.yaml"
    file.write_text(yaml.safe_dump({"mode": "shadow", "models": {"m": {"tier": "strong", **model}}}))
    found = examine(file, offline=True)[0]
    assert (found.check, found.status) == ("config", "ok")
    assert "nothing is routed" in found.detail


@pytest.mark.parametrize(("judge", "status"), [("gemini-3-pro", "ok"), ("claude-opus-5", "warn")])
def test_a_judge_of_a_family_that_it_would_compare_is_named(tmp_path: Path, judge: str, status: str) -> None:
    model = {"wire": "openai", "base_url": "http://127.0.0.1:1", "price": {"input": 1, "output": 1}}
    models = {
        "cheap": {"tier": "efficient", "model": "deepseek-v4", **model},
        "best": {"tier": "strong", "model": "claude-sonnet-5-5", **model},
        "judge": {"tier": "strong", "model": judge, **model},
    }
    file = tmp_path / "levelhead.yaml"
    file.write_text(yaml.safe_dump({"models": models, "audit": {"judge": "judge"}}))
    (found,) = [one for one in examine(file, offline=True) if one.check == "audits"]
    assert found.status == status
