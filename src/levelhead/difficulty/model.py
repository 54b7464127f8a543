"""Task -> Assessment: one latent scale for tasks and models.

An item response model (Rasch's, with one slope for all: Birnbaum in Lord and Novick, Statistical Theories of Mental
Test Scores, 1968): P(model m serves task x) = sigmoid(a (theta_m - b(x))), with difficulty b read from the task. Where
an ability is uncertain the logit shrinks by 1/sqrt(1 + pi a^2 sd^2 / 8) (MacKay, 1992). Two kinds of evidence meet in
b: recorded outcomes, for tasks like those that were recorded, and the level, for the rest; a logistic gate says how
much a task is like a recorded one. Levels are the quarters of the difficulty scale, 0..1: the most probable level names
the quarter, the expected level the place in it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from math import exp, pi, sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import ArtefactError
from ..types import Assessment, Chat, Level, Model, value
from . import artefact as artefacts
from .abilities import Ability, AbilityTable
from .conversation import Conversation, read_conversation
from .levels import GATE, INPUTS, RESIDUE, LevelReader
from .surface import LOAD, SHAPE, surface
from .trees import Trees
from .words import WordTable, words_of

_MEMO = 512
VECTOR = ("load", "level", "known", *SHAPE, *LOAD[2:])  # the first two of LOAD are in SHAPE


@value
class Reading:
    """What the text alone says. `difficulty` 0..1 is the level scale, `b` the item's difficulty in logits.

    `known`: how much the task is like a recorded benchmark item; `load`: what it asks a reader to hold, about 0 on
    average over them. `vector`: what verdicts can be explained by, in the order of `VECTOR`.
    """

    level: Level
    confidence: float
    difficulty: float
    b: float
    known: float
    load: float
    words: int
    vector: tuple[float, ...]


class TextQualityModel:
    """The shipped `QualityModel`: sums over words, boosted trees and an item response model. Safe in threads."""

    def __init__(self, artefact: artefacts.Artefact) -> None:
        arrays, manifest = artefact.arrays, artefact.manifest
        self.name: str = manifest["name"]
        if manifest["inputs"] != list(INPUTS) or manifest["vector"] != list(VECTOR):
            raise ArtefactError(f"artefact {self.name}: its inputs are not those of this levelhead")
        table = WordTable(_weights(arrays, "gram"), _weights(arrays, "word"))
        trees = Trees(arrays["tree_feature"], arrays["tree_threshold"], arrays["tree_leaf"], len(Level))
        self._levels = LevelReader(table, trees, arrays["constants"].astype(np.float32))
        self._load_mean, spread = arrays["load"].astype(np.float64)
        self._load_rate = 1 / spread / spread.size
        outcome = manifest["outcome"]
        self._gate, self._start, self._slope = (float(outcome[name]) for name in ("gate", "b", "b_load"))
        self._a = float(outcome["a"])
        self._level_b = [float(value) for value in manifest["level_b"]]
        self._abilities = AbilityTable(artefact.abilities, manifest["priors"])
        self._reference = arrays["reference"].astype(np.float64)
        self._pair = (Ability(**manifest["reference_pair"][0]), Ability(**manifest["reference_pair"][1]))
        self.vector_scale = arrays.get("vector", np.array([[0.0], [1.0]])).astype(np.float64)
        self._memo: dict[Conversation, Reading] = {}
        self._thresholds: dict[tuple[float, Ability, Ability], float] = {}

    def assess(self, chat: Chat, models: Sequence[Model]) -> Assessment:
        """Level, difficulty and, for each of `models` by name, the probability of serving the task well."""
        reading = self.read(read_conversation(chat.messages))
        success = {model.name: self._success(reading.b, self._abilities.of(model)) for model in models}
        said = {"b": reading.b, "known": reading.known, "load": reading.load, "words": float(reading.words)}
        return Assessment(reading.level, reading.difficulty, reading.confidence, success, said, reading.vector)

    def heed(self, probed: Mapping[tuple[str, str], Ability]) -> None:
        """Counts measured abilities in, by (configured name, vendor's name). That is another model by name: what was
        certified without them doesn't hold for it."""
        if probed:
            seen = sorted((*key, round(known.theta, 6), round(known.sd, 6)) for key, known in probed.items())
            self.name += f"+probes-{zlib.crc32(repr(seen).encode()):08x}"
            self._abilities.heed(probed)

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

    def read(self, conversation: Conversation) -> Reading:
        """The text's own numbers, remembered for the last conversations seen."""
        known = self._memo.get(conversation)
        if known is None:
            known = self._read(conversation)
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            self._memo[conversation] = known
        return known

    def _read(self, conversation: Conversation) -> Reading:
        words = words_of(conversation.ask)
        shape, load = surface(conversation.ask, words)
        scores, row = self._levels.read(conversation, words, shape)
        level, difficulty, confidence, expected = place(scores.tolist())
        known = 1 / (1 + exp(-min(30.0, max(-30.0, float(row[GATE]) + self._gate))))
        total = float((np.array(load) - self._load_mean) @ self._load_rate) + float(row[RESIDUE])
        measured = self._start + self._slope * min(3.0, max(-3.0, total))
        b = known * measured + (1 - known) * between(self._level_b, expected)
        vector = (total, expected, known, *shape, *load[2:])
        return Reading(level, confidence, difficulty, b, known, total, len(words), vector)

    def _success(self, b: float, ability: Ability) -> float:
        a = self._a
        logit = a * (ability.theta - b) / sqrt(1 + pi * (a * ability.sd) ** 2 / 8)
        return 1 / (1 + exp(-max(-30.0, min(30.0, logit))))

    def _uplift(self, strong: Ability, efficient: Ability) -> npt.NDArray[np.float64]:
        b, a = self._reference[:, 0], self._a
        served = []
        for ability in (strong, efficient):
            logit = a * (ability.theta - b) / sqrt(1 + pi * (a * ability.sd) ** 2 / 8)
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
    loss = np.cumsum(reference[order, 1] * np.maximum(uplift[order], 0.0))
    allowed = int(np.searchsorted(loss, max_quality_loss + 1e-9, side="right"))
    return 1.0 if allowed == order.size else float(max(0.0, uplift[order[allowed - 1]])) if allowed else 0.0


def _weights(arrays: artefacts.Arrays, kind: str) -> npt.NDArray[np.float32]:
    """Bytes times the scale of their column, and squared lengths."""
    table = np.empty((arrays[kind].shape[0], arrays[kind].shape[1] + 1), dtype=np.float32)
    np.multiply(arrays[kind], arrays[f"{kind}_scale"], out=table[:, :-1])
    table[:, -1] = arrays[f"{kind}_square"]
    return table


def load_quality_model(path: Path | None = None) -> TextQualityModel:
    """The quality model of an artefact directory (None: the shipped one). Raises `ArtefactError`."""
    found = artefacts.load(path or artefacts.shipped())
    try:
        return TextQualityModel(found)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"artefact {found.manifest.get('name')}: manifest.json is incomplete ({error})") from None
