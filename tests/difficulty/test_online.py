"""Corrections by verdicts, on streams whose truth is known."""

from dataclasses import replace

import numpy as np
import orjson
import pytest

from levelhead.difficulty import Corrections
from levelhead.difficulty.model import VECTOR
from levelhead.types import Assessment, Level, Model, Price, Verdict

PRICE = Price(1e-6, 1e-6, 1e-7, 1e-6, 1e-6)
CHEAP = Model("cheap", "efficient", 0, "openai", "deepseek-v4-flash", PRICE)
DEAR = Model("dear", "strong", 1, "anthropic", "claude-sonnet-5-5", PRICE)
PAIR = (CHEAP, DEAR)
SIZE = len(VECTOR)
SCALE = np.stack([np.zeros(SIZE), np.ones(SIZE)])
PREDICTED = 0.9


@pytest.fixture
def corrections() -> Corrections:
    return Corrections(SCALE)


def assessed(vector: tuple[float, ...] = (0.0,) * SIZE) -> Assessment:
    return Assessment(Level.L2, 0.4, 0.8, {"cheap": PREDICTED, "dear": PREDICTED}, {}, vector)


def verdict(score: float, *, key: str = "a", slot: str | None = None, lean: float = -1.0, **other: object) -> Verdict:
    base = Verdict("dec_1", key, slot, "cheap", Level.L2, lean, PREDICTED, (0.0,) * SIZE, score, "client", 0.0)
    return replace(base, **other)  # type: ignore[arg-type]


def teach(corrections: Corrections, share: float, count: int, *, seed: int = 1, **given: object) -> None:
    for draw in np.random.default_rng(seed).random(count):
        corrections.learn(verdict(float(draw < share), **given))  # type: ignore[arg-type]


def test_without_verdicts_the_shipped_rates_stand(corrections: Corrections) -> None:
    found = assessed()
    assert corrections.correct("a", None, found, PAIR) is found


def test_verdicts_calibrate_the_tier_they_are_about(corrections: Corrections) -> None:
    teach(corrections, 0.5, 300)
    teach(corrections, 0.95, 300, lean=1.0, seed=2)
    found = corrections.correct("a", None, assessed(), PAIR)
    assert found.success["cheap"] == pytest.approx(0.5, abs=0.08)
    assert found.success["dear"] == pytest.approx(0.95, abs=0.04)
    assert found.shipped == {"cheap": PREDICTED, "dear": PREDICTED}
    assert found.features["verdicts"] == 600


def test_one_key_never_moves_another(corrections: Corrections) -> None:
    for _ in range(500):
        corrections.learn(verdict(0.0, key="poisoner"))
    found = assessed()
    assert corrections.correct("victim", None, found, PAIR) is found


def test_a_single_verdict_moves_little(corrections: Corrections) -> None:
    corrections.learn(verdict(0.0))
    assert 0.7 < corrections.correct("a", None, assessed(), PAIR).success["cheap"] < PREDICTED


def test_slots_are_told_apart(corrections: Corrections) -> None:
    for at in range(200):
        corrections.learn(verdict(1.0, slot="drafter"))
        corrections.learn(verdict(float(at % 2), slot="critic"))
    drafter, critic = (
        corrections.correct("a", slot, assessed(), PAIR).success["cheap"] for slot in ("drafter", "critic")
    )
    assert drafter > critic + 0.15


def test_what_a_task_looks_like_is_learnt(corrections: Corrections) -> None:
    at = VECTOR.index("code")
    easy, hard = [(0.0,) * at + (value,) + (0.0,) * (SIZE - at - 1) for value in (-2.0, 2.0)]
    for _ in range(300):
        corrections.learn(verdict(1.0, vector=easy))
        corrections.learn(verdict(0.3, vector=hard))
    served = [corrections.correct("a", None, assessed(vector), PAIR).success["cheap"] for vector in (easy, hard)]
    assert served[0] > served[1] + 0.1


def test_old_verdicts_fade(corrections: Corrections) -> None:
    teach(corrections, 0.3, 600)
    assert corrections.correct("a", None, assessed(), PAIR).success["cheap"] < 0.4
    teach(corrections, 0.95, 1_500, seed=3)
    assert corrections.correct("a", None, assessed(), PAIR).success["cheap"] > 0.8


def test_the_same_verdicts_teach_the_same_and_survive_a_dump(corrections: Corrections) -> None:
    teach(corrections, 0.6, 50, slot="drafter")
    again = Corrections(SCALE)
    again.load(orjson.loads(orjson.dumps(corrections.dump())))
    for each in (corrections, again):
        teach(each, 0.4, 50, slot="critic", seed=9)
    one, other = (each.correct("a", "critic", assessed(), PAIR) for each in (corrections, again))
    assert one == other
    assert one.features["verdicts"] == 100


def test_verdicts_on_cached_answers_and_of_other_artefacts_teach_nothing(corrections: Corrections) -> None:
    corrections.learn(verdict(0.0, vector=()))
    found = assessed()
    assert corrections.correct("a", None, found, PAIR) is found
    corrections.learn(verdict(0.0))
    unread = assessed(())
    assert corrections.correct("a", None, unread, PAIR) is unread


def test_a_heavier_task_is_worth_more_to_the_strong_model(corrections: Corrections) -> None:
    teach(corrections, 0.8, 20)
    load, known = VECTOR.index("load"), VECTOR.index("known")
    gains = []
    for weight in (-1.0, 0.0, 1.0):
        vector = [0.0] * SIZE
        vector[load], vector[known] = weight, 1.0
        success = corrections.correct("a", None, assessed(tuple(vector)), PAIR).success
        gains.append(success["dear"] - success["cheap"])
    assert gains == sorted(gains)
