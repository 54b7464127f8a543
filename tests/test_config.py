"""The configuration: what is read, what is refused and how it says so, what becomes of it."""

from __future__ import annotations

import pickle
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from levelhead.config import CapabilitiesEntry, Config, from_mapping, is_loopback, load
from levelhead.errors import ConfigError
from levelhead.types import Budget, Capabilities, Goal, Need, Slot

CONTRACT = """
server: {host: 127.0.0.1, port: 8100, workers: 1, admin_key_env: null, metrics_token_env: null}
timeouts: {connect: 5, first_byte: 120, idle: 60, total: 600}   # seconds
keys:
  - {name: team-a, key_env: LEVELHEAD_KEY_TEAM_A, models: null, slots: null, requests_per_minute: null}
tiers: [efficient, strong]
models:
  deepseek-flash: {tier: efficient, wire: openai, model: deepseek-v4-flash,
                   base_url: https://api.deepseek.com/v1, api_key_env: DEEPSEEK_API_KEY}
  claude-sonnet:  {tier: strong, wire: anthropic, model: claude-sonnet-5-5,
                   base_url: https://api.anthropic.com, api_key_env: ANTHROPIC_API_KEY}
  bedrock-opus:   {tier: strong, wire: litellm, model: bedrock/anthropic.claude-opus,
                   price: {input: 4, output: 20, cached_input: 0.4}}
aliases: {"claude-*": auto, "gpt-*": auto}
goal: {max_quality_loss: 0.02, confidence: 0.95, uncertified: estimate}
slots:
  critic: {floor: strong}
  drafter: {ceiling: efficient, max_output_tokens: 2000, min_output_tokens: 200, cascade: auto, latency_ms: null}
budgets:
  - {scope: key, name: team-a, usd: 25, per: day}
  - {scope: run, usd: 0.50}
  - {scope: slot, name: critic, usd: 0.20, per: run}
cascade: auto
cache: {ttl_seconds: 3600, when: deterministic, directory: null, max_bytes: 1000000000}
state: {url: null}
audit: {rate: 0.02, usd_per_day: 1.0, judge: null}
mode: enforce
shadow: {serve: claude-sonnet}
log_prompts: false
charter: {mission: null, values: [], bounds: {}}
"""
ENV = {
    "LEVELHEAD_KEY_TEAM_A": "lh-secret-a",
    "DEEPSEEK_API_KEY": "ds-secret",
    "ANTHROPIC_API_KEY": "an-secret",
    "HOME": "/home/u",
}


def contract(**changes: Any) -> dict[str, Any]:
    return {**yaml.safe_load(CONTRACT), **changes}


def config(**changes: Any) -> Config:
    return from_mapping(contract(**changes), env=ENV)


def refusal(data: dict[str, Any], env: dict[str, str] = ENV) -> str:
    with pytest.raises(ConfigError) as error:
        from_mapping(data, source="levelhead.yaml", env=env)
    assert error.value.message.startswith("levelhead.yaml:\n")
    return error.value.message


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestTheContract:
    def test_every_key_is_read(self, elsewhere: Path) -> None:
        (elsewhere / "levelhead.yaml").write_text(CONTRACT)
        read = load(env=ENV)
        assert read.source == "levelhead.yaml"
        assert not read.simulated
        assert (read.server.host, read.server.port, read.server.workers) == ("127.0.0.1", 8100, 1)
        assert (read.timeouts.connect, read.timeouts.total) == (5, 600)
        assert read.tiers == ("efficient", "strong")
        assert read.models["bedrock-opus"].price.cached_input == 0.4
        assert read.secret(read.models["claude-sonnet"].api_key_env).reveal() == "an-secret"
        assert read.shadow.serve == "claude-sonnet"
        assert read.audit.usd_per_day == Decimal(1)

    def test_the_shared_vocabulary(self) -> None:
        read = config()
        assert read.slots() == {
            "critic": Slot("critic", floor=1),
            "drafter": Slot("drafter", ceiling=0, max_output_tokens=2000, min_output_tokens=200, cascade="auto"),
        }
        assert read.budgets() == (
            Budget("key", 25_000_000_000, "team-a", "day"),
            Budget("run", 500_000_000),
            Budget("slot", 200_000_000, "critic", "run"),
        )
        assert read.goal() == Goal(0.02, 0.95, "estimate")
        (key,) = read.keys()
        assert (key.key.name, key.key.models, key.key.slots) == ("team-a", None, None)
        assert key.secret.reveal() == "lh-secret-a"

    def test_defaults_are_the_contract(self) -> None:
        said = contract(keys=[], budgets=[], slots={}, shadow={})
        bare = from_mapping({"models": said["models"]}, env=ENV)
        full = from_mapping(said, env=ENV)
        assert bare.model_dump() == full.model_dump()

    def test_it_is_frozen_and_survives_a_process_boundary(self) -> None:
        read = config()
        with pytest.raises(Exception, match="frozen"):
            read.mode = "shadow"  # type: ignore[misc]
        again = pickle.loads(pickle.dumps(read))
        assert again.model_dump() == read.model_dump()
        assert again.keys()[0].secret.reveal() == "lh-secret-a"
        assert (again.source, again.state_store) == (read.source, read.state_store)

    def test_no_secret_shows(self) -> None:
        read = config()
        shown = repr(read) + str(read) + read.model_dump_json() + repr(read.keys()) + repr(vars(read))
        assert "-secret" not in shown


class TestLookup:
    def test_order(self, elsewhere: Path) -> None:
        for name in ("given.yaml", "named.yaml", "levelhead.yaml"):
            (elsewhere / name).write_text(CONTRACT)
        env = {**ENV, "LEVELHEAD_CONFIG": "named.yaml"}
        assert load("given.yaml", env=env).source == "given.yaml"
        assert load(env=env).source == "named.yaml"
        assert load(env=ENV).source == "levelhead.yaml"

    @pytest.mark.parametrize("env", [{}, {"LEVELHEAD_CONFIG": "absent.yaml"}])
    def test_a_named_file_must_exist(self, elsewhere: Path, env: dict[str, str]) -> None:
        with pytest.raises(ConfigError, match=r"absent\.yaml: can't be read"):
            load(None if env else "absent.yaml", env=env)

    @pytest.mark.parametrize(
        ("present", "models"),
        [
            (
                ("ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY"),
                {"deepseek-v4-flash": "efficient", "claude-sonnet-5-5": "strong"},
            ),
            (("ANTHROPIC_API_KEY",), {"claude-haiku-5-5": "efficient", "claude-sonnet-5-5": "strong"}),
            (("DEEPSEEK_API_KEY",), {"deepseek-v4-flash": "efficient", "deepseek-v4-pro": "strong"}),
            ((), {"sim-efficient": "efficient", "sim-strong": "strong"}),
        ],
    )
    def test_the_environment_decides_the_pair(
        self, elsewhere: Path, present: tuple[str, ...], models: dict[str, str]
    ) -> None:
        read = load(env=dict.fromkeys(present, "k"))
        assert {m.model: m.tier for m in read.models.values()} == models
        assert read.simulated is not bool(present)
        assert all(name in read.source for name in present or ("simulated",))
        assert all(read.secret(m.api_key_env) for m in read.models.values() if present)

    def test_a_blank_key_is_no_key(self, elsewhere: Path) -> None:
        assert load(env={"ANTHROPIC_API_KEY": " \n", "DEEPSEEK_API_KEY": ""}).simulated

    def test_a_file_without_models_keeps_the_environments_pair(self) -> None:
        read = from_mapping({"tiers": ["small", "medium", "large"], "server": None}, env=ENV, source="f")
        assert [m.tier for m in read.models.values()] == ["small", "large"]
        assert read.source == "f (ANTHROPIC_API_KEY, DEEPSEEK_API_KEY)"


class TestYaml:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("server: [", "line 1"),
            ("a: &a [*a, sk-secret", "line 1"),
            ("- 1\n- 2", "should be a mapping"),
            ("just words sk-secret", "should be a mapping"),
            ("1: 2", "should be a mapping"),
            ("server: {port: 1, port: 2}", "line 1, column 19: this key stands twice"),
            ("cache: {}\ncache: {ttl_seconds: 0}", "line 2, column 1: this key stands twice"),
            ("x: !!python/object/apply:os.system [echo sk-secret]", "line 1"),
            ("[" * 1000, "nested too deeply"),
        ],
    )
    def test_what_is_no_configuration(self, elsewhere: Path, text: str, said: str) -> None:
        (elsewhere / "levelhead.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"^levelhead\.yaml: ") as error:
            load(env={})
        assert said in error.value.message
        assert "sk-secret" not in error.value.message

    def test_not_utf8(self, elsewhere: Path) -> None:
        (elsewhere / "levelhead.yaml").write_bytes(b"mode: \xff\xfe")
        with pytest.raises(ConfigError, match="is not UTF-8"):
            load(env={})

    def test_a_directory(self, elsewhere: Path) -> None:
        with pytest.raises(ConfigError, match="can't be read"):
            load(elsewhere, env={})

    @pytest.mark.parametrize("text", ["", "# nothing\n", "\ufeffkeys:\nslots:\nbudgets:\ncache:\n"])
    def test_blanks_mean_defaults(self, elsewhere: Path, text: str) -> None:
        (elsewhere / "levelhead.yaml").write_text(text, encoding="utf-8")
        read = load(env={})
        assert read.simulated
        assert read.keys() == ()
        assert read.cache.ttl_seconds == 3600

    def test_off_and_no_are_words(self, elsewhere: Path) -> None:
        (elsewhere / "levelhead.yaml").write_text(
            "cascade: off\nslots: {no: {cascade: off}, drafter: }\nlog_prompts: true"
        )
        read = load(env={})
        assert read.cascade == "off"
        assert list(read.slots()) == ["no", "drafter"]
        assert read.log_prompts is True


# What is written, and below it a line that the refusal holds.
FILES = r"""
{cach: {}}
    cach: unknown key; did you mean 'cache'?
{server: {prot: 1}}
    server.prot: unknown key; did you mean 'port'?
{budgets: [{scope: run, usd: 1, pre: day}]}
    budgets[0].pre: unknown key; did you mean 'per'?
{slots: {critic: {celling: strong}, drafter: {}}}
    slots.critic.celling: unknown key; did you mean 'ceiling'?
{server: {port: 70000}}
    server.port: should be less than or equal to 65535
{server: {workers: 0}}
    server.workers: should be greater
{timeouts: {idle: 0}}
    timeouts.idle: should be greater
{timeouts: {idle: .inf}}
    timeouts.idle: should be a finite
{timeouts: 5s}
    timeouts: should be a valid dictionary
{models: {}}
    models: needs at least one model
{tiers: []}
    tiers: needs at least one tier
{tiers: [efficient, strong, strong]}
    tiers[2]: 'strong' stands twice
{tiers: [efficient, stronk]}
    models.claude-sonnet.tier: no tier is called 'strong'; did you mean 'stronk'?
{goal: {max_quality_loss: 2}}
    goal.max_quality_loss: should be less
{goal: {confidence: 1}}
    goal.confidence: should be less
{goal: {uncertified: guess}}
    goal.uncertified: should be 'estimate' or 'strong'
{slots: {critic: {floor: stong}, drafter: {}}}
    slots.critic.floor: no tier is called 'stong'; did you mean 'strong'?
{slots: {critic: {floor: strong, ceiling: efficient}}}
    slots.critic.floor: 'strong' is above the ceiling 'efficient'
{slots: {critic: {min_output_tokens: 9, max_output_tokens: 8}}}
    slots.critic.min_output_tokens: should not be more than
{slots: {strong: {}, critic: {}}}
    slots.strong: is the name of a tier, too
{slots: {claude-sonnet: {}, critic: {}}}
    slots.claude-sonnet: is the name of a model, too
{slots: {auto: {}, critic: {}}}
    slots.auto: 'auto' is taken
{slots: {"two\nlines": {}}, budgets: []}
    should be a name
{budgets: [{scope: team, name: a, usd: 1}]}
    budgets[0].name: no key's team is called 'a'
{budgets: [{scope: key, name: team-b, usd: 1}]}
    budgets[0].name: no key is called 'team-b'; did you mean 'team-a'?
{budgets: [{scope: slot, name: critc, usd: 1}]}
    budgets[0].name: no slot is called 'critc'; did you mean 'critic'?
{budgets: [{scope: run, usd: 1}, {scope: run, usd: 2}]}
    budgets[1]: stands twice
{budgets: [{scope: run}]}
    budgets[0].usd: is required
{budgets: [{scope: run, usd: -1}]}
    budgets[0].usd: should be greater
{budgets: [{scope: run, usd: .nan}]}
    budgets[0].usd: should be a finite
{budgets: [{scope: run, usd: 0.0000000001}]}
    budgets[0].usd: Decimal input should have no more than 9 decimal places
{budgets: [{scope: key, usd: 1, per: run}]}
    budgets[0].per: 'run' is for run and slot budgets
{budgets: [{scope: run, usd: 1, per: week}]}
    budgets[0].per: should be 'hour', 'day', 'month' or 'run'
{aliases: {x: auto/critc}}
    aliases.x: no slot, tier or model is called 'auto/critc'; did you mean 'auto/critic'?
{aliases: {x-*: claude}}
    aliases."x-*": no slot, tier or model is called 'claude'; did you mean 'claude-sonnet'?
{shadow: {serve: sonnet}}
    shadow.serve: no model is called 'sonnet'
{audit: {judge: gpt}}
    audit.judge: no model is called 'gpt'
{audit: {rate: 1.5}}
    audit.rate: should be less
{charter: {bounds: {pacing: [2, 1]}}}
    charter.bounds: pacing: the first bound
{state: {url: 'postgres://x/y'}}
    state.url: should be sqlite:///path or redis://
{state: {url: 'sqlite://'}}
    state.url: should be sqlite:///path
{state: {url: 'redis://h:6379/zero'}}
    state.url: should be redis://host:port/db
{state: {url: 'redis://h:99999/0'}}
    state.url: is no URL
{state: {url: 'redis://u:sk-secret@h/0'}}
    state.url: should not hold a password: use password_env
"""
MODELS = r"""
{wire: opnai}
    models.m.wire: should be 'openai', 'anthropic', 'litellm' or 'simulated'
{api_key: sk-secret}
    models.m.api_key: unknown key; did you mean 'api_key_env'?
{api_key_env: sk-secret-1}
    models.m.api_key_env: should be the name of an environment variable
{api_key_env: sk_secret_1}
    models.m.api_key_env: the environment variable named here is not set
{api_key_env: ACME_API_KEY}
    models.m.api_key_env: environment variable ACME_API_KEY is not set
{base_url: 'https://user:sk-secret@h/v1'}
    models.m.base_url: should not hold credentials
{base_url: 'https://h/v1?key=sk-secret'}
    models.m.base_url: should not hold a query
{base_url: 'ftp://h/v1'}
    models.m.base_url: should be a URL
{base_url: api.deepseek.com/v1}
    models.m.base_url: should be a URL
{base_url: 'http://h:port/v1'}
    models.m.base_url: should be a URL
{base_url: 'https://h/a b'}
    models.m.base_url: should be a URL
{extra_headers: {Authorization: Bearer sk-secret}}
    carries a credential: use api_key_env
{extra_headers: {x-team: "a\r\nx: y"}}
    should be printable ASCII
{extra_headers: {x team: a}}
    is no header name
{price: {input: -1}}
    models.m.price.input: should be greater
{price: {inptu: 1}}
    models.m.price.inptu: unknown key; did you mean 'input'?
{capabilities: {visions: true}}
    models.m.capabilities.visions: unknown key; did you mean 'vision'?
{tier: null}
    models.m.tier: is required
{model: ''}
    models.m.model: String should have at least 1 character
"""
KEYS = r"""
{name: team-a, key_env: DEEPSEEK_API_KEY}
    keys[1].name: stands twice
{name: b, key_env: LEVELHEAD_KEY_TEAM_A}
    keys[1].key_env: stands twice
{name: b, key_env: SAME_AS_A}
    keys[1].key_env: holds the same secret as another key
{name: b, key_env: UMLAUT_KEY}
    keys[1].key_env: environment variable UMLAUT_KEY holds characters
{name: b, key_env: DEEPSEEK_API_KEY, models: [deepseek-flush]}
    keys[1].models[0]: no model is called
{name: b, key_env: DEEPSEEK_API_KEY, slots: [critics]}
    keys[1].slots[0]: no slot is called
{name: b, key_env: DEEPSEEK_API_KEY, requests_per_minute: 0}
    keys[1].requests_per_minute: should be
{name: b, key: lh-secret-b}
    keys[1].key: unknown key; did you mean 'key_env'?
"""


def cases(table: str) -> list[tuple[dict[str, Any], str]]:
    lines = table.strip().splitlines()
    return [(yaml.safe_load(lines[i]), lines[i + 1].strip()) for i in range(0, len(lines), 2)]


class TestRefusals:
    @pytest.mark.parametrize(("change", "line"), cases(FILES))
    def test_names_the_path_and_the_mend(self, change: dict[str, Any], line: str) -> None:
        said = refusal(contract(**change))
        assert line in said
        assert "sk-secret" not in said

    @pytest.mark.parametrize(("change", "line"), cases(MODELS))
    def test_of_a_model(self, change: dict[str, Any], line: str) -> None:
        model = {"tier": "strong", "wire": "openai", "model": "x", "base_url": "https://h/v1", **change}
        said = refusal({"models": {"m": model}})
        assert line in said
        assert "secret" not in said

    @pytest.mark.parametrize(("key", "line"), cases(KEYS))
    def test_of_a_key(self, key: dict[str, Any], line: str) -> None:
        env = {**ENV, "SAME_AS_A": "lh-secret-a", "UMLAUT_KEY": "schlüssel-secret"}
        said = refusal(contract(keys=[*contract()["keys"], key]), env)
        assert line in said
        assert "-secret" not in said

    def test_an_admin_key_is_nobody_elses(self) -> None:
        said = refusal(contract(server={"admin_key_env": "ADMIN_KEY"}), {**ENV, "ADMIN_KEY": "lh-secret-a"})
        assert "holds the same secret as another key" in said

    def test_everything_at_once(self) -> None:
        said = refusal(
            contract(cach=1, mode="shadw", shadow={"serve": "nobody"}, server={"port": "many"}), {"HOME": "/"}
        )
        assert [line.split(":")[0].strip() for line in said.splitlines()[1:]] == [
            "server.port",
            "mode",
            "cach",
            "shadow.serve",
            "keys[0].key_env",
            "models.deepseek-flash.api_key_env",
            "models.claude-sonnet.api_key_env",
        ]

    def test_lenient_only_forgives_what_the_environment_lacks(self) -> None:
        read = from_mapping(contract(), env={"HOME": "/"}, lenient=True)
        assert read.keys() == ()
        assert read.secret("DEEPSEEK_API_KEY") is None
        assert read.unset[0] == "keys[0].key_env: environment variable LEVELHEAD_KEY_TEAM_A is not set"
        assert len(read.unset) == 3
        with pytest.raises(ConfigError, match="unknown key"):
            from_mapping(contract(cach=1), env={}, lenient=True)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from([*contract(), *contract()["models"]["claude-sonnet"], "name", "scope", 1])
                    | st.text(max_size=3),
                    inner,
                    max_size=4,
                )
            ),
        )
    )
    def test_whatever_is_written_gives_a_config_or_a_config_error(self, data: Any) -> None:
        data = data if isinstance(data, dict) else {"models": data, "slots": data, "keys": data, "budgets": [data]}
        try:
            read = from_mapping({str(k): v for k, v in data.items()}, env=ENV)
        except ConfigError:
            return
        assert read.models


@given(st.decimals(min_value=0, max_value=10**9, places=9, allow_nan=False))
def test_money_is_exact(usd: Decimal) -> None:
    (budget,) = from_mapping({"budgets": [{"scope": "run", "usd": str(usd)}]}, env={}).budgets()
    assert budget.amount == usd.scaleb(9)


def test_a_float_of_the_file_is_the_decimal_it_reads_as() -> None:
    assert from_mapping({"budgets": [{"scope": "run", "usd": 0.1}]}, env={}).budgets()[0].amount == 100_000_000


class TestModels:
    def test_a_vendors_own_url_is_the_default(self) -> None:
        read = from_mapping(
            {
                "models": {
                    "a": {"tier": "strong", "wire": "anthropic", "model": "claude-opus-5-5"},
                    "b": {"tier": "efficient", "wire": "openai", "model": "x", "base_url": "http://localhost:9/v1/"},
                    "c": {"tier": "efficient", "wire": "litellm", "model": "bedrock/x", "price": None},
                }
            },
            env={},
        )
        assert [m.base_url for m in read.models.values()] == [
            "https://api.anthropic.com",
            "http://localhost:9/v1",
            None,
        ]

    def test_every_need_can_be_overridden(self) -> None:
        assert {need.value for need in Need} <= set(CapabilitiesEntry.model_fields)
        assert {f.name for f in fields(Capabilities)} - {"offers"} <= set(CapabilitiesEntry.model_fields)


class TestDirectories:
    @pytest.mark.parametrize(
        ("env", "cache", "state"),
        [
            ({"HOME": "/home/u"}, "/home/u/.cache/levelhead/responses", "/home/u/.local/state/levelhead/simulated.db"),
            ({"XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s"}, "/c/levelhead/responses", "/s/levelhead/simulated.db"),
            ({"HOME": "/home/u", "XDG_CACHE_HOME": "relative"}, "/home/u/.cache/levelhead/responses", None),
            ({"LEVELHEAD_HOME": "/l", "XDG_STATE_HOME": "/s"}, "/l/responses", "/l/simulated.db"),
        ],
    )
    def test_where_nobody_says(
        self, env: dict[str, str], cache: str, state: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", env.get("HOME", "/home/u"))
        read = from_mapping({}, env=env)
        assert str(read.cache_directory) == cache
        assert state is None or str(read.state_store) == state

    def test_a_named_directory_holds_both(self, tmp_path: Path) -> None:
        read = config(cache={"directory": str(tmp_path)})
        assert (read.cache_directory, read.state_store) == (tmp_path / "responses", tmp_path / "state.db")

    @pytest.mark.parametrize(
        ("url", "store"),
        [
            ("sqlite:///var/x.db", Path("/var/x.db")),
            ("sqlite:////var/x.db", Path("/var/x.db")),
            ("sqlite:///./x%20y.db", Path.cwd() / "x y.db"),
            ("redis://h:6379/2", "redis://h:6379/2"),
            ("rediss://user@h/0", "rediss://user@h/0"),
        ],
    )
    def test_state_url(self, url: str, store: Path | str) -> None:
        assert config(state={"url": url}).state_store == store


class TestBinding:
    @pytest.mark.parametrize(
        ("host", "local"),
        [
            ("127.0.0.1", True),
            ("127.8.9.10", True),
            ("localhost", True),
            ("LOCALHOST.", True),
            ("proxy.localhost", True),
            ("::1", True),
            ("[::1]", True),
            ("::ffff:127.0.0.1", True),
            ("0.0.0.0", False),
            ("::", False),
            ("", False),
            ("192.168.1.4", False),
            ("::ffff:10.0.0.1", False),
            ("127.0.0.1.example.com", False),
            ("localhost.example.com", False),
        ],
    )
    def test_loopback(self, host: str, local: bool) -> None:
        assert is_loopback(host) is local

    def test_strangers_need_a_key_and_the_admin_pages_theirs(self) -> None:
        open_house = config(keys=[], budgets=[])
        open_house.check_bind("127.0.0.1")
        with pytest.raises(ConfigError, match=r"keys: required(.|\n)*server\.admin_key_env: required"):
            open_house.check_bind("0.0.0.0")
        with pytest.raises(ConfigError, match=r"^server\.admin_key_env: required"):
            config().check_bind("0.0.0.0")
        guarded = from_mapping(contract(server={"admin_key_env": "ADMIN_KEY"}), env={**ENV, "ADMIN_KEY": "x"})
        guarded.check_bind("0.0.0.0")
