"""Recorded answers as tables, priced by the committed list."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from levelhead.learn.datasets import read_table
from levelhead.learn.opinions import Opinions, opinions_of
from levelhead.learn.tables import Table, table_of

HERE = Path(__file__).parents[1]
PRICES = {model: (price[0], price[1]) for model, price in json.loads((HERE / "prices_2024.json").read_text()).items()}


@dataclass(frozen=True)
class Source:
    """A family of tasks: who drafts, who is the strong model, and the table of everybody's answers."""

    name: str
    draft: str
    strong: str
    table: Table

    def seconds(self) -> Iterator[tuple[str, Opinions]]:
        """Every other model as second opinion, the cheapest first."""
        for model in self.table.models:
            if model in PRICES and model not in (self.draft, self.strong):
                known = opinions_of(self.table, draft=self.draft, second=model, strong=self.strong)
                if len(known.draft) >= 500:  # some were asked a part of the prompts only
                    yield model, known


def data_directory() -> Path:
    return Path(os.environ.get("LEVELHEAD_DATA") or HERE.parents[1] / "shared/data")


def sources(data: Path) -> list[Source]:
    """The two families with recorded answers: MATH level 5, and medical multiple choice."""
    train = data / "train"
    asked = {row["prompt_id"]: row["prompt"] for row in read_table(train / "zeroeval.parquet")}
    maths = [{**row, "prompt": asked[row["prompt_id"]]} for row in read_table(train / "zeroeval_math_answers.parquet")]
    letters = [
        {**row, "answer": json.loads(row["meta"])["pred"]} for row in read_table(train / "medagents.parquet")
    ]  # fmt: skip
    return [
        Source("math-l5", "deepseek-v2.5-0908", "claude-3-5-sonnet-20241022", table_of(maths, PRICES)),
        Source("medagents", "DeepSeek-V3", "DeepSeek-R1", table_of(letters, PRICES)),
    ]
