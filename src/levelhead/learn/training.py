"""`levelhead train`: recorded outcomes and labelled tasks -> an artefact. Same data and seed, same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ..difficulty import artefact as artefacts
from ..difficulty.features import BUCKETS, FEATURE_VERSION, Reader
from ..difficulty.model import LOG_A_MAX
from ..difficulty.text import Lexicon, compile_lexicon
from ..errors import ConfigError
from . import irt, levels
from .abilities import ability_rows, key_of
from .card import write_card
from .datasets import (
    LevelTask,
    Outcomes,
    data_hashes,
    read_foreign_levels,
    read_outcomes,
    read_own_levels,
)
from .matrix import Design, design, scale_of, stack, standardise
from .transfer import Problem, Scores, calibrate, leave_one_source_out

Floats = npt.NDArray[np.float64]

# Recorded benchmarks hold no routine traffic. What the efficient reference model does there is an assumption, said in
# the card and overruled by verdicts: its chance of serving a task of L1..L4 well. The strong model's follows from the
# distance of the two abilities.
ANCHORS = (0.985, 0.95, 0.87, 0.78)
GATE_STRENGTH = 1.0
ANCHOR_MODELS = ("deepseek flash 4", "claude sonnet 5 5")
PRIORS = ((-1.1, 0.7), (-0.1, 0.6))  # ability relative to the strong reference and its sd: lowest tier, the others
LEVEL_SHARE = 0.5  # of the reference traffic: labelled tasks, own corpus; the rest is the sources, alike
_REFERENCE_ROWS = 200  # a source


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that training reads, as a design matrix: outcome prompts first, then labelled tasks."""

    outcomes: Outcomes
    tasks: list[LevelTask]
    reader: Reader
    concepts: list[str]
    lexicon: tuple[npt.NDArray[Any], ...]
    rows: Design


def train(data: Path, out: Path, corpora: Path | None = None) -> dict[str, Any]:
    """Fits and writes an artefact to `out`; returns its manifest.

    `corpora`: the folder with `levels.jsonl`, `lexicon.json` and `abilities.json` (None: the shipped one).
    Raises `ConfigError` where data or corpora are missing.
    """
    with threadpool_limits(limits=1):  # sums in one order: the same bytes on any number of cores
        return _train(data, out, corpora or _own_corpora())


def _train(data: Path, out: Path, corpora: Path) -> dict[str, Any]:
    corpus = read_corpus(data, corpora)
    level_weights, difficulty, mean, spread = _fit_levels(corpus)
    dense = standardise(corpus.rows.dense, mean, spread)
    problem = Problem.of(corpus.outcomes, stack_for_outcomes(dense, corpus.rows.hashed, difficulty), dense)
    first = problem.fit()
    slope, in_domain = calibrate(problem, first)
    given = orjson.loads((corpora / "abilities.json").read_bytes())
    counts = np.bincount(corpus.outcomes.model, minlength=len(corpus.outcomes.models))
    table = ability_rows(corpus.outcomes.models, first.ability, first.ability_sd, counts.tolist(), given)
    pair = [next(row for row in table if key_of(row) == name) for name in ANCHOR_MODELS]
    level_b = [round(pair[0]["ability"] - float(np.log(served / (1 - served))), 4) for served in ANCHORS]
    level_slope = round(float(first.b[-2]), 4)
    gate = _fit_gate(corpus, stack(dense, corpus.rows.hashed, 1.0))
    weights = _merge(level_weights, first, slope, gate, dense.shape[1])
    scores: dict[str, Scores] = {"leave_one_source_out": leave_one_source_out(problem, first), "in_domain": in_domain}
    scores["levels"] = _level_scores(corpus, read_own_levels(corpora / APART), mean, spread)
    arrays = {
        "weights": weights, "scale": np.stack([mean, spread]).astype(np.float32),
        "lexicon_keys": corpus.lexicon[0], "lexicon_concepts": corpus.lexicon[1],
        "lexicon_lengths": corpus.lexicon[2],
        "reference": reference(corpus, dense, weights, level_slope, level_b),
    }  # fmt: skip
    manifest = {
        "schema": artefacts.SCHEMA, "name": out.name, "feature_version": FEATURE_VERSION,
        "features": list(corpus.reader.names), "concepts": corpus.concepts,
        "level_slope": level_slope, "level_b": level_b, "anchors": list(ANCHORS), "calibration_slope": round(slope, 4),
        "priors": [{"ability": round(pair[1]["ability"] + gap, 3), "sd": sd} for gap, sd in PRIORS],
        "reference_pair": [{"theta": row["ability"], "sd": row["sd"], "origin": row["origin"]} for row in pair[::-1]],
        "data": data_hashes(data, [corpora / name for name in _CORPORA]),
        "scores": scores, "licences": LICENCES,
    }  # fmt: skip
    artefacts.save(out, artefacts.Artefact(arrays, table, _plain(manifest)))
    write_card(out)
    return manifest


def read_corpus(data: Path, corpora: Path) -> Corpus:
    """Reads all training data; raises `ConfigError` naming what is missing."""
    for name in _CORPORA:
        if not (corpora / name).is_file():
            raise ConfigError(f"training corpus {name} is missing in {corpora}")
    lexicon = orjson.loads((corpora / "lexicon.json").read_bytes())
    entries = {
        concept: [word.replace("_", " ") for words in languages.values() for word in words.split()]
        for concept, languages in lexicon.items()
    }
    compiled = compile_lexicon(entries)
    reader = Reader(Lexicon(*compiled, len(entries)), tuple(entries))
    outcomes = read_outcomes(data)
    tasks = read_own_levels(corpora / "levels.jsonl") + read_foreign_levels(data)
    conversations = [[{"role": "user", "content": prompt}] for prompt in outcomes.prompts]
    rows = design(reader, conversations + [list(task.messages) for task in tasks])
    return Corpus(outcomes, tasks, reader, list(entries), compiled, rows)


def stack_for_outcomes(dense: Floats, hashed: sparse.csr_matrix, difficulty: Floats) -> sparse.csr_matrix:
    """[dense, hashed, difficulty, 1]: what the item parameters may depend on."""
    extra = sparse.csr_matrix(np.column_stack([difficulty, np.ones(difficulty.size)]))
    return sparse.hstack([sparse.csr_matrix(dense), hashed, extra]).tocsr()


def reference(
    corpus: Corpus, dense: Floats, weights: npt.NDArray[np.float32], level_slope: float, level_b: list[float]
) -> npt.NDArray[np.float32]:
    """Reference traffic as (b, a, weight), as run time reads it: half the own labelled corpus, half the sources."""
    size = dense.shape[1]
    out = dense @ weights[:size] + corpus.rows.hashed @ weights[size:-1] + weights[-1]
    expected, known = levels.expected_of(out[:, :4]), 1 / (1 + np.exp(-np.clip(out[:, 6], -30, 30)))
    b = known * (out[:, 4] + level_slope * expected) + (1 - known) * np.interp(3 * expected, np.arange(4), level_b)
    a = np.exp(known * np.clip(out[:, 5], -LOG_A_MAX, LOG_A_MAX))
    random = np.random.default_rng(7)
    source = np.array(corpus.outcomes.sources)
    count = len(corpus.outcomes.prompts)
    own = count + np.flatnonzero([task.origin == "levels" for task in corpus.tasks])
    names = sorted(set(corpus.outcomes.sources))
    groups = [(own, LEVEL_SHARE)]
    groups += [(np.flatnonzero(source == name), (1 - LEVEL_SHARE) / len(names)) for name in names]
    parts = []
    for members, share in groups:
        picked = np.sort(random.permutation(members)[: max(_REFERENCE_ROWS, len(own))])
        parts.append(np.column_stack([b[picked], a[picked], np.full(picked.size, share / picked.size)]))
    return np.concatenate(parts).astype(np.float32)


def _fit_levels(corpus: Corpus) -> tuple[Floats, Floats, Floats, Floats]:
    """(logit weights, difficulty of every row, mean, spread); labelled rows are judged by folds that never saw them."""
    count = len(corpus.outcomes.prompts)
    weight = np.concatenate([
        0.3 * _balanced(corpus.outcomes.sources), 0.7 * _share(levels.weights_of(corpus.tasks)),
    ])  # fmt: skip
    mean, spread = scale_of(corpus.rows.dense, weight)
    mean, spread = mean.astype(np.float32).astype(float), spread.astype(np.float32).astype(float)
    matrix = stack(standardise(corpus.rows.dense, mean, spread), corpus.rows.hashed, levels.HASH_SCALE)
    labelled = matrix[count:]
    weights = levels.fit_levels(labelled, corpus.tasks, range(len(corpus.tasks)))
    difficulty = levels.expected_of(matrix @ weights)
    difficulty[count:] = levels.expected_of(levels.out_of_fold(labelled, corpus.tasks))
    return weights, difficulty, mean, spread


def _level_scores(corpus: Corpus, apart: list[LevelTask], mean: Floats, spread: Floats) -> Scores:
    """Folds inside the own corpus, and the tasks written apart from it."""
    count = len(corpus.outcomes.prompts)
    scale = levels.HASH_SCALE
    labelled = stack(standardise(corpus.rows.dense[count:], mean, spread), corpus.rows.hashed[count:], scale)
    own = np.flatnonzero([task.origin == "levels" for task in corpus.tasks])
    scores = {"folds": _hits(levels.out_of_fold(labelled, corpus.tasks)[own], [corpus.tasks[row] for row in own])}
    if apart:
        unseen = design(corpus.reader, [task.messages for task in apart])
        matrix = stack(standardise(unseen.dense, mean, spread), unseen.hashed, scale)
        weights = levels.fit_levels(labelled, corpus.tasks, range(len(corpus.tasks)))
        scores["written_apart"] = _hits(matrix @ weights, apart)
    return scores


def _hits(logits: Floats, tasks: list[LevelTask]) -> dict[str, float]:
    truth = np.array([task.chances for task in tasks]).argmax(axis=1)
    off = abs(logits.argmax(axis=1) - truth)
    return {
        "tasks": float(truth.size),
        "exact": round(float((off == 0).mean()), 3),
        "within_one": round(float((off <= 1).mean()), 3),
    }


def _fit_gate(corpus: Corpus, matrix: sparse.csr_matrix) -> Floats:
    """Logit weights of "like a recorded outcome": outcome prompts and exam problems against labelled tasks."""
    recorded = np.array([True] * len(corpus.outcomes.prompts) + [task.origin == "math500" for task in corpus.tasks])
    weight = np.concatenate([_balanced(corpus.outcomes.sources), _share(levels.weights_of(corpus.tasks))])
    fit = LogisticRegression(C=GATE_STRENGTH, max_iter=300, fit_intercept=False)
    fit.fit(matrix, recorded, sample_weight=weight * 2_000)
    gate: Floats = fit.coef_[0]
    return gate


def _merge(level: Floats, fitted: irt.Fit, slope: float, gate: Floats, dense: int) -> npt.NDArray[np.float32]:
    """One matrix for run time: rows [dense, hashed, 1], columns [L1..L4, b, log a, gate].

    Rounded, so that the bytes don't hang on the last bit of a sum.
    """
    merged = np.zeros((dense + BUCKETS + 1, 7))
    merged[:, :4] = level
    merged[dense : dense + BUCKETS, :4] *= levels.HASH_SCALE
    merged[: dense + BUCKETS, 4] = fitted.b[: dense + BUCKETS]
    merged[-1, 4] = fitted.b[-1]
    merged[:dense, 5] = fitted.a[:dense]
    merged[-1, 5] = fitted.a[-1] + np.log(slope)
    merged[:, 6] = gate
    return np.round(merged, 4).astype(np.float16).astype(np.float32)


def _balanced(sources: list[str]) -> Floats:
    _, group, count = np.unique(sources, return_inverse=True, return_counts=True)
    return _share(1 / count[group])


def _share(weight: Floats) -> Floats:
    share: Floats = weight / weight.sum()
    return share


def _plain(manifest: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = orjson.loads(orjson.dumps(manifest, option=orjson.OPT_SERIALIZE_NUMPY))
    return plain


def _own_corpora() -> Path:
    package = Path(__file__).resolve().parent.parent
    for root in (package / "_models", package.parent.parent / "router_models"):
        if (root / "training").is_dir():
            return root / "training"
    raise ConfigError("the training corpora that ship with levelhead are missing; name their folder")


APART = "levels_apart.jsonl"  # labelled tasks that no fit ever sees
_CORPORA = ("levels.jsonl", APART, "lexicon.json", "abilities.json")

LICENCES = {
    "mmlu_pro": "Apache-2.0 (TIGER-AI-Lab/MMLU-Pro)",
    "routellm": "Apache-2.0 (lm-sys/RouteLLM)",
    "medagents": "Apache-2.0 (gersteinlab/medagents-benchmark)",
    "zeroeval": "Apache-2.0 (WildEval/ZeroEval)",
    "zoonk_evals": "MIT (zoonk/zoonk)",
    "tinybird_sql": "CC-BY-4.0 or Apache-2.0 (tinybirdco/llm-benchmark)",
    "pareto_bandit": "Apache-2.0 (ParetoBandit)",
    "uncommon_route": "MIT (CommonstackAI/UncommonRoute)",
    "math500": "MIT (hendrycks/MATH)",
    "levels.jsonl": "Apache-2.0 (this project)",
}
