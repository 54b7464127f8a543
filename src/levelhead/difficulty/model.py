"""Task -> Assessment: one latent scale for tasks and models.

A two-parameter logistic item response model (Birnbaum in Lord and Novick, Statistical Theories of Mental Test Scores,
1968): P(model m serves task x) = sigmoid(a(x) (theta_m - b(x))), with difficulty b and discrimination a read from the
task's features. Where an ability is uncertain the logit shrinks by 1/sqrt(1 + pi a^2 sd^2 / 8) (MacKay, 1992).
Two kinds of evidence meet in b: recorded outcomes, for tasks like those that were recorded, and the level, for the
rest; a logistic gate says how much a task is like a recorded one.
Levels are the quarters of the difficulty scale, 0..1: the most probable level names the quarter, the expected level
the place in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, expm1, pi, sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import ArtefactError
from ..types import Assessment, Chat, Level, Model, value
from . import artefact as artefacts
from .abilities import Ability, AbilityTable
from .features import BUCKETS, Features, Reader
from .task import Task, read_task
from .text import Lexicon

HEADS = 7  # logits of L1..L4, difficulty b, log discrimination, logit of being like a recorded outcome
LOG_A_MAX = 1.0
_MEMO = 512
_CLIP = 4.0  # standard deviations that one dense feature may count for


@value
class Reading:
    """What the text alone says. `difficulty` 0..1 is the level scale, `b` and `a` are the item's parameters."""

    level: Level
    confidence: float
    difficulty: float
    b: float
    a: float
    features: dict[str, float]


class TextQualityModel:
    """The shipped `QualityModel`: features and a linear map, numpy only. Safe to share between threads."""

    def __init__(self, artefact: artefacts.Artefact) -> None:
        arrays, manifest = artefact.arrays, artefact.manifest
        self.name: str = manifest["name"]
        concepts = tuple(manifest["concepts"])
        lexicon = Lexicon(
            arrays["lexicon_keys"],
            arrays["lexicon_concepts"],
            arrays["lexicon_lengths"],
            len(concepts),
        )
        self.reader = Reader(lexicon, concepts)
        if list(self.reader.names) != manifest["features"] or arrays["weights"].shape[1] != HEADS:
            raise ArtefactError(f"artefact {self.name}: its features are not those of this levelhead")
        weights, (self._mean, spread) = arrays["weights"].astype(np.float32), arrays["scale"].astype(np.float32)
        self._per_spread = 1 / spread
        self._dense_weights = np.ascontiguousarray(weights[: spread.size])
        self._hashed_weights = np.ascontiguousarray(weights[spread.size : spread.size + BUCKETS])
        self._constant = weights[spread.size + BUCKETS]
        self._level_slope = float(manifest["level_slope"])
        self._level_b = [float(value) for value in manifest["level_b"]]
        self._abilities = AbilityTable(artefact.abilities, manifest["priors"])
        self._reference = arrays["reference"].astype(np.float64)
        self._pair = (Ability(**manifest["reference_pair"][0]), Ability(**manifest["reference_pair"][1]))
        self._memo: dict[Task, Reading] = {}
        self._thresholds: dict[tuple[float, Ability, Ability], float] = {}

    def assess(self, chat: Chat, models: Sequence[Model]) -> Assessment:
        """Level, difficulty and, for each of `models` by name, the probability of serving the task well."""
        reading = self.read(read_task(chat.messages))
        success = {model.name: self._success(reading, self._abilities.of(model)) for model in models}
        return Assessment(reading.level, reading.difficulty, reading.confidence, success, reading.features)

    def ability(self, model: Model) -> Ability:
        """What is known of a deployment: ability, interval, origin."""
        return self._abilities.of(model)

    def threshold(self, max_quality_loss: float, models: Sequence[Model] | None = None) -> float:
        """The uplift up to which the efficient model may serve so that the mean loss over all traffic meets the target.

        Over the artefact's reference traffic: the largest t with mean(uplift where uplift <= t) <= `max_quality_loss`.
        `models`: the pair is the best of the highest and the best of the lowest tier (None: the reference pair).
        1.0: everything may go to the efficient model. An estimate on reference traffic, not a certificate.
        """
        strong, efficient = self._pair if not models else self._ends(models)
        key = (max_quality_loss, strong, efficient)
        known = self._thresholds.get(key)
        if known is None:
            known = uplift_threshold(self._reference, self._uplift(strong, efficient), max_quality_loss)
            if len(self._thresholds) < _MEMO:
                self._thresholds[key] = known
        return known

    def read(self, task: Task) -> Reading:
        """The text's own numbers, remembered for the last tasks seen."""
        known = self._memo.get(task)
        if known is not None:
            return known
        reading = self._read(task)
        if len(self._memo) >= _MEMO:
            self._memo.clear()
        self._memo[task] = reading
        return reading

    def _read(self, task: Task) -> Reading:
        features = self.reader.read(task)
        *levels, difficulty_b, log_a, gate = self._heads(features)
        level, difficulty, confidence, expected = place(levels)
        known = 1 / (1 + exp(-min(30.0, max(-30.0, gate))))
        measured = difficulty_b + self._level_slope * expected / 3
        b = known * measured + (1 - known) * between(self._level_b, expected)
        a = exp(known * min(LOG_A_MAX, max(-LOG_A_MAX, log_a)))
        words, material = expm1(features.dense[0]), expm1(features.dense[2])
        said = {"b": b, "a": a, "known": known, "words": words, "material_chars": material}
        return Reading(level, confidence, difficulty, b, a, said)

    def _heads(self, features: Features) -> list[float]:
        """The linear map: standardised dense features, hashed features of unit length, a constant."""
        dense = (features.dense - self._mean) * self._per_spread
        np.minimum(dense, _CLIP, out=dense)
        np.maximum(dense, -_CLIP, out=dense)
        out = dense @ self._dense_weights + self._constant
        if features.buckets.size:
            out += np.add.reduce(self._hashed_weights.take(features.buckets, axis=0)) / sqrt(features.buckets.size)
        heads: list[float] = out.tolist()
        return heads

    def _success(self, reading: Reading, ability: Ability) -> float:
        a = reading.a
        logit = a * (ability.theta - reading.b) / sqrt(1 + pi * (a * ability.sd) ** 2 / 8)
        return 1 / (1 + exp(-max(-30.0, min(30.0, logit))))

    def _uplift(self, strong: Ability, efficient: Ability) -> npt.NDArray[np.float64]:
        b, a = self._reference[:, 0], self._reference[:, 1]
        served = []
        for ability in (strong, efficient):
            logit = a * (ability.theta - b) / np.sqrt(1 + pi * (a * ability.sd) ** 2 / 8)
            served.append(1 / (1 + np.exp(-logit)))
        uplift: npt.NDArray[np.float64] = served[0] - served[1]
        return uplift

    def _ends(self, models: Sequence[Model]) -> tuple[Ability, Ability]:
        ranks = [model.tier_rank for model in models]
        best = {
            rank: max(
                (self._abilities.of(model) for model in models if model.tier_rank == rank), key=lambda it: it.theta
            )
            for rank in (max(ranks), min(ranks))
        }
        return best[max(ranks)], best[min(ranks)]


def place(logits: Sequence[float]) -> tuple[Level, float, float, float]:
    """(level, difficulty 0..1, confidence, expected level 0..3) from the four level logits."""
    highest = max(logits)
    odds = [exp(logit - highest) for logit in logits]
    total = sum(odds)
    level = odds.index(max(odds))
    expected = (odds[1] + 2 * odds[2] + 3 * odds[3]) / total
    within = min(0.99, max(0.01, 0.5 + 0.5 * (expected - level)))
    return Level(level + 1), (level + within) / 4, odds[level] / total, expected


def between(knots: Sequence[float], at: float) -> float:
    """Linear interpolation over knots at 0, 1, 2, ..."""
    left = min(len(knots) - 2, max(0, int(at)))
    return knots[left] + (at - left) * (knots[left + 1] - knots[left])


def uplift_threshold(
    reference: npt.NDArray[np.float64], uplift: npt.NDArray[np.float64], max_quality_loss: float
) -> float:
    """The largest t with sum(weight * uplift where uplift <= t) <= `max_quality_loss`; weights sum to one."""
    order = np.argsort(uplift, kind="stable")
    loss = np.cumsum(reference[order, 2] * np.maximum(uplift[order], 0.0))
    allowed = int(np.searchsorted(loss, max_quality_loss + 1e-9, side="right"))
    return 1.0 if allowed == order.size else float(max(0.0, uplift[order[allowed - 1]])) if allowed else 0.0


def load_quality_model(path: Path | None = None) -> TextQualityModel:
    """The quality model of an artefact directory (None: the shipped one). Raises `ArtefactError`."""
    found = artefacts.load(path or artefacts.shipped())
    try:
        return TextQualityModel(found)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"artefact {found.manifest.get('name')}: manifest.json is incomplete ({error})") from None
