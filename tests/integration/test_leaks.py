"""What must not be anywhere: keys and prompts in logs, errors, headers, metrics and `repr`, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from levelhead.config import load
from levelhead.serve.server import create_app
from levelhead.testing import Fault, Refusal, Reply

from .conftest import PAIR
from .house import VENDOR_KEYS, Proxy, Vendors, eventually
from .talk import CHAT, Client, Said, chat_body

PROMPT = "xyzzy-prompt-7391"
ANSWER = "plugh-answer-1834"
ADMIN = "sk-admin-9876543210"


@pytest.fixture(scope="module")
def talkative(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Logs all that it can."""
    with Proxy(
        tmp_path_factory.mktemp("talkative"),
        running_vendors,
        keys={"team": {"models": PAIR}, "broke": {}},
        budgets=[{"scope": "key", "name": "team", "usd": 10}, {"scope": "key", "name": "broke", "usd": 0}],
        timeouts={"connect": 1, "first_byte": 0.5, "idle": 0.5, "total": 2},
        extra_env={"LEVELHEAD_LOG": "debug", "ADMIN": ADMIN},
        server={"admin_key_env": "ADMIN"},
    ) as proxy:
        yield proxy


def everything(client: Client, vendors: Vendors) -> Iterator[Said]:
    """Each way in which a request may end."""
    headers = {"x-levelhead-run": "r", "x-levelhead-session": "s"}
    yield client.chat(PROMPT, temperature=0, headers=headers)
    yield client.chat(PROMPT, temperature=0)
    with client.stream(PROMPT) as stream:
        stream.text()
    for body in (
        chat_body(PROMPT, {"temperature": PROMPT}),
        chat_body(PROMPT, {"model": PROMPT}),
        {"model": "auto", "messages": [{"role": PROMPT, "content": PROMPT}]},
        {"model": "auto", "messages": [{"role": "user", "content": [{"type": PROMPT}]}]},
        PROMPT.encode(),
        f'{{"{PROMPT}'.encode(),
    ):
        for path in (CHAT, "/v1/responses", "/v1/messages", "/v1/explain"):
            yield client.send("POST", path, body)
    key = VENDOR_KEYS["DEEPSEEK"]
    quoting = Refusal(status=400, message=f"You sent {key}", type=key, code=key, headers=(("x-key", key),))
    broken = Refusal(status=200, body=f'{{"{PROMPT}": "{ANSWER}'.encode())
    for fault in (quoting, broken, Fault("reset"), Fault("stall"), Refusal(status=500, message=f"{key}")):
        vendors.deepseek.script(fault, fault)
        yield client.chat(PROMPT, model="deepseek-flash")
    vendors.deepseek.script(Reply(text=ANSWER * 20, fault=Fault("cut", after=10)))
    with client.stream(PROMPT, model="deepseek-flash") as stream:
        list(stream)
    odd = b'{"choices": [{"message": {"role": 5, "content": {"%b": 1}, "tool_calls": 7}}]}' % ANSWER.encode()
    vendors.deepseek.script(*[Refusal(status=200, body=odd)] * 2)
    yield client.send("POST", "/v1/messages", {**chat_body(PROMPT, {"model": "deepseek-flash"}), "max_tokens": 9})
    for header in (
        {"authorization": f"Bearer {PROMPT}"},
        {"x-api-key": PROMPT},
        {"x-levelhead-run": "a\u00e9" + PROMPT},
    ):
        yield client.send("POST", CHAT, chat_body(PROMPT, {}), header)


def test_nothing_leaks(talkative: Proxy, vendors: Vendors) -> None:
    client = talkative.client("team")
    answers = list(everything(client, vendors))
    answers.append(talkative.client("broke").chat(PROMPT))
    answers.append(talkative.client("nobody").chat(PROMPT))
    begun = client.begin(PROMPT, model="deepseek-flash")
    begun.close()
    assert {said.status for said in answers} >= {200, 400, 401, 404, 429}
    secrets = [*VENDOR_KEYS.values(), "sk-team", "sk-broke", "sk-nobody", ADMIN]
    for said in answers:
        shown = repr(said.headers) + (said.raw.decode() if said.status != 200 else "")
        assert not [secret for secret in secrets if secret in shown], shown
        assert "x-key" not in said.headers
        assert PROMPT not in repr(said.headers)
    metrics = client.send("GET", "/metrics", None, {"authorization": f"Bearer {ADMIN}"})
    assert metrics.status == 200
    eventually(lambda: talkative.log.count('"event":"request"') >= 20, "the log is written")
    for place in (talkative.log, metrics.raw.decode()):
        assert not [word for word in (*secrets, PROMPT, ANSWER) if word in place]
    assert "Traceback" not in talkative.log


def test_admin_pages_are_closed(talkative: Proxy) -> None:
    for key in (None, "team", "broke", "admin"):
        said = talkative.client(key).get("/metrics")
        assert said.status == 401
        assert b"levelhead_requests" not in said.raw
    shown = talkative.client("team").get("/v1/budgets")
    assert b"broke" not in shown.raw


def test_nothing_shows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVELHEAD_HOME", str(tmp_path))
    for name, value in {"TEAM": "sk-team-123456", "UP": "sk-up-123456", "ADMIN": ADMIN}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "levelhead.yaml").write_text(
        "models: {m: {tier: strong, wire: anthropic, model: claude-sonnet-5-5, api_key_env: UP}}\n"
        "keys: [{name: team, key_env: TEAM}]\nserver: {admin_key_env: ADMIN}\ncache: {ttl_seconds: 0}\n"
    )
    config = load(tmp_path / "levelhead.yaml", env=os.environ)
    app = create_app(config)
    seen: set[int] = set()

    def shown(value: object, depth: int = 0) -> Iterator[str]:
        """`repr` and `str` of a value and of what it holds."""
        if id(value) in seen or depth > 6:
            return
        seen.add(id(value))
        if type(value).__name__ != "Secret":
            yield from (repr(value), str(value)) if not isinstance(value, (str, bytes)) else (str(value),)
            inside = [*getattr(value, "__dict__", {}).values()]
            inside += [getattr(value, name, None) for name in getattr(type(value), "__slots__", ())]
            inside += list(value.values()) if isinstance(value, dict) else []
            inside += list(value) if isinstance(value, (list, tuple, set, frozenset)) else []
            for inner in inside:
                yield from shown(inner, depth + 1)

    found = [text for thing in (config, app) for text in shown(thing)]
    assert len(found) > 100
    assert not [text for text in found for secret in ("sk-team-123456", "sk-up-123456", ADMIN) if secret in text]
