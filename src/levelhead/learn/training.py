"""Data directory -> artefact: the whole fit, the same bytes for the same data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from threadpoolctl import threadpool_limits

from ..difficulty import artefact as artefacts
from ..difficulty.levels import ASK, COLUMNS, GATE, HEAD, INPUTS, RESIDUE, TAIL, TEXT
from ..difficulty.model import VECTOR
from ..difficulty.surface import LOAD
from ..difficulty.words import FEATURE_VERSION
from ..errors import ConfigError
from . import levels
from .abilities import ability_rows, key_of
from .bags import WORDS
from .card import write_card
from .datasets import LevelTask, Outcomes, data_hashes, read_levels, read_outcomes
from .noise import COATS, Wardrobe
from .quality import fit_gate
from .transfer import Problem, Scores, calibrate, leave_one_source_out

Floats = npt.NDArray[np.float64]

# Recorded benchmarks hold no routine traffic. What the efficient reference model does there is an assumption, said in
# the card and overruled by verdicts: its chance of serving a task of L1..L4 well. The strong model's follows from the
# distance of the two abilities.
ANCHORS = (0.985, 0.95, 0.87, 0.78)
ANCHOR_MODELS = ("deepseek flash 4", "claude sonnet 5 5")
PRIORS = ((-1.1, 0.7), (-0.1, 0.6))  # ability relative to the strong reference and its sd: lowest tier, the others
LEVEL_SHARE = 0.5  # of the reference traffic: labelled tasks; the rest is the sources, alike
_REFERENCE_ROWS = 400  # of labelled tasks, and of each source


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that training reads. `apart`: labelled tasks that no fit ever sees, by the name of their file."""

    outcomes: Outcomes
    tasks: list[LevelTask]
    apart: dict[str, list[LevelTask]]
    wardrobe: Wardrobe
    given: dict[str, Any]  # published abilities
    files: list[Path]


def train(
    data: Path, out: Path, corpora: Path | None = None, tell: Callable[[str], None] = lambda said: None
) -> dict[str, Any]:
    """Fits and writes an artefact to `out`; returns its manifest.

    `corpora`: the folder with `levels/`, `apart/`, `coats.json` and `abilities.json` (None: the shipped one).
    `tell` hears what is being done.
    Raises `ConfigError` where data or corpora are missing.
    """
    with threadpool_limits(limits=1):  # sums in one order: the same bytes on any number of cores
        tell("reading outcomes and labelled tasks")
        return _train(read_corpus(data, corpora or own_corpora()), data, out, tell)


def read_corpus(data: Path, corpora: Path) -> Corpus:
    """Reads all training data; raises `ConfigError` naming what is missing."""
    labelled, apart = (sorted((corpora / name).glob("*.jsonl")) for name in ("levels", "apart"))
    abilities, coats = corpora / "abilities.json", corpora / "coats.json"
    if not labelled or not abilities.is_file() or not coats.is_file():
        raise ConfigError(f"{corpora} should hold levels/*.jsonl, coats.json and abilities.json")
    return Corpus(
        read_outcomes(data),
        [task for path in labelled for task in read_levels(path)],
        {path.stem: read_levels(path) for path in apart},
        Wardrobe(orjson.loads(coats.read_bytes())),
        orjson.loads(abilities.read_bytes()),
        [*labelled, *apart, coats, abilities],
    )


def _train(corpus: Corpus, data: Path, out: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    tell("fitting levels")
    coated = [corpus.wardrobe.coated(task, number) for number in range(COATS) for task in corpus.tasks]
    readings = levels.Readings.of([*corpus.tasks, *coated])
    everything = np.arange(readings.level.size)
    linear = levels.Linear.fit(readings, everything)
    inputs = levels.held_out_inputs(readings, everything)
    trees = levels.boost(inputs, readings.level)
    tell("fitting difficulties and abilities")
    problem = Problem.of(corpus.outcomes, linear.idf)
    fitted = problem.fit()
    slope, in_domain = calibrate(problem)
    counts = np.bincount(corpus.outcomes.model, minlength=len(corpus.outcomes.models))
    table = ability_rows(
        corpus.outcomes.models, fitted.irt.ability, fitted.irt.ability_sd, counts.tolist(), corpus.given
    )
    pair = [next(row for row in table if key_of(row) == name) for name in ANCHOR_MODELS]
    level_b = [round(pair[0]["ability"] - float(np.log(served / (1 - served))), 4) for served in ANCHORS]
    gate, gate_constant = fit_gate(problem.items.bags, readings.bags["ask"], problem.weight(), linear.idf)
    columns = np.zeros((gate.size, COLUMNS))
    for place, weights in ((ASK, linear.ask), (HEAD, linear.head), (TAIL, linear.tail), (TEXT, linear.text)):
        columns[:, place] = weights[:, 1:] - weights[:, :1]
    columns[:, GATE], columns[:, RESIDUE] = gate, fitted.difficulty.residue
    constants = [start[1:] - start[0] for start in (linear.ask_constant, linear.text_constant)]
    outcome = {"gate": gate_constant, "b": fitted.b, "b_load": fitted.b_load, "a": fitted.a * slope}
    arrays: dict[str, npt.NDArray[Any]] = {
        **_packed("word", columns[:WORDS] * linear.idf.words[:, None], linear.idf.words),
        **_packed("gram", columns[WORDS:] * linear.idf.grams[:, None], linear.idf.grams),
        "constants": np.round(np.concatenate(constants), 4).astype(np.float32),
        "load": np.round(np.stack([fitted.difficulty.mean, fitted.difficulty.spread]), 4).astype(np.float32),
        **levels.tree_arrays(trees),
    }
    tell("scoring on each source with the others' model")
    scores: dict[str, Scores] = {"leave_one_source_out": leave_one_source_out(problem), "in_domain": in_domain}
    scores["levels"] = _level_scores(corpus, readings, inputs, linear, trees)
    manifest = {
        "schema": artefacts.SCHEMA, "name": out.name, "feature_version": FEATURE_VERSION,
        "inputs": list(INPUTS), "load": list(LOAD), "vector": list(VECTOR),
        "outcome": {name: round(v, 4) for name, v in outcome.items()},
        "level_b": level_b, "anchors": list(ANCHORS), "tasks": len(corpus.tasks),
        "priors": [{"ability": round(pair[1]["ability"] + gap, 3), "sd": sd} for gap, sd in PRIORS],
        "reference_pair": [{"theta": row["ability"], "sd": row["sd"], "origin": row["origin"]} for row in pair[::-1]],
        "data": data_hashes(data, corpus.files), "scores": scores, "licences": LICENCES,
    }  # fmt: skip
    arrays.update(_reference(artefacts.Artefact(arrays, table, _plain(manifest)), corpus))
    artefacts.save(out, artefacts.Artefact(arrays, table, _plain(manifest)))
    write_card(out)
    return manifest


def _packed(name: str, weights: Floats, idf: Floats) -> dict[str, npt.NDArray[Any]]:
    """Weights as bytes with a scale a column, and the squared lengths of the features."""
    scale = (np.abs(weights).max(axis=0) / 127 + 1e-12).astype(np.float32)
    return {
        name: np.round(weights / scale).astype(np.int8),
        f"{name}_scale": scale,
        f"{name}_square": (idf**2).astype(np.float16),
    }


def _reference(artefact: artefacts.Artefact, corpus: Corpus) -> dict[str, npt.NDArray[Any]]:
    """Reference traffic as run time reads it: half labelled tasks, half the sources, alike.

    `reference`: (b, weight) of each task; `vector`: mean and spread of what verdicts are explained by.
    """
    from ..difficulty.conversation import read_conversation
    from ..difficulty.model import TextQualityModel

    artefact = artefacts.Artefact({**artefact.arrays, "reference": np.zeros((1, 2))}, *_rest(artefact))
    model = TextQualityModel(artefact)
    random = np.random.default_rng(7)
    sources = sorted(set(corpus.outcomes.sources))
    groups = [(LEVEL_SHARE, [task.messages for task in corpus.tasks])]
    for source in sources:
        prompts = [p for p, s in zip(corpus.outcomes.prompts, corpus.outcomes.sources, strict=True) if s == source]
        groups.append(((1 - LEVEL_SHARE) / len(sources), [[{"role": "user", "content": p}] for p in prompts]))
    readings, weights = [], []
    for share, chats in groups:
        picked = np.sort(random.permutation(len(chats))[:_REFERENCE_ROWS])
        readings += [model.read(read_conversation(chats[at])) for at in picked]
        weights += [share / picked.size] * picked.size
    b, weight = np.round([reading.b for reading in readings], 3), np.array(weights)
    vectors = np.array([reading.vector for reading in readings])
    mean = weight @ vectors
    spread = np.sqrt(weight @ (vectors - mean) ** 2)
    return {
        "reference": np.column_stack([b, weight]).astype(np.float32),
        "vector": np.round(np.stack([mean, np.maximum(spread, 0.01)]), 3).astype(np.float32),
    }


def _rest(artefact: artefacts.Artefact) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    return artefact.abilities, artefact.manifest


def _level_scores(
    corpus: Corpus, readings: levels.Readings, inputs: Floats, linear: levels.Linear, trees: Any
) -> Scores:
    """Folds inside the corpus, alone and in conversations, and the tasks that were written apart from it."""
    found = levels.held_out_levels(inputs, readings)
    written = np.arange(readings.level.size) < len(corpus.tasks)
    goes_on = readings.structures[:, -1] > 0
    groups = {"one turn": written & ~goes_on, "conversations": written & goes_on, "in a coat": ~written}
    scores = {f"folds: {name}": _hits(found[rows], readings.level[rows]) for name, rows in groups.items()}
    for name, tasks in corpus.apart.items():
        unseen = levels.Readings.of(tasks)
        seen = linear.inputs(unseen, np.arange(unseen.level.size))
        scores[f"apart: {name}"] = _hits(trees.predict(seen.astype(np.float32)), unseen.level)
    return scores


def _hits(found: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]) -> dict[str, float]:
    off = abs(found - truth)
    return {
        "tasks": float(truth.size),
        "exact": round(float((off == 0).mean()), 3) if off.size else 0.0,
        "within_one": round(float((off <= 1).mean()), 3) if off.size else 0.0,
    }


def _plain(manifest: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = orjson.loads(orjson.dumps(manifest, option=orjson.OPT_SERIALIZE_NUMPY))
    return plain


def own_corpora() -> Path:
    """The corpora that came with levelhead: inside an installed wheel, else in the source tree."""
    package = Path(__file__).resolve().parent.parent
    for root in (package / "_models", package.parent.parent / "router_models"):
        if (root / "training").is_dir():
            return root / "training"
    raise ConfigError("the training corpora that ship with levelhead are missing; name their folder")


LICENCES = {
    "mmlu_pro": "Apache-2.0 (TIGER-AI-Lab/MMLU-Pro)",
    "routellm": "Apache-2.0 (lm-sys/RouteLLM)",
    "medagents": "Apache-2.0 (gersteinlab/medagents-benchmark)",
    "zeroeval": "Apache-2.0 (WildEval/ZeroEval)",
    "zoonk_evals": "MIT (zoonk/zoonk)",
    "tinybird_sql": "CC-BY-4.0 or Apache-2.0 (tinybirdco/llm-benchmark)",
    "pareto_bandit": "Apache-2.0 (ParetoBandit)",
    "levels": "Apache-2.0 (this project)",
}
