"""Names as vendors, gateways and clouds write them -> family, version, ability."""

import pytest

from levelhead.difficulty.abilities import VERSION_STEP_SD, AbilityTable, parse_name
from levelhead.types import Model, Price

PRICE = Price(1e-6, 1e-6, 1e-7, 1e-6, 1e-6)


def row(family: str, version: list[int], ability: float, sd: float = 0.2) -> dict:
    return {"family": family.split(), "version": version, "ability": ability, "sd": sd, "origin": "test"}


TABLE = AbilityTable(
    [
        row("claude opus", [4, 5], 1.0),
        row("claude opus", [4, 8], 1.4),
        row("claude sonnet", [3, 5], 0.1),
        row("claude sonnet", [5, 5], 1.2),
        row("deepseek", [3, 2], 0.6),
        row("deepseek reasoner", [3, 2], 0.8),
        row("deepseek flash", [4], 0.5),
        row("gpt", [5, 6], 1.3),
        row("gpt luna", [5, 6], 0.7),
        row("gpt 4o mini", [], -0.5),
        row("llama 70b", [3, 1], -0.2),
        row("llama 8b", [3, 1], -1.2),
    ],
    [{"ability": 0.0, "sd": 0.9}, {"ability": 0.9, "sd": 0.7}],
)


def model(upstream: str, rank: int = 0, name: str = "m") -> Model:
    return Model(name, "t", rank, "openai", upstream, PRICE)


@pytest.mark.parametrize(
    ("name", "words", "version"),
    [
        ("claude-sonnet-5-5", "claude sonnet", (5, 5)),
        ("claude-3-5-sonnet-20241022", "claude sonnet", (3, 5)),
        ("anthropic/claude-3.5-sonnet", "claude sonnet", (3, 5)),
        ("bedrock/anthropic.claude-opus-4-5-v1:0", "claude opus", (4, 5)),
        ("bedrock/us.anthropic.claude-opus-4-5-20251101-v1:0", "claude opus", (4, 5)),
        ("us-gov.anthropic.claude-opus-5-5", "claude opus", (5, 5)),
        ("vertex_ai/claude-opus-4-1@20250805", "claude opus", (4, 1)),
        ("bedrock/anthropic.claude-opus", "claude opus", ()),
        ("deepseek/deepseek-v4-flash", "deepseek flash", (4,)),
        ("deepseek/deepseek-chat-v3-0324:free", "deepseek", (3,)),
        ("deepseek-v2.5-0908", "deepseek", (2, 5)),
        ("deepseek-chat-v2-2024-05", "deepseek", (2,)),
        ("deepseek.v3-v1:0", "deepseek", (3,)),
        ("deepseek-ai/DeepSeek-V3.2", "deepseek", (3, 2)),
        ("DeepSeek-R1", "deepseek reasoner", (1,)),
        ("gpt-5.6", "gpt", (5, 6)),
        ("gpt-5-mini-2025-08-07", "gpt mini", (5,)),
        ("gpt-4o-2024-05-13", "gpt 4o", ()),
        ("chatgpt-4o-latest-24-09-07", "gpt 4o", ()),
        ("openai/gpt-5.6-luna:xhigh", "gpt luna", (5, 6)),
        ("google/gemini-2.5-pro-preview-05-06", "gemini pro", (2, 5)),
        ("meta-llama/llama-3.1-8b-instruct", "llama 8b", (3, 1)),
        ("Meta-Llama-3.1-70B-Instruct@hyperbolic", "llama 70b", (3, 1)),
        ("mixtral-8x7b-instruct-v0.1", "mixtral 8x7b", (0, 1)),
        ("sim-strong", "sim strong", ()),
    ],
)
def test_a_name_is_family_and_version(name: str, words: str, version: tuple[int, ...]) -> None:
    assert parse_name(name) == (frozenset(words.split()), version)


@pytest.mark.parametrize(
    ("name", "theta"),
    [
        ("bedrock/us.anthropic.claude-opus-4-5-20251101-v1:0", 1.0),
        ("claude-opus", 1.4),
        ("deepseek-chat", 0.6),
        ("deepseek-reasoner", 0.8),
        ("deepseek-flash", 0.5),
        ("deepseek-v4-flash-vision-exp", 0.5),
        ("gpt-5.6-luna", 0.7),
        ("gpt-4o-mini-2024-07-18", -0.5),
        ("together/Meta-Llama-3.1-8B-Instruct-Turbo", -1.2),
    ],
)
def test_known_names_find_their_ability(name: str, theta: float) -> None:
    assert TABLE.of(model(name)).theta == theta


def test_an_unknown_version_takes_the_nearest_older_one_and_is_less_certain() -> None:
    newer, older = TABLE.of(model("claude-opus-4-7")), TABLE.of(model("claude-sonnet-3"))
    assert (newer.theta, older.theta) == (1.0, 0.1)
    assert newer.sd == pytest.approx((0.2**2 + VERSION_STEP_SD**2) ** 0.5)


def test_an_unknown_family_starts_from_its_tier() -> None:
    assert TABLE.of(model("acme-9000")).theta == 0.0
    assert TABLE.of(model("acme-9000", rank=1)).theta == 0.9
    assert TABLE.of(model("acme-9000", rank=7)).theta == 0.9
    assert TABLE.of(model("acme-9000")).sd > 0.5


def test_the_operators_name_helps_where_the_vendors_says_nothing() -> None:
    assert TABLE.of(model("prod-endpoint-7", name="claude-opus-4-5")).theta == 1.0
