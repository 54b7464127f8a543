"""Routing by the prompt alone, under the same certificate: the trust is the shipped model's, nothing is drafted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from levelhead.difficulty import load_quality_model
from levelhead.learn.datasets import read_table
from levelhead.learn.replay import Roles, route
from levelhead.learn.tables import Table, table_of
from levelhead.types import Goal

Floats = npt.NDArray[np.float64]

# source, strong, efficient. The shipped model was trained on these sources: in-domain figures.
PAIRS = (
    ("mmlu_pro", "gpt-4o-2024-05-13", "deepseek-chat-v2-2024-05"),
    ("routellm_mmlu", "gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"),
    ("medagents", "DeepSeek-R1", "DeepSeek-V3"),
    ("zeroeval", "claude-3-5-sonnet-20241022", "deepseek-v2.5-0908"),
)
MOST = 4000  # prompts of a source that are read


def text_only(data: Path, seed: int) -> dict[str, tuple[Floats, Floats]]:
    """(trust, loss) by source."""
    quality, found = load_quality_model(), {}
    for name, strong, efficient, table in pairs(data, seed):
        _, trust = route(table, Roles(strong, efficient), Goal(), quality)
        found[name] = trust, table.score[:, 1] - table.score[:, 0]
    return found


def pairs(data: Path, seed: int) -> Iterator[tuple[str, str, str, Table]]:
    """(name, strong, efficient, prompts x (efficient, strong)) of each."""
    for source, strong, efficient in PAIRS:
        table = _pair(data / "train" / f"{source}.parquet", strong, efficient, seed)
        yield f"{source}: {strong} / {efficient}", strong, efficient, table


def _pair(path: Path, strong: str, efficient: str, seed: int) -> Table:
    rows: list[dict[str, Any]] = [
        {**row, "cost_usd": float(row["model"] == strong)}  # savings are a share of the strong model's cost
        for row in read_table(path)
        if row["model"] in (strong, efficient)
    ]
    table = table_of(rows).complete([efficient, strong])
    order = np.random.default_rng(seed).permutation(len(table.ids))[:MOST]
    return table.rows(order)
