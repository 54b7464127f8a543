"""The probe's tasks, all our own: eight families of twelve steps, their answers computed, so that none can be wrong.

Difficulty `b` rises with the step, discrimination `a` is one for all. Both are the author's placing on the latent scale
(0: about where an efficient model is right half the time; 1 unit: a factor e in the odds), not measured on models: what
is compared between models is sound, where the scale's zero lies is a judgement. `LINK_SD` carries that doubt.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

FAMILIES, STEPS = 8, 12
LOWEST, HIGHEST = -3.3, 3.3
DISCRIMINATION = 1.4
LINK_SD = 0.5
FORM = "Work it out, then end with one line: ANSWER: followed by the answer alone."

_NAMES = (
    "Ada",
    "Ben",
    "Cleo",
    "Dov",
    "Eva",
    "Finn",
    "Gus",
    "Hal",
    "Ida",
    "Jon",
    "Kai",
    "Lea",
    "Mia",
    "Ned",
    "Ola",
    "Pia",
)
_WORDS = (
    "river",
    "lamp",
    "orange",
    "window",
    "stone",
    "garden",
    "pencil",
    "winter",
    "bottle",
    "silver",
    "market",
    "thunder",
)


@dataclass(frozen=True, slots=True)
class Item:
    """A task with its one right answer and its place on the scale."""

    id: str
    prompt: str
    answer: str
    a: float
    b: float

    def right(self, text: str) -> bool:
        """Whether the last "ANSWER:" (or line) is the answer; case, spaces and commas in numbers aside."""
        return plain(said(text)) == plain(self.answer)


def bank() -> tuple[Item, ...]:
    """All 96, the same each time."""
    made = []
    for family in _ALL:
        for step in range(STEPS):
            rng = random.Random(f"{family.__name__}/{step}")  # noqa: S311 - makes exercises, guards nothing
            prompt, answer = family(step, rng)
            b = LOWEST + (HIGHEST - LOWEST) * step / (STEPS - 1)
            made.append(Item(f"{family.__name__.strip('_')}-{step}", f"{prompt}\n{FORM}", answer, DISCRIMINATION, b))
    return tuple(made)


def team_tasks(near: float, count: int) -> tuple[Item, ...]:
    """Tasks of three parts whose numbers add up, each part half a unit easier than `near`: work that can be shared."""
    step = round((near - 0.5 - LOWEST) / (HIGHEST - LOWEST) * (STEPS - 1))
    step = min(max(step, 0), STEPS - 1)
    numeric = (_arithmetic, _tracing, _counting, _remainder)
    made = []
    for number in range(count):
        rng = random.Random(f"team/{step}/{number}")  # noqa: S311 - as above
        parts = [family(step, rng) for family in rng.sample(numeric, 3)]
        total = sum(int(answer) for _, answer in parts)
        told = "\n".join(f"Part {letter}: {prompt}" for letter, (prompt, _) in zip("ABC", parts, strict=True))
        prompt = f"{told}\nThe answer is the sum of the three parts' answers.\n{FORM}"
        made.append(Item(f"team-{step}-{number}", prompt, str(total), 1.0, near))
    return tuple(made)


def said(text: str) -> str:
    """What a text gives as its answer."""
    marked = re.findall(r"(?im)^\W*answer\W*:\s*(.+?)\s*$", text)
    if marked:
        return str(marked[-1])
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def plain(answer: str) -> str:
    bare = re.sub(r"[*`$\"'\s]", "", answer.casefold()).rstrip(".")
    return re.sub(r"(?<=\d),(?=\d{3}\b)", "", bare)


def _arithmetic(step: int, rng: random.Random) -> tuple[str, str]:
    """A sum of products with ever more and longer terms."""
    terms, digits = 1 + step // 3, 1 + step // 2
    pairs = [(rng.randrange(2, 10**digits), rng.randrange(2, 10 ** max(1, digits - 1) + 2)) for _ in range(terms)]
    shown = " + ".join(f"{left} * {right}" for left, right in pairs)
    return f"What is {shown}?", str(sum(left * right for left, right in pairs))


def _counting(step: int, rng: random.Random) -> tuple[str, str]:
    """Letters in a run of words."""
    words = [rng.choice(_WORDS) for _ in range(1 + 3 * step)]
    letter = rng.choice("enrtil")
    return f"How many times does the letter {letter} occur in: {' '.join(words)}?", str("".join(words).count(letter))


def _ordering(step: int, rng: random.Random) -> tuple[str, str]:
    """Who is at a place, from pairwise comparisons in random order."""
    people = rng.sample(_NAMES, 3 + step)
    facts = [f"{a} is taller than {b}." for a, b in pairwise(people)]
    rng.shuffle(facts)
    place = rng.randrange(len(people))
    return f"{' '.join(facts)} Who is number {place + 1} from the tallest?", people[place]


def _tracing(step: int, rng: random.Random) -> tuple[str, str]:
    """The result of a loop."""
    x, times, modulus = rng.randrange(2, 9), 2 + 2 * step, 97 + 10 * step
    factor, extra = rng.randrange(2, 7), rng.randrange(1, 9)
    value = x
    for turn in range(times):
        value = (value * factor + extra + turn) % modulus
    code = f"x = {x}\nfor i in range({times}):\n    x = (x * {factor} + {extra} + i) % {modulus}\nprint(x)"
    return f"What does this Python program print?\n{code}", str(value)


def _remainder(step: int, rng: random.Random) -> tuple[str, str]:
    """Powers modulo a number."""
    base, power, modulus = rng.randrange(3, 12 + step), 2 + 3 * step, 7 + 8 * step + rng.randrange(5)
    told = f"What is the remainder of {base} to the power of {power} when divided by {modulus}?"
    return told, str(pow(base, power, modulus))


def _editing(step: int, rng: random.Random) -> tuple[str, str]:
    """A word after a list of edits."""
    word = rng.choice(_WORDS)
    edits: Sequence[tuple[str, Callable[[str], str]]] = (
        ("reverse it", lambda w: w[::-1]),
        ("move its first letter to the end", lambda w: w[1:] + w[0]),
        ("swap its first and last letter", lambda w: w[-1] + w[1:-1] + w[0]),
        ("remove its second letter and put it at the front", lambda w: w[1] + w[0] + w[2:]),
    )
    chosen = [rng.choice(edits) for _ in range(1 + step)]
    value = word
    for _, edit in chosen:
        value = edit(value)
    return f"Take the word {word}. Then, in this order: {'; '.join(name for name, _ in chosen)}. What results?", value


def _base(step: int, rng: random.Random) -> tuple[str, str]:
    """A number in another base."""
    number, base = (
        rng.randrange(10 ** (1 + step // 2), 10 ** (2 + step // 2)),
        rng.choice((2, 3, 5, 7)[: 1 + step // 3]),
    )
    digits, rest = "", number
    while rest:
        digits, rest = str(rest % base) + digits, rest // base
    return f"Write the decimal number {number} in base {base}.", digits


def _calendar(step: int, rng: random.Random) -> tuple[str, str]:
    """A weekday after so many days, in steps forward and back."""
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    at, moves = rng.randrange(7), [rng.choice((1, -1)) * rng.randrange(2, 4 + 12 * (step + 1)) for _ in range(1 + step)]
    told = ", then ".join(f"{abs(move)} days {'forward' if move > 0 else 'back'}" for move in moves)
    return f"Today is {names[at]}. Go {told}. Which weekday is it?", names[(at + sum(moves)) % 7]


_ALL = (_arithmetic, _counting, _ordering, _tracing, _remainder, _editing, _base, _calendar)
