"""A run as one HTML page: a column for each step, a line where one agent used another's output, and the bill by slot.

No scripts, no links, nothing loaded from elsewhere; every text is escaped.
"""

from __future__ import annotations

from html import escape

from .record import SeatUplift, TeamRun, Turn

_WIDE, _HIGH, _LEFT, _TOP = 132, 58, 70, 40
_COLOURS = ("#2a7de1", "#d1495b", "#3d9970", "#b8860b", "#7b4fa3")
_STYLE = """
body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1100px;color:#222;padding:0 1em}
svg{display:block}figure{overflow-x:auto;margin:1em 0;border:1px solid #ddd}
table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}
td.n,th.n{text-align:right}pre{white-space:pre-wrap;background:#f6f6f6;padding:1em}
"""


def page(run: TeamRun) -> str:
    """The whole page."""
    facts = [
        ("protocol", run.protocol),
        ("cost", f"${run.cost_usd:.6f}" + ("" if run.budget_usd is None else f" of ${run.budget_usd:.6f}")),
        ("calls", f"{run.calls} in {run.steps} steps"),
        ("roles", f"{run.emergence.distinct_roles} distinct, {run.emergence.contributing} agents contributing"),
        ("abstentions", ", ".join(f"{n} {kind}" for kind, n in run.emergence.abstentions.items())),
        ("hierarchy depth", str(run.emergence.hierarchy_depth)),
        ("quality", "not judged" if run.quality is None else f"Q = {run.quality.q:.3f} by {run.quality.judge}"),
    ]
    listed = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(run.id)}</title><style>{_STYLE}</style>'
        f"<h1>Run {escape(run.id)}</h1><p>{escape(run.task[:500])}</p><table>{listed}</table>"
        f"<figure>{chart(run)}</figure>{bill(run)}<h2>Result</h2><pre>{escape(run.result)}</pre></html>"
    )


def chart(run: TeamRun) -> str:
    """The turns as SVG. A circle's area is its cost; hollow is an abstention, crossed a failure."""
    at: dict[int, tuple[float, float]] = {}
    rows: dict[int, int] = {}
    tiers = sorted({turn.tier for turn in run.turns if turn.tier})
    dearest = max((turn.cost_usd for turn in run.turns), default=0.0) or 1.0
    nodes: list[str] = []
    lines: list[str] = []
    place: dict[int, tuple[float, float]] = {}
    for index, turn in enumerate(run.turns):
        row = rows.get(turn.step, 0)
        rows[turn.step] = row + 1
        place[index] = (_LEFT + turn.step * _WIDE, _TOP + row * _HIGH)
    for index, turn in enumerate(run.turns):
        x, y = place[index]
        for agent in turn.used:
            if agent in at:
                fx, fy = at[agent]
                bend = (fx + x) / 2
                lines.append(f'<path d="M{fx} {fy} C{bend} {fy - 30} {bend} {y - 30} {x} {y}"/>')
        nodes.append(_node(turn, x, y, tiers, dearest))
        if turn.contributed:
            at[turn.agent] = (x, y)
    width = _LEFT * 2 + max(rows, default=0) * _WIDE
    height = _TOP * 2 + max(rows.values(), default=1) * _HIGH
    key = "".join(
        f'<tspan fill="{_COLOURS[i % len(_COLOURS)]}" dx="12">● {escape(tier)}</tspan>' for i, tier in enumerate(tiers)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img"'
        f' aria-label="turns of the run" font-size="11"><g fill="none" stroke="#bbb">{"".join(lines)}</g>'
        f'{"".join(nodes)}<text x="8" y="{height - 10}">{key}</text></svg>'
    )


def bill(run: TeamRun) -> str:
    """What each slot cost and did."""
    shown = {one.slot: one for one in run.uplift}
    columns = ["slot", "role", "did", "model", "cost USD", "characters", "chance of strength"]
    if shown:
        columns.append("uplift of strength (95 % interval)")
    head = "".join(f"<th>{name}</th>" for name in columns)
    rows = []
    for turn in run.contributions:
        cost = sum(one.cost_usd for one in run.turns if one.agent == turn.agent)
        did = turn.status if turn.abstention is None else f"abstained ({turn.abstention})"
        cells = (turn.slot, turn.role, did, turn.model)
        chance = f"{turn.strong_chance:.2f}" if turn.propensity < 1 else "no coin"
        numbers = [f"{cost:.6f}", str(len(turn.text)), chance]
        if shown:
            numbers.append(_interval(shown.get(turn.slot)))
        told = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        counted = "".join(f'<td class="n">{cell}</td>' for cell in numbers)
        rows.append(f"<tr>{told}{counted}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _interval(known: SeatUplift | None) -> str:
    if known is None:
        return "not known"
    return f"{known.uplift:+.3f} ({known.low:+.3f} to {known.high:+.3f}), {known.runs} runs"


def _node(turn: Turn, x: float, y: float, tiers: list[str], dearest: float) -> str:
    colour = _COLOURS[tiers.index(turn.tier) % len(_COLOURS)] if turn.tier else "#999"
    radius = 5 + 11 * (turn.cost_usd / dearest) ** 0.5
    fill = colour if turn.contributed else "#fff"
    dash = ' stroke-dasharray="3 2"' if turn.abstention == "budget" else ""
    cross = f'<path d="M{x - 5} {y - 5}l10 10m0 -10l-10 10" stroke="#c00"/>' if turn.status == "failed" else ""
    said = f"{turn.phase}, {turn.status}: {turn.why or turn.error or turn.text[:200]}"
    return (
        f'<g><title>{escape(said)}</title><circle cx="{x}" cy="{y}" r="{radius:.1f}" fill="{fill}" stroke="{colour}"'
        f' stroke-width="2"{dash}/>{cross}'
        f'<text x="{x}" y="{y + 28}" text-anchor="middle">{turn.agent} {escape(turn.role[:16])}</text></g>'
    )
