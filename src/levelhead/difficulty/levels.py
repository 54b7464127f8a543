"""Conversation -> the odds of its level: scores of its parts by words, weighed by boosted trees."""

from __future__ import annotations

from math import log1p

import numpy as np
import numpy.typing as npt

from .conversation import Conversation, head, tail
from .surface import SHAPE
from .trees import Trees
from .words import WordTable, words_of

Floats = npt.NDArray[np.float32]

LEVELS = 4
PARTS = ("earlier", "reply", "all")  # of a conversation that goes on: scored as texts of their own
STRUCTURE = ("before", "earlier", "turns", "tool_results", "tool_errors", "asked", "goes_on")
INPUTS = (
    *(f"ask_{level}" for level in range(1, 5)),
    *(f"text_{level}" for level in range(1, 5)),
    *SHAPE,
    *(f"{part}_{level}" for part in PARTS for level in range(1, 5)),
    *STRUCTURE,
)
# Columns of the word table. Scores are kept as differences to the first level's.
ASK, HEAD, TAIL, TEXT = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)
GATE, RESIDUE = 12, 13
COLUMNS = 14


def layout() -> int:
    return 2 * LEVELS + len(SHAPE) + len(PARTS) * LEVELS + len(STRUCTURE)


def parts(conversation: Conversation) -> dict[str, str]:
    """What is scored beside the ask: the user's older words, the last exchange, and everything."""
    reply = f"{conversation.before}\n{conversation.ask}"
    return {"earlier": conversation.earlier, "reply": reply, "all": f"{conversation.earlier}\n{reply}"}


def structure(conversation: Conversation) -> list[float]:
    """In the order of `STRUCTURE`."""
    before, earlier = conversation.before, conversation.earlier
    return [
        log1p(len(before)),
        log1p(len(earlier)),
        float(conversation.turns),
        float(conversation.tool_results),
        float(conversation.tool_errors),
        float(before.rstrip().endswith(("?", "？"))),
        float(bool(before or earlier)),
    ]


class LevelReader:
    """`constants`: of the ask's scores and of any text's, three each, as differences to the first level's."""

    def __init__(self, table: WordTable, trees: Trees, constants: Floats) -> None:
        self._table = table
        self._trees = trees
        self._ask_constant, self._text_constant = constants[:3], constants[3:]

    def read(self, conversation: Conversation, words: list[str], shape: list[float]) -> tuple[Floats, Floats]:
        """(scores of the four levels, the ask's row of the word table). `words` and `shape` are the ask's."""
        ask = conversation.ask
        opening, closing = head(ask), tail(ask)
        texts = [words, words if opening is ask else words_of(opening), words if closing is ask else words_of(closing)]
        goes_on = bool(conversation.before or conversation.earlier)
        if goes_on:
            texts += [words_of(text) for text in parts(conversation).values()]
        rows = self._table.sums(texts)
        ask_scores = rows[0, ASK] + rows[1, HEAD] + rows[2, TAIL] + self._ask_constant
        inputs = [*_centred(ask_scores), *_centred(rows[0, TEXT] + self._text_constant), *shape]
        for row in rows[3:]:
            inputs += _centred(row[TEXT] + self._text_constant)
        if not goes_on:
            inputs += _NO_PARTS
        inputs += structure(conversation)
        return self._trees.scores(np.array(inputs, dtype=np.float32)), rows[0]


_NO_PARTS = [0.0] * (len(PARTS) * LEVELS)


def _centred(differences: Floats) -> list[float]:
    second, third, fourth = differences.tolist()
    mean = (second + third + fourth) / LEVELS
    return [-mean, second - mean, third - mean, fourth - mean]
