"""The whole of it: sources one by one, mixed, with verdicts, stability and speed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from levelhead.difficulty import load_quality_model
from levelhead.difficulty.conversation import read_conversation
from levelhead.learn.bags import Bags, Idf
from levelhead.learn.datasets import read_levels, read_outcomes, read_table
from levelhead.learn.evaluate import apgr
from levelhead.learn.training import own_corpora
from levelhead.learn.transfer import PAIRS, Fitted, Problem

from . import adapting, baselines, plots, steadiness
from .curves import measures

Floats = npt.NDArray[np.float64]
COUNTS = (50, 200, 1_000)
ABILITY = (0.6, -0.2)  # of a strong and an efficient model of whom nothing is known
_SWEBENCH = ("claude-sonnet-4-5", "deepseek-v3.2-reasoner")
_PER_SOURCE = 1_000  # of mixed traffic


def main(results: Path) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("LEVELHEAD_DATA", "../shared/data")))
    parser.add_argument("--orders", type=int, default=5)
    parser.add_argument("--only", choices=["outcomes", "levels"], help="a part; the rest of the results stays as it is")
    args = parser.parse_args()
    path = results / "signal.json"
    found: dict[str, Any] = orjson.loads(path.read_bytes()) if args.only and path.is_file() else {}
    if args.only != "levels":
        found.update(outcomes(args.data, args.orders, results))
    if args.only != "outcomes":
        found["levels"], found["speed"] = steadiness.levels(), steadiness.speed()
    path.write_bytes(
        orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    )
    print(path)


def outcomes(data: Path, orders: int, results: Path) -> dict[str, Any]:
    tasks = [task for file in sorted((own_corpora() / "levels").glob("*.jsonl")) for task in read_levels(file)]
    problem = Problem.of(read_outcomes(data), Idf.of(Bags.of([read_conversation(t.messages).ask for t in tasks])))
    heuristics = baselines.litellm_heuristics()
    model = load_quality_model()
    sources: dict[str, Any] = {}
    traffic: dict[str, adapting.Traffic] = {}
    signals: dict[str, tuple[dict[str, Floats], Floats, Floats]] = {}
    for name, source, strong, efficient in PAIRS:
        kept = problem.without(source)
        fitted = problem.fit(kept)
        items, best, cheap = problem.pair_of(strong, efficient, source)
        prompts = [problem.items.prompts[at] for at in items]
        shown = {
            "levelhead": problem.standing(fitted, items),
            "random": np.random.default_rng(3).random(items.size),
            "length": np.array([float(len(prompt)) for prompt in prompts]),
            **{title: np.array([score(prompt) for prompt in prompts]) for title, score in heuristics.items()},
            **baselines.text_models(
                [problem.items.prompts[at] for at in np.flatnonzero(kept)], problem.items.missed[kept], prompts
            ),
            "in-domain tf-idf + ridge on uplift": baselines.in_domain(prompts, best - cheap, problem.items.stem[items]),
            "item difficulty known": problem.items.missed[items],
            "oracle": best - cheap,
        }
        sources[name] = {title: measures(signal, best, cheap) for title, signal in shown.items()}
        signals[name] = shown, best, cheap
        traffic[name] = _traffic(model, fitted, prompts, shown["levelhead"], best, cheap)
        print(name, {title: row["apgr"] for title, row in sources[name].items()}, flush=True)
    plots.recovered(signals, results / "signal-sources.png")
    one_each = list({source: name for name, source, _, _ in reversed(PAIRS)}.values())
    learnt = {name: _adapted(traffic[name], model.vector_scale, orders) for name in traffic}
    mixed = _mixed(traffic, one_each, model.vector_scale, orders)
    plots.adaptation({**learnt, "mixed": mixed["verdicts"]}, results / "signal-verdicts.png")
    summary = {
        title: round(float(np.mean([row[title]["apgr"] for row in sources.values()])), 3)
        for title in next(iter(sources.values()))
    }
    swe = _swebench(data, model)
    return {"sources": sources, "mean_apgr": summary, "verdicts": learnt, "mixed": mixed, "swebench": swe}


def _traffic(
    model: Any, fitted: Fitted, prompts: list[str], standing: Floats, best: Floats, cheap: Floats
) -> adapting.Traffic:
    """The shipped model reads level and shape; load and success rates are those of the fit without the source."""
    read = [model.read(read_conversation([{"role": "user", "content": prompt}])) for prompt in prompts]
    vectors = np.array([reading.vector for reading in read])
    vectors[:, 0] = standing
    chance = np.column_stack([1 / (1 + np.exp(-fitted.logits(standing, theta))) for theta in ABILITY])
    return adapting.Traffic(standing, chance, vectors, best, cheap)


def _adapted(traffic: adapting.Traffic, scale: Floats, orders: int) -> dict[int, dict[str, float]]:
    runs = [adapting.adapt(traffic, scale, COUNTS, seed) for seed in range(orders)]
    found = {}
    for count in runs[0]:
        told = {name: [run[count][name] for run in runs] for name in runs[0][count]}
        found[count] = {name: round(float(np.mean(values)), 3) for name, values in told.items()}
        found[count]["gain_low"], found[count]["gain_high"] = (
            round(float(edge), 3) for edge in (min(told["gain"]), max(told["gain"]))
        )
    return found


def _mixed(traffic: dict[str, adapting.Traffic], names: list[str], scale: Floats, orders: int) -> dict[str, Any]:
    """Sources alike, none of which the fit that scores it has seen."""
    random = np.random.default_rng(5)
    parts = [(traffic[name], random.permutation(traffic[name].strong.size)[:_PER_SOURCE]) for name in names]
    joined = adapting.Traffic(
        *(
            np.concatenate([getattr(one, field)[at] for one, at in parts])
            for field in ("standing", "chance", "vectors", "strong", "efficient")
        )
    )
    source = np.concatenate([np.full(at.size, i) for i, (_, at) in enumerate(parts)])
    gap = joined.strong - joined.efficient
    means = np.array([gap[source == i].mean() for i in range(len(names))])[source]
    return {
        "tasks": int(gap.size),
        "levelhead": measures(joined.standing, joined.strong, joined.efficient),
        "source mean": round(apgr(means, joined.strong, joined.efficient), 3),
        "verdicts": _adapted(joined, scale, orders),
    }


def _swebench(data: Path, model: Any) -> dict[str, Any]:
    """Looked at once a release: nothing was fitted to it, nor to its kind."""
    rows = [row for file in sorted((data / "eval_only").glob("*swe*")) for row in read_table(file)]
    scores: dict[str, dict[str, float]] = {name: {} for name in _SWEBENCH}
    prompts = {}
    for row in rows:
        for name in _SWEBENCH:
            if name in row["model"].lower() and row["score"] is not None:
                scores[name][row["prompt_id"]] = float(row["score"])
                prompts[row["prompt_id"]] = row["prompt"]
    shared = sorted(scores[_SWEBENCH[0]].keys() & scores[_SWEBENCH[1]].keys())
    if not shared:
        return {}
    strong, efficient = (np.array([scores[name][id] for id in shared]) for name in _SWEBENCH)
    read = [model.read(read_conversation([{"role": "user", "content": prompts[id]}])) for id in shared]
    length = np.array([float(len(prompts[id])) for id in shared])
    return {
        "tasks": len(shared),
        "levelhead": measures(np.array([reading.b for reading in read]), strong, efficient),
        "length": measures(length, strong, efficient),
    }
