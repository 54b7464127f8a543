"""The outcome problem, and how well its fit carries over: to an unseen source, and to unseen prompts of a known one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize

from . import irt
from .datasets import Outcomes, model_of, stem_of
from .evaluate import apgr, auc, bootstrap, ece

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Scores = dict[str, dict[str, float]]

# Columns: name, source, strong model, efficient model.
PAIRS = (
    ("mmlu_pro: gpt-4o / deepseek-chat-v2", "mmlu_pro", "gpt-4o-2024-05-13", "deepseek-chat-v2-2024-05"),
    ("routellm_mmlu: gpt-4-1106 / mixtral", "routellm", "gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"),
    ("medagents: DeepSeek-R1 / DeepSeek-V3", "medagents", "DeepSeek-R1", "DeepSeek-V3"),
    ("medagents: claude-3-5-sonnet / haiku", "medagents", "claude-3-5-sonnet", "claude-3-5-haiku"),
    ("math-l5: claude-3-5-sonnet / deepseek-v2.5", "zeroeval", "claude-3-5-sonnet-20241022", "deepseek-v2.5-0908"),
    ("pareto: gemini-2.5-pro / llama-3.1-8b", "pareto_bandit", "gemini-2.5-pro", "llama-3.1-8b-instruct"),
)  # fmt: skip
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """Observations over a design matrix (outcome prompts first). `source` and `stem` are by prompt."""

    outcomes: Outcomes
    matrix: sparse.csr_matrix
    dense: Floats
    rows: irt.Rows
    models: int
    cells: int
    source: Ints
    sources: list[str]
    stems: list[str]

    @staticmethod
    def of(outcomes: Outcomes, matrix: sparse.csr_matrix, dense: Floats) -> Problem:
        sources = sorted(set(outcomes.sources))
        source = np.array([sources.index(name) for name in outcomes.sources])
        cell_of = outcomes.model * len(sources) + source[outcomes.prompt]
        cells, cell = np.unique(cell_of, return_inverse=True)
        rows = irt.Rows(
            outcomes.prompt, outcomes.model, cell, outcomes.score,
            irt.source_weights(source[outcomes.prompt], outcomes.prompt),
        )  # fmt: skip
        stems = [stem_of(prompt) for prompt in outcomes.prompts]
        return Problem(outcomes, matrix, dense, rows, len(outcomes.models), cells.size, source, sources, stems)

    def fit(self, keep: npt.NDArray[np.bool_] | None = None, start: irt.Fit | None = None) -> irt.Fit:
        """`keep`: which rows to learn from (None: all); `start`: where the search begins."""
        rows = self.rows if keep is None else self.rows.keep(keep)
        return irt.fit(self.matrix, self.dense, rows, self.models, self.cells, start)

    def pair_of(self, strong: str, efficient: str, source: str) -> tuple[Ints, Floats, Floats]:
        """(prompts, strong scores, efficient scores) where one source recorded both."""
        outcomes, scores = self.outcomes, []
        for name in (strong, efficient):
            index = outcomes.models.index(model_of(source, name))
            mine = (outcomes.model == index) & (self.source[outcomes.prompt] == self.sources.index(source))
            scores.append(dict(zip(outcomes.prompt[mine].tolist(), outcomes.score[mine].tolist(), strict=True)))
        shared = sorted(scores[0].keys() & scores[1].keys())
        return np.array(shared), np.array([scores[0][i] for i in shared]), np.array([scores[1][i] for i in shared])


def leave_one_source_out(problem: Problem, start: irt.Fit) -> Scores:
    """Per pair: APGR with its interval and prompt length's, AUC of uplift and of the efficient model's failure."""
    found: Scores = {}
    for source in sorted({source for _, source, _, _ in PAIRS if source in problem.sources}):
        left = problem.source == problem.sources.index(source)
        gone = {stem for stem, out in zip(problem.stems, left, strict=True) if out}
        shared = np.array([stem in gone for stem in problem.stems])
        fitted = problem.fit(~shared[problem.rows.item], start)
        for name, of, strong, efficient in PAIRS:
            if of == source:
                found[name] = _pair_scores(problem, fitted, of, strong, efficient)
    return found


def calibrate(problem: Problem, start: irt.Fit) -> tuple[float, Scores]:
    """The slope that calibrates held-out logits, sources alike; and each source's scores over the folds."""
    fold = np.random.default_rng(11).integers(0, _FOLDS, len(problem.stems))
    groups: dict[str, int] = {}
    for at, stem in enumerate(problem.stems):  # one stem, one fold: no leak between sources
        fold[at] = fold[groups.setdefault(stem, at)]
    rows = problem.rows
    out = np.zeros(rows.item.size)
    for held in range(_FOLDS):
        inside = fold[rows.item] == held
        fitted = problem.fit(~inside, start)
        ability = fitted.ability[rows.model] + fitted.residual[rows.cell]
        out[inside] = irt.logits(fitted, problem.matrix, problem.dense, rows.item, ability)[inside]
    slope = _platt(out, rows.score, rows.weight)
    chance = 1 / (1 + np.exp(-slope * out))
    scores: Scores = {}
    for at, name in enumerate(problem.sources):
        mine = problem.source[rows.item] == at
        scores[name] = {
            "auc_success": round(auc(chance[mine], rows.score[mine] >= 0.5), 3),
            "ece": round(ece(chance[mine], rows.score[mine]), 3),
            "prompts": float((problem.source == at).sum()),
        }
    return slope, scores


def _pair_scores(problem: Problem, fitted: irt.Fit, source: str, strong: str, efficient: str) -> dict[str, float]:
    prompts, best, cheap = problem.pair_of(strong, efficient, source)
    models = problem.outcomes.models
    ability = [fitted.ability[models.index(model_of(source, name))] for name in (strong, efficient)]
    if abs(ability[0] - ability[1]) < 0.3:  # an unseen model has no ability yet: any gap ranks alike
        ability[0] = ability[1] + 0.8
    chance = [
        1 / (1 + np.exp(-irt.logits(fitted, problem.matrix, problem.dense, prompts, np.full(prompts.size, theta))))
        for theta in ability
    ]
    uplift = chance[0] - chance[1]
    low, high = bootstrap(uplift, best, cheap)
    length = np.array([float(len(problem.outcomes.prompts[prompt])) for prompt in prompts])
    return {
        "prompts": float(prompts.size),
        "apgr": round(apgr(uplift, best, cheap), 3), "apgr_low": round(low, 3), "apgr_high": round(high, 3),
        "apgr_length": round(apgr(length, best, cheap), 3),
        "auc_uplift": round(auc(uplift, best - cheap > 0.5), 3),
        "auc_fail": round(auc(-chance[1], cheap < 0.5), 3),
    }  # fmt: skip


def _platt(logit: Floats, score: Floats, weight: Floats) -> float:
    """Platt's sigmoid on held-out logits (Platt, 1999), the shift kept at zero: abilities carry the level."""

    def loss(point: Floats) -> float:
        placed = point[0] * logit
        return float(weight @ (np.logaddexp(0, placed) - score * placed)) / float(weight.sum())

    slope = float(minimize(loss, np.array([1.0]), method="Nelder-Mead").x[0])
    return min(1.5, max(0.3, slope))
