from __future__ import annotations

from typing import Any

import orjson
import pytest

from levelhead.errors import InvalidRequest, ModelNotFound
from levelhead.types import Identity, Key
from levelhead.wire.chat import read_request
from levelhead.wire.identity import Target, identify, resolve_model

KEY = Key("team-a")
SLOTS = frozenset({"critic", "drafter"})
ALIASES = {"claude-*": "auto", "gpt-*": "drafter", "gpt-9": "auto/critic", "old": "nowhere"}
NAMES: dict[str, Any] = {
    "models": {"deepseek-flash", "claude-sonnet"},
    "tiers": ["efficient", "strong"],
    "slots": SLOTS,
    "aliases": ALIASES,
}


def who(headers: dict[str, str] | None = None, model: str = "auto", **fields: Any) -> Identity:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}
    return identify(read_request(orjson.dumps(body)), headers or {}, KEY, slots=SLOTS, aliases=ALIASES)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("auto", Target("auto")),
        ("auto/critic", Target("auto", slot="critic")),
        ("critic", Target("auto", slot="critic")),
        ("strong", Target("tier", "strong")),
        ("deepseek-flash", Target("model", "deepseek-flash")),
        ("claude-sonnet", Target("model", "claude-sonnet")),  # configured names win over aliases
        ("claude-opus-9", Target("auto")),
        ("gpt-5", Target("auto", slot="drafter")),
        ("gpt-9", Target("auto", slot="critic")),  # an exact alias wins over a pattern
    ],
)
def test_what_a_model_means(name: str, target: Target) -> None:
    assert resolve_model(name, **NAMES) == target


@pytest.mark.parametrize(
    "name", ["auto/stranger", "auto/", "Auto", "llama", "old", "x" * 10_000, "", "auto/strong", "日本"]
)
def test_a_model_that_means_nothing(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        resolve_model(name, **NAMES)
    assert (caught.value.http_status, caught.value.param, caught.value.code) == (404, "model", "model_not_found")
    assert len(caught.value.message) < 400
    if name.startswith("auto/"):
        assert "critic, drafter" in caught.value.message


def test_without_slots_none_is_known() -> None:
    with pytest.raises(ModelNotFound, match="none"):
        resolve_model("auto/critic", models=(), tiers=(), slots=())


LAYERS: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("header", {"x-levelhead-slot": "header"}, {}),
    ("critic", {}, {"model": "auto/critic"}),
    ("metadata", {}, {"metadata": {"slot": "metadata"}}),
    ("baggage", {"baggage": "levelhead.slot=baggage"}, {}),
]


@pytest.mark.parametrize("first", range(len(LAYERS)))
def test_precedence_of_the_slot(first: int) -> None:
    headers: dict[str, str] = {}
    fields: dict[str, Any] = {}
    for _, more_headers, more_fields in LAYERS[first:]:
        headers |= more_headers
        fields |= more_fields
    assert who(headers, **fields).slot == LAYERS[first][0]


@pytest.mark.parametrize("name", ["run", "session", "task"])
def test_precedence_of_ids(name: str) -> None:
    agent = {"x-session-id": "agent"}
    baggage = {**agent, "baggage": f"{name}=baggage"}
    header = {**baggage, f"x-levelhead-{name}": "header"}
    assert getattr(who(header, metadata={name: "metadata"}), name) == "header"
    assert getattr(who(baggage, metadata={name: "metadata"}), name) == "metadata"
    assert getattr(who(baggage), name) == "baggage"
    assert getattr(who(agent), name) == (None if name == "task" else "agent")


def test_a_slot_nobody_declared_is_a_label() -> None:
    assert who({"x-levelhead-slot": "scribe"}).slot == "scribe"
    assert who(model="gpt-5").slot == "drafter"
    assert who(model="critic").slot == "critic"
    assert who(model="deepseek-flash").slot is None


def test_a_known_target_decides() -> None:
    chat = read_request(orjson.dumps({"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}))
    pinned = Target("model", "gpt-5")
    assert identify(chat, {}, KEY, slots=SLOTS, aliases=ALIASES, target=pinned).slot is None


def test_without_a_run_the_session_is_the_run() -> None:
    assert who({"x-levelhead-session": "s"}) == Identity(KEY, run="s", session="s")
    assert who({"x-levelhead-session": "s", "x-levelhead-run": "r"}) == Identity(KEY, run="r", session="s")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("r1", "r1"), ("a%20b", "a b"), ("caf%C3%A9", "café"), ("50%25", "50%"), (" r1 ", "r1"), ("", None), ("  ", None)],
)
def test_header_values_are_decoded(value: str, expected: str | None) -> None:
    assert who({"x-levelhead-task": value}).task == expected


@pytest.mark.parametrize("value", ["é", "日本", "\xff", "a\x00", "a\tb", "%00", "a%0Ab", "%FF", "x" * 129, "%C2%85"])
@pytest.mark.parametrize("name", ["run", "slot", "session", "task"])
def test_a_header_that_is_no_id(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        who({f"x-levelhead-{name}": value})
    assert caught.value.param == f"x-levelhead-{name}"
    assert f"x-levelhead-{name}" in caught.value.message
    assert value not in caught.value.message


@pytest.mark.parametrize("value", [1, True, ["r"], {"r": 1}, "x" * 513])
def test_metadata_that_is_no_id(value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        who(metadata={"run": value})
    assert caught.value.param == "metadata.run"


def test_other_metadata_is_nobodys_business() -> None:
    assert who(metadata={"tags": ["a"], "run": None, "slot": ""}).slot is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("levelhead.run=r1,levelhead.slot=critic;ttl=5", ("r1", "critic")),
        ("run=plain, levelhead-run = own ,x=y", ("own", None)),
        ("run=a%20b", ("a b", None)),
        ("session.id=s", ("s", None)),
        ("run=" + "x" * 200, (None, None)),
        ("run=%00", (None, None)),
        ("=,run,;;,=x", (None, None)),
    ],
)
def test_baggage(header: str, expected: tuple[str | None, str | None]) -> None:
    found = who({"baggage": header})
    run = None if found.run is not None and found.run.startswith("opening-") else found.run
    assert (run, found.slot) == expected


UUID = "57a121ec-f78c-48c3-a745-e3036a3ecc33"


@pytest.mark.parametrize(
    ("headers", "fields", "run", "session"),
    [
        ({"x-claude-code-session-id": UUID}, {}, UUID, UUID),
        ({"x-claude-code-session-id": UUID, "x-claude-code-agent-id": "a1"}, {}, UUID, f"{UUID}:a1"),
        ({}, {"metadata": {"user_id": f"user_ab12_account__session_{UUID}"}}, UUID, UUID),
        ({}, {"metadata": {"user_id": '{"device_id":"d","session_id":"' + UUID + '"}'}}, UUID, UUID),
        ({"session-id": "s", "thread-id": "t"}, {}, "s", "t"),
        ({"session-id": "s"}, {}, "s", "s"),
        ({"x-codex-turn-metadata": '{"session_id":"s","thread_id":"t","turn_id":"u"}'}, {}, "s", "t"),
        ({"session-id": "s", "x-codex-turn-metadata": '{"thread_id":"t"}'}, {}, "s", "t"),
        ({"x-session-id": "ses_1"}, {}, "ses_1", "ses_1"),
        ({"x-session-affinity": "ses_1"}, {}, "ses_1", "ses_1"),
        ({"x-opencode-session": "ses_1"}, {}, "ses_1", "ses_1"),
        ({"x-session-id": "ses_2", "x-parent-session-id": "ses_1"}, {}, "ses_1", "ses_2"),
    ],
)
def test_what_agents_send_by_themselves(
    headers: dict[str, str], fields: dict[str, Any], run: str, session: str
) -> None:
    found = who(headers, **fields)
    assert (found.run, found.session) == (run, session)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-session-id": "x" * 500},
        {"x-session-id": "a\x00"},
        {"x-codex-turn-metadata": "{"},
        {"x-codex-turn-metadata": "[]"},
        {"x-codex-turn-metadata": '{"session_id":5}'},
        {"x-codex-turn-metadata": "[" * 5000},
    ],
)
def test_a_hint_that_is_no_id_is_passed_over(headers: dict[str, str]) -> None:
    assert who(headers) == who()


def talk(*contents: Any, system: str = "you are kind") -> list[dict[str, Any]]:
    turns = [{"role": ("user", "assistant")[at % 2], "content": content} for at, content in enumerate(contents)]
    return [{"role": "system", "content": system}, *turns]


def session(messages: list[dict[str, Any]]) -> str | None:
    return who(messages=messages).session


def test_a_conversation_keeps_its_session() -> None:
    assert session(talk("a")) == session(talk("a", "b", "c"))
    assert session(talk([{"type": "text", "text": "a"}])) == session(talk([{"type": "text", "text": "a"}], "b"))


def test_other_conversations_have_others() -> None:
    long = "x" * 10_000
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    other = {"type": "image_url", "image_url": {"url": "data:image/png;base64,BBBB"}}
    openings = [
        talk("a"),
        talk("b"),
        talk("a", system="you are not"),
        talk(long),
        talk(long + "x"),
        talk(long + "y"),
        talk("y" + long),
        talk([image]),
        talk([other]),
        talk("ab", system="c"),
        talk("b", system="ca"),
    ]
    assert len({session(opening) for opening in openings}) == len(openings)


def test_an_id_says_nothing_of_the_prompt() -> None:
    found = session(talk("my secret"))
    assert found is not None
    assert found.startswith("opening-")
    assert "secret" not in found
