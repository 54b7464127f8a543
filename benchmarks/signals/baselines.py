"""What levelhead's signal is held against: a number for each prompt, larger for rather the strong model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor

Floats = npt.NDArray[np.float64]
_MOST_ROWS = 12_000  # to fit on: more changes nothing that the intervals would show


def litellm_heuristics() -> dict[str, Any]:
    """The two local classifiers of LiteLLM's complexity_router, as they ship: name -> prompt -> score."""
    from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

    tiers = {"SIMPLE": "cheap", "MEDIUM": "cheap", "COMPLEX": "dear", "REASONING": "dear"}

    def router(kind: str) -> Any:
        config = {"tiers": tiers, "classifier_type": kind}
        return ComplexityRouter("auto", litellm_router_instance=None, complexity_router_config=config)  # type: ignore[arg-type]

    first, second = router("heuristic"), router("heuristic_v2")
    order = list(tiers)

    def by_success(prompt: str) -> float:
        """The tier it would pick; its success forecasts have no one scale."""
        outcome = second._classify_with_heuristic_v2(prompt)
        tier = getattr(outcome.tier, "value", outcome.tier)
        return float(order.index(str(tier)))

    return {
        "litellm heuristic": lambda prompt: float(first.classify(prompt)[1]),
        "litellm heuristic_v2": by_success,
    }


def text_models(train: Sequence[str], missed: Floats, test: Sequence[str]) -> dict[str, Floats]:
    """TF-IDF with logistic regression, and its nearest neighbours, fitted to how often models miss a prompt."""
    keep = np.random.default_rng(0).permutation(len(train))[:_MOST_ROWS]
    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=60_000, sublinear_tf=True)
    seen, unseen = vectors.fit_transform([train[at] for at in keep]), vectors.transform(test)
    hard = missed[keep] > np.median(missed[keep])
    linear = LogisticRegression(C=1.0, max_iter=300).fit(seen, hard)
    near = KNeighborsRegressor(30, metric="cosine", algorithm="brute").fit(seen, missed[keep])
    return {
        "tf-idf + logistic": linear.predict_proba(unseen)[:, 1],
        "tf-idf + 30 neighbours": np.concatenate(
            [near.predict(unseen[i : i + 2_000]) for i in range(0, unseen.shape[0], 2_000)]
        ),
    }


def in_domain(prompts: Sequence[str], uplift: Floats, group: npt.NDArray[np.int64]) -> Floats:
    """Uplift predicted inside a source: ridge over TF-IDF, five folds by stem."""
    matrix = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=60_000, sublinear_tf=True).fit_transform(
        prompts
    )
    fold = np.random.default_rng(1).integers(0, 5, group.max() + 1)[group]
    found = np.zeros(len(prompts))
    for held in range(5):
        out = fold == held
        found[out] = Ridge(alpha=3.0).fit(matrix[~out], uplift[~out]).predict(matrix[out])
    return found
