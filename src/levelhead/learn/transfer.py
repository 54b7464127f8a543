"""The outcome problem, and how well its fit carries over: to an unseen source, and to unseen prompts of a known one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize

from . import irt
from .bags import Idf
from .datasets import Outcomes, model_of, stem_of
from .evaluate import apgr, auc, bootstrap, ece
from .quality import Difficulty, Items, balanced

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
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
class Fitted:
    """`b` and `b_load`: an item's difficulty in logits is b + b_load * standing; `a`: the slope of all items.

    `centre`: the mean standing of each source it was fitted on.
    """

    difficulty: Difficulty
    irt: irt.Fit
    b: float
    b_load: float
    a: float
    centre: Floats

    def logits(self, standing: Floats, ability: Floats | float) -> Floats:
        placed: Floats = self.a * (ability - self.b - self.b_load * np.clip(standing, -3, 3))
        return placed


@dataclass(frozen=True, slots=True)
class Problem:
    """Observations of items. `idf`: of the words, from texts without outcomes."""

    outcomes: Outcomes
    items: Items
    idf: Idf
    rows: irt.Rows
    cells: int
    sources: list[str]

    @staticmethod
    def of(outcomes: Outcomes, idf: Idf) -> Problem:
        sources = sorted(set(outcomes.sources))
        source = np.array([sources.index(name) for name in outcomes.sources])
        cells, cell = np.unique(outcomes.model * len(sources) + source[outcomes.prompt], return_inverse=True)
        rows = irt.Rows(
            outcomes.prompt, outcomes.model, cell, outcomes.score,
            irt.source_weights(source[outcomes.prompt], outcomes.prompt),
        )  # fmt: skip
        asked = np.bincount(outcomes.prompt, minlength=len(outcomes.prompts))
        right = np.bincount(outcomes.prompt, outcomes.score, len(outcomes.prompts))
        stems = [stem_of(prompt) for prompt in outcomes.prompts]
        items = Items.of(outcomes.prompts, source, stems, 1 - right / np.maximum(1, asked))
        return Problem(outcomes, items, idf, rows, cells.size, sources)

    def weight(self) -> Floats:
        """Of the items: sources alike."""
        return balanced(self.items.source, np.ones(self.items.source.size, dtype=bool))

    def fit(self, keep: Mask | None = None) -> Fitted:
        """`keep`: which items to learn from (None: all)."""
        count = self.items.source.size
        keep = np.ones(count, dtype=bool) if keep is None else keep
        difficulty = Difficulty.fit(self.items, keep, self.idf)
        standing = np.clip(difficulty.of(self.items, np.arange(count)), -3, 3)
        # Inside sources: how much harder a source is than another must not be read off its texts.
        centre = np.zeros(len(self.sources))
        for at in np.unique(self.items.source[keep]):
            centre[at] = standing[keep & (self.items.source == at)].mean()
        inside = (standing - centre[self.items.source])[:, None]
        rows = self.rows.keep(keep[self.rows.item])
        matrix = sparse.csr_matrix(np.hstack([inside, np.ones_like(inside)]))
        found = irt.fit(matrix, np.zeros_like(inside), rows, len(self.outcomes.models), self.cells)
        slope = max(0.0, float(found.b[0]))
        return Fitted(difficulty, found, float(found.b[1]), slope, float(np.exp(found.a[-1])), centre)

    def standing(self, fitted: Fitted, items: Ints) -> Floats:
        return fitted.difficulty.of(self.items, items)

    def pair_of(self, strong: str, efficient: str, source: str) -> tuple[Ints, Floats, Floats]:
        """(items, strong scores, efficient scores) where one source recorded both."""
        outcomes, scores = self.outcomes, []
        for name in (strong, efficient):
            index = outcomes.models.index(model_of(source, name))
            mine = (outcomes.model == index) & (self.items.source[outcomes.prompt] == self.sources.index(source))
            scores.append(dict(zip(outcomes.prompt[mine].tolist(), outcomes.score[mine].tolist(), strict=True)))
        shared = sorted(scores[0].keys() & scores[1].keys())
        return np.array(shared), np.array([scores[0][i] for i in shared]), np.array([scores[1][i] for i in shared])

    def without(self, source: str) -> Mask:
        """Items that share neither source nor stem with `source`."""
        left = self.items.source == self.sources.index(source)
        return ~np.isin(self.items.stem, self.items.stem[left])


def leave_one_source_out(problem: Problem) -> Scores:
    """Per pair: APGR with its interval and prompt length's, AUC of uplift and of the efficient model's failure."""
    found: Scores = {}
    for source in sorted({source for _, source, _, _ in PAIRS if source in problem.sources}):
        fitted = problem.fit(problem.without(source))
        for name, of, strong, efficient in PAIRS:
            if of == source:
                found[name] = _pair_scores(problem, fitted, of, strong, efficient)
    return found


def calibrate(problem: Problem) -> tuple[float, Scores]:
    """The slope that calibrates held-out logits, sources alike; and each source's scores over the folds."""
    fold = np.random.default_rng(11).integers(0, _FOLDS, problem.items.stem.max() + 1)[problem.items.stem]
    rows = problem.rows
    out = np.zeros(rows.item.size)
    for held in range(_FOLDS):
        inside = fold[rows.item] == held
        fitted = problem.fit(fold != held)
        ability = fitted.irt.ability[rows.model] + fitted.irt.residual[rows.cell]
        standing = problem.standing(fitted, np.arange(problem.items.source.size)) - fitted.centre[problem.items.source]
        out[inside] = fitted.logits(standing[rows.item], ability)[inside]
    slope = _platt(out, rows.score, rows.weight)
    chance = 1 / (1 + np.exp(-slope * out))
    scores: Scores = {}
    for at, name in enumerate(problem.sources):
        mine = problem.items.source[rows.item] == at
        scores[name] = {
            "auc_success": round(auc(chance[mine], rows.score[mine] >= 0.5), 3),
            "ece": round(ece(chance[mine], rows.score[mine]), 3),
            "prompts": float((problem.items.source == at).sum()),
        }
    return slope, scores


def _pair_scores(problem: Problem, fitted: Fitted, source: str, strong: str, efficient: str) -> dict[str, float]:
    items, best, cheap = problem.pair_of(strong, efficient, source)
    standing = problem.standing(fitted, items)
    low, high = bootstrap(standing, best, cheap)
    length = np.array([float(len(problem.items.prompts[item])) for item in items])
    return {
        "prompts": float(items.size),
        "apgr": round(apgr(standing, best, cheap), 3), "apgr_low": round(low, 3), "apgr_high": round(high, 3),
        "apgr_length": round(apgr(length, best, cheap), 3),
        "auc_uplift": round(auc(standing, best - cheap > 0.5), 3),
        "auc_fail": round(auc(standing, cheap < 0.5), 3),
    }  # fmt: skip


def _platt(logit: Floats, score: Floats, weight: Floats) -> float:
    """Platt's sigmoid on held-out logits (Platt, 1999), the shift kept at zero: abilities carry the level."""

    def loss(point: Floats) -> float:
        placed = point[0] * logit
        return float(weight @ (np.logaddexp(0, placed) - score * placed)) / float(weight.sum())

    slope = float(minimize(loss, np.array([1.0]), method="Nelder-Mead").x[0])
    return min(1.5, max(0.3, slope))
