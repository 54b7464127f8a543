"""The shipped model, on what real clients send."""

from collections.abc import Sequence

import numpy as np
import pytest

from levelhead.difficulty import load_quality_model
from levelhead.difficulty.model import uplift_threshold
from levelhead.types import Assessment, Chat, Level, Model, Price

PRICE = Price(1e-6, 1e-6, 1e-7, 1e-6, 1e-6)
EFFICIENT = Model("cheap", "efficient", 0, "openai", "deepseek-v4-flash", PRICE)
STRONG = Model("dear", "strong", 1, "anthropic", "claude-sonnet-5-5", PRICE)
PAIR = (EFFICIENT, STRONG)
MODEL = load_quality_model()


def assess(ask: str | list, models: Sequence[Model] = PAIR) -> Assessment:
    messages = [{"role": "user", "content": ask}] if isinstance(ask, str) else ask
    return MODEL.assess(Chat("chat", {}, "auto", messages), models)


def uplift(found: Assessment) -> float:
    return found.success["dear"] - found.success["cheap"]


ROUTINE = [
    "hi",
    "Rename the variable `n` to `count` in utils.py",
    "Translate 'cat' into French",
    "What's the capital of Mongolia?",
    "Fix the typo in the README: recieve",
    "Wie spät ist es in Tokio?",
    "把“谢谢”翻译成法语",
    "Add a docstring to parse_name.",
]
HARD = [
    "Move our order system from MySQL to Postgres on Kubernetes without losing orders: assess the schema, plan dual "
    "writes, backfill, verify, cut over and keep a way back; include monitoring and staff training.",
    "The harbour board wants the terminal, the residents are suing, the figures on noise are disputed and the minister "
    "keeps silent. Recommend what the council should do.",
    "Les agriculteurs refusent le barrage, la région a promis les emplois, les études se contredisent. Quelle position "
    "défendre devant le conseil ?",
]


PLAN = (
    "I've read the schema: 41 tables, two with triggers. Proposed order: 1) dual writes behind a flag, 2) backfill "
    "table by table, 3) verify counts and checksums, 4) cut over in a quiet window, 5) dashboards and training. Each "
    "step needs the one before it. Shall I start with the dual writes and go through to the cut-over?"
)


@pytest.mark.parametrize("ask", ROUTINE)
def test_routine_work_is_easy_for_both_tiers(ask: str) -> None:
    found = assess(ask)
    assert found.level == Level.L1
    assert min(found.success.values()) >= 0.95
    assert uplift(found) <= MODEL.threshold(0.02, PAIR)


@pytest.mark.parametrize("ask", HARD)
def test_hard_work_is_worth_the_strong_model(ask: str) -> None:
    found = assess(ask)
    assert found.level >= Level.L3
    assert uplift(found) > max(uplift(assess(easy)) for easy in ROUTINE)
    assert uplift(found) > 0.03


def test_the_level_is_the_quarter_of_the_difficulty() -> None:
    for ask in ROUTINE + HARD:
        found = assess(ask)
        assert found.level == int(found.difficulty * 4) + 1
        assert 0 <= found.confidence <= 1


def test_a_paste_does_not_make_a_trivial_ask_hard() -> None:
    paste = "The residents oppose the terminal, the union wants guarantees and the figures are disputed. " * 40
    assert assess(f"Translate the following text into German:\n\n{paste}").level == Level.L1


def test_thanks_is_l1_and_go_on_is_what_it_continues() -> None:
    opening = [{"role": "user", "content": HARD[0]}, {"role": "assistant", "content": PLAN}]
    assert assess([*opening, {"role": "user", "content": "thanks!"}]).level == Level.L1
    assert assess([*opening, {"role": "user", "content": "yes, go on"}]).level == assess(HARD[0]).level


def test_an_unknown_model_is_less_certain_than_a_known_one() -> None:
    unknown = Model("new", "strong", 1, "openai", "acme-9000", PRICE)
    assert MODEL.ability(unknown).sd > MODEL.ability(STRONG).sd
    assert 0.5 < assess("hi", [unknown]).success["new"] < 1


def test_the_threshold_spends_exactly_the_allowed_loss() -> None:
    reference = np.array([[0.0, 0.25]] * 4)
    gain = np.array([0.1, -0.5, 0.3, 0.02])
    assert uplift_threshold(reference, gain, 0.0) == 0.0
    assert uplift_threshold(reference, gain, 0.005) == 0.02
    assert uplift_threshold(reference, gain, 0.03) == 0.1
    assert uplift_threshold(reference, gain, 0.105) == 1.0


def test_the_threshold_grows_with_the_allowed_loss() -> None:
    found = [MODEL.threshold(loss, PAIR) for loss in (0, 0.005, 0.01, 0.02, 0.05, 0.5)]
    assert found == sorted(found)
    assert found[0] < 0.01
    assert found[-1] == 1.0


def test_a_threshold_needs_only_one_tier_to_let_everything_pass() -> None:
    assert MODEL.threshold(0.02, [EFFICIENT]) == 1.0


def test_reading_is_deterministic_and_remembered() -> None:
    first = assess(HARD[1])
    assert assess(HARD[1]) == first
    assert load_quality_model().assess(Chat("chat", {}, "auto", [{"role": "user", "content": HARD[1]}]), PAIR) == first
