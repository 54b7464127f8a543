"""The ability table: from outcomes where a model has them, from published scores by linking, else carried from kin.

Linking: over models with both, ability is regressed on the logit of the published score (linear linking, Kolen and
Brennan, Test Equating, 2014); the residual spread becomes part of the interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Row = dict[str, Any]

MIN_SPREAD = 0.25  # a published score is another harness, prompt and thinking budget
MIN_LINKED = 3  # models; with fewer the default link is used
DEFAULT_LINK = (0.0, 0.6, 0.5)
TRUSTED_SD = 0.45  # outcomes less certain than this don't steer a link
ENOUGH = 500  # prompts: fewer, of one small source, place a model by that source's taste; a published score is better


def key_of(row: Mapping[str, Any]) -> str:
    """The name that `datasets.model_of` gives the same model."""
    return " ".join(sorted(row["family"])) + "".join(f" {number}" for number in row["version"])


def ability_rows(
    models: Sequence[str], theta: Floats, sd: Floats, counts: Sequence[int], given: Mapping[str, Any]
) -> list[Row]:
    """Rows of the table, sorted by family and version. `counts`: prompts with an outcome, by model."""
    measured = {name: (float(theta[i]), float(sd[i]), counts[i]) for i, name in enumerate(models) if counts[i] >= 20}
    large = {name: known for name, known in measured.items() if known[2] >= ENOUGH}
    links = {bench: _link(bench, given["published"], large) for bench in ("gpqa_diamond", "mmlu_pro")}
    rows = {}
    for entry in given["published"]:
        name = key_of(entry)
        rows[name] = _blend(entry, large.get(name), links)
        measured.pop(name, None)
    for name, known in measured.items():
        words = name.split()
        family, version = [w for w in words if not w.isdigit()], [int(w) for w in words if w.isdigit()]
        rows.setdefault(name, _row(family, version, known[0], known[1], f"outcomes: {known[2]} prompts"))
    for entry in given["carried"]:
        like = rows[key_of(entry["like"])]
        origin = f"carried from {key_of(entry['like'])}: {entry['why']}"
        rows[key_of(entry)] = _row(
            entry["family"], entry["version"], like["ability"] + entry["offset"], entry["sd"], origin
        )
    return [rows[name] for name in sorted(rows)]


def _link(
    bench: str, published: Sequence[Row], measured: Mapping[str, tuple[float, float, int]]
) -> tuple[float, float, float]:
    """(intercept, slope, residual spread) of ability on the logit of one benchmark's score."""
    pairs = [
        (_logit(entry["scores"][bench]), *measured[key_of(entry)][:2])
        for entry in published
        if bench in entry["scores"] and key_of(entry) in measured and measured[key_of(entry)][1] < TRUSTED_SD
    ]
    if len(pairs) < MIN_LINKED:
        return DEFAULT_LINK
    x, y, sd = np.array(pairs).T
    weight = 1 / sd**2
    mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
    slope = float(weight @ ((x - mean_x) * (y - mean_y)) / (weight @ (x - mean_x) ** 2))
    slope = min(1.2, max(0.4, slope))
    spread = float(np.sqrt(np.average((y - mean_y - slope * (x - mean_x)) ** 2, weights=weight)))
    return float(mean_y - slope * mean_x), slope, max(MIN_SPREAD, spread)


def _blend(entry: Row, known: tuple[float, float, int] | None, links: Mapping[str, tuple[float, float, float]]) -> Row:
    """Inverse-variance mean of what is known.

    Scores of one model share their error, and MMLU-Pro has no room left at the top: it counts where GPQA is missing.
    """
    bench = min(entry["scores"])
    linked = links[bench][0] + links[bench][1] * _logit(entry["scores"][bench])
    sd = links[bench][2]
    said = ", ".join(f"{bench} {score:.3f}" for bench, score in sorted(entry["scores"].items()))
    remembered = "" if entry.get("checked") else "; unchecked"
    origin = f"published: {said} ({entry['source']}{remembered})"
    if known is None:
        return _row(entry["family"], entry["version"], linked, sd, origin)
    weights = np.array([1 / sd**2, 1 / known[1] ** 2])
    theta = float(np.average([linked, known[0]], weights=weights))
    return _row(
        entry["family"], entry["version"], theta, max(0.15, float(weights.sum() ** -0.5)),
        f"outcomes: {known[2]} prompts; {origin}",
    )  # fmt: skip


def _row(family: Sequence[str], version: Sequence[int], theta: float, sd: float, origin: str) -> Row:
    return {
        "family": sorted(family), "version": list(version),
        "ability": round(theta, 3), "sd": round(sd, 3), "origin": origin,
    }  # fmt: skip


def _logit(score: float) -> float:
    return float(np.log(score / (1 - score)))
