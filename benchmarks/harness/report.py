"""From raw rounds to medians, ratios and tables."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

Round = dict[str, dict[str, Any]]  # contestant -> phase or figure -> value
Spread = tuple[float, float, float]  # median, least, greatest

COLUMNS = (
    "", "req/s at 32", "req/s at 128", "p50 added at 1, ms", "p99 added at 1, ms", "CPU per request, ms",
    "CPU per stream, ms", "same, events at once", "memory, MB", "cold start, s",
)  # fmt: skip


def spread(values: Iterable[float]) -> Spread | None:
    """Returns median, least and greatest, or None where there is nothing."""
    found = [value for value in values if value is not None]
    return (statistics.median(found), min(found), max(found)) if found else None


def pick(one: Round, who: str, phase: str, name: str) -> float | None:
    """Returns one figure of one round, or None where it wasn't measured."""
    value = one.get(who, {}).get(phase, {}).get(name)
    return None if value is None else float(value)


def series(rounds: Sequence[Round], of: Callable[[Round], float | None]) -> Spread | None:
    """Returns the spread of a figure over the rounds that have it."""
    return spread(value for one in rounds if (value := of(one)) is not None)


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def cell(found: Spread | None, scale: float = 1.0) -> str:
    """Median, with the range behind it."""
    if found is None:
        return ""
    middle, least, greatest = (number(value * scale) for value in found)
    return middle if least == greatest else f"{middle} ({least}..{greatest})"


def row(rounds: Sequence[Round], who: str, title: str, kind: str) -> list[str]:
    """One row of the main table; `kind` is miss or hit."""

    def figure(phase: str, name: str) -> Spread | None:
        return series(rounds, lambda one: pick(one, who, phase, name))

    def added(name: str) -> Spread | None:
        if who == "direct":
            return figure("miss@1", name)
        return series(rounds, lambda one: minus(pick(one, who, f"{kind}@1", name), pick(one, "direct", "miss@1", name)))

    streams = kind == "miss"
    return [
        title,
        cell(figure(f"{kind}@32", "rps")),
        cell(figure(f"{kind}@128", "rps")),
        cell(added("p50_us"), 1e-3),
        cell(added("p99_us"), 1e-3),
        cell(figure(f"{kind}@32", "cpu_us"), 1e-3),
        cell(figure("paced@32", "cpu_us"), 1e-3) if streams else "",
        cell(figure("burst@32", "cpu_us"), 1e-3) if streams else "",
        cell(series(rounds, lambda one: one.get(who, {}).get("resident_bytes")), 1e-6) if streams else "",
        cell(series(rounds, lambda one: one.get(who, {}).get("cold_start_s"))) if streams else "",
    ]


def minus(left: float | None, right: float | None) -> float | None:
    """Returns the difference, or None where a side is missing."""
    return None if left is None or right is None else left - right


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main_table(rounds: Sequence[Round], titles: dict[str, str]) -> str:
    """Returns the table of absolute figures."""
    rows = []
    for who, title in titles.items():
        cached = any("hit@32" in one.get(who, {}) for one in rounds)
        note = ": cache miss" if cached else " (its own latency)" if who == "direct" else ""
        rows.append(row(rounds, who, title + note, "miss"))
        if cached:
            rows.append(row(rounds, who, title + ": cache hit", "hit"))
    return table(COLUMNS, rows)


RATIOS = (
    ("throughput at 32, miss against miss", "rps", "miss@32", ("litellm", "litellm-granian"), "at least 60"),
    ("throughput at 128, miss against miss", "rps", "miss@128", ("litellm", "litellm-granian"), ""),
    ("throughput at 32, hit against hit", "rps", "hit@32", ("litellm", "litellm-granian"), "at least 200"),
    ("CPU per request, miss", "cpu_us", "miss@32", ("nginx", "litellm", "litellm-granian"), "nginx: at most 15"),
    ("CPU per request, hit", "cpu_us", "hit@32", ("litellm", "litellm-granian"), ""),
    ("CPU per 50-event stream", "cpu_us", "paced@32", ("nginx", "litellm", "litellm-granian"),
     "nginx: at most 3, LiteLLM: at most 1/30"),
    ("same, events at once", "cpu_us", "burst@32", ("nginx", "litellm", "litellm-granian"), ""),
    ("memory after load", "resident_bytes", None, ("litellm", "litellm-granian"), "at most 1/3"),
    ("cold start", "cold_start_s", None, ("litellm", "litellm-granian"), "at most 1/8"),
)  # fmt: skip


def ratio_text(found: Spread) -> str:
    """A ratio, as 1/N where it is below a half."""
    if found[0] >= 0.5:
        return cell(found) + "x"
    return "1/" + cell((1 / found[0], 1 / found[2], 1 / found[1]))


def ratio(one: Round, who: str, other: str, phase: str | None, name: str) -> float | None:
    """Returns who's figure over the other's, of the same round."""
    if phase is None:
        left, right = one.get(who, {}).get(name), one.get(other, {}).get(name)
    else:
        left, right = pick(one, who, phase, name), pick(one, other, phase, name)
    return left / right if left is not None and right else None


def ratio_table(rounds: Sequence[Round], who: str, titles: dict[str, str]) -> str:
    """Returns how `who` compares with the others: medians of the rounds' own ratios."""
    others = [name for name in ("nginx", "litellm", "litellm-granian") if name in titles and name != who]
    rows = []
    for title, name, phase, against, target in RATIOS:
        cells = []
        for other in others:
            found = series(rounds, lambda one, o=other, p=phase, n=name: ratio(one, who, o, p, n))  # type: ignore[misc]
            cells.append(ratio_text(found) if found and other in against else "")
        if any(cells):
            rows.append([title, *cells, target])
    return table([f"{titles[who]} against", *(titles[name] for name in others), "target"], rows)


def share_table(rounds: Sequence[Round], titles: dict[str, str]) -> str:
    """Returns what limited each contestant at 32 connections: a share of one core each."""
    rows = []
    for who, title in titles.items():
        shares = [
            cell(series(rounds, lambda one, w=who, n=name: pick(one, w, "miss@32", n)), 100)  # type: ignore[misc]
            for name in ("cpu_share", "foreign_share", "mock_share", "generator_share")
        ]
        if who == "direct":  # no server: nothing runs on its core
            shares[:2] = "", ""
        rows.append([title, *shares, routed(rounds, who)])
    head = "miss at 32: busy, % of a core"
    return table([head, "server", "others on its core", "mock upstream", "load generator", "asked for"], rows)


def routed(rounds: Sequence[Round], who: str) -> str:
    """Returns which models the upstream was asked for, in percent over all rounds."""
    total: Counter[str] = Counter()
    for one in rounds:
        total.update(one.get(who, {}).get("miss@32", {}).get("models", {}))
    return ", ".join(f"{name} {count / total.total():.0%}" for name, count in sorted(total.items()))


def replace_between(path: Path, name: str, text: str) -> None:
    """Puts `text` between the markers of that name in a Markdown file, which must have them."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    page = path.read_text()
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{path.name} has no markers {begin} and {end}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")
