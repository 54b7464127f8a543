"""A task as numbers: surface and structure by name, and hashed words, word pairs and n-grams.

Everything is bounded by the caps of `task` and `text`; one call allocates nothing proportional to the request.
"""

from __future__ import annotations

import re
from math import log1p

import numpy as np
import numpy.typing as npt

from ..types import value
from .task import Task
from .text import Hashed, Lexicon, fold

FEATURE_VERSION = 1
BUCKETS = 1 << 13
_TO_BUCKET = np.uint64(64 - 13)
LEAD_BYTES = 64  # the opening of an ask says most about what is wanted

Floats = npt.NDArray[np.float32]

SURFACE = (
    "words", "sentences", "material", "has_material", "questions", "ends_question", "numbers", "bullets", "commas",
    "code_ask", "code_material", "maths", "options", "quotes", "wide_share", "cyrillic_share", "word_length",
    "user_turns", "tool_results", "tool_errors", "closing", "inherited", "short", "lines",
)  # fmt: skip
DERIVED = (
    "domains", "actors", "acts", "actors_conflict", "domains_scope", "domains_sequence", "unknown_conflict",
    "simple_only", "conflict_any", "unknown_any",
)  # fmt: skip

_BULLET = re.compile(r"^[ \t]{0,8}(?:[-*•]|\(?\d{1,2}[.)])\s", re.M)
_OPTION = re.compile(r"^[ \t]{0,4}\(?[A-J][.)]\s", re.M)
_CODE = b"{}();=<>[]_"
_MATHS = b"$\\^"


@value
class Features:
    """`dense` in the order of `Reader.names`; `buckets` the hashed features that are present, sorted."""

    dense: Floats
    buckets: npt.NDArray[np.int64]


class Reader:
    """Reads tasks with one lexicon. `concepts` in lexicon order; names starting with `domain_` or `actor_` are sets."""

    def __init__(self, lexicon: Lexicon, concepts: tuple[str, ...]) -> None:
        self._lexicon = lexicon
        self.concepts = concepts
        self._domains = frozenset(i for i, name in enumerate(concepts) if name.startswith("domain_"))
        self._actors = frozenset(i for i, name in enumerate(concepts) if name.startswith("actor_"))
        self._structure = [concepts.index(name) for name in _STRUCTURE]
        self.names = SURFACE + DERIVED + concepts + tuple(f"lead_{name}" for name in concepts)

    def read(self, task: Task) -> Features:
        text = Hashed(fold(task.ask))
        counts, lead = [0] * len(self.concepts), [0.0] * len(self.concepts)
        for concept, offset in zip(*self._lexicon.match(text), strict=True):
            counts[concept] += 1
            if offset < LEAD_BYTES:
                lead[concept] = 1.0
        dense = _surface(task, text) + self._derived(counts) + [log1p(count) for count in counts] + lead
        return Features(np.array(dense, dtype=np.float32), _buckets(text))

    def _derived(self, counts: list[int]) -> list[float]:
        present = {concept for concept, count in enumerate(counts) if count}
        domains, actors = len(present & self._domains), len(present & self._actors)
        simple, analyse, scope, sequence, conflict, unknown = (counts[at] for at in self._structure)
        return [
            float(domains),
            float(actors),
            log1p(scope + analyse + simple),
            log1p(actors * conflict),
            log1p(domains * scope),
            log1p(domains * sequence),
            log1p(unknown * conflict),
            float(simple > 0 and scope + conflict + unknown == 0),
            float(conflict > 0),
            float(unknown > 0),
        ]


_STRUCTURE = ("simple", "analyse", "scope", "sequence", "conflict", "unknown")


def _surface(task: Task, text: Hashed) -> list[float]:
    ask = task.ask
    chars = max(1, len(ask))
    wide = text.wide.size
    words = text.spaces.size - 1 + wide / 2 if ask else 0.0
    if task.ask_chars > chars:
        words *= task.ask_chars / chars
    raw, material = ask.encode("utf-8", "replace"), task.material.encode("utf-8", "replace")
    lines = ask.count("\n")
    marks = ask.count("?") + ask.count("？")
    return [
        log1p(words),
        log1p(ask.count(". ") + ask.count("。") + ask.count("! ") + ask.count("; ") + marks),
        log1p(task.material_chars),
        float(task.material_chars > 40),
        log1p(marks),
        float(ask.endswith(("?", "？"))),
        log1p(text.folded.count(b"0")),
        log1p(len(_BULLET.findall(ask))) if lines else 0.0,
        log1p(ask.count(",") + ask.count("、") + ask.count("，")),
        min(1.0, 10 * _share(raw, _CODE)),
        min(1.0, 10 * _share(material, _CODE)),
        log1p(len(raw) - len(raw.translate(None, _MATHS)) + raw.count(b"\xe2\x88") + raw.count(b"\xe2\x89")),
        log1p(len(_OPTION.findall(ask))) if lines else 0.0,
        log1p(ask.count('"') + ask.count("'")),
        min(1.0, 3 * wide / max(1, text.size)),
        (text.folded.count(b"\xd0") + text.folded.count(b"\xd1")) * 2 / max(1, text.size),
        min(12.0, text.size / max(1.0, words)),
        log1p(task.user_turns),
        log1p(task.tool_results),
        log1p(task.tool_errors),
        float(task.closing),
        float(task.inherited),
        float(words < 12),
        log1p(lines),
    ]


def _share(text: bytes, marks: bytes) -> float:
    return 1 - len(text.translate(None, marks)) / max(1, len(text))


def _buckets(text: Hashed) -> npt.NDArray[np.int64]:
    seen = np.zeros(BUCKETS, dtype=bool)
    seen[(text.shingles(5) >> _TO_BUCKET).view(np.int64)] = True
    return seen.nonzero()[0]
