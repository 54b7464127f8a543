"""Plots as inline SVG. Colours are classes of the page, so that they follow its theme."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH = 360
_ROW = 34
_MOST_DAYS = 31


def bars(rows: Sequence[tuple[str, Sequence[tuple[str, float]], str]], title: str) -> str:
    """Stacked horizontal bars: (label, [(class, amount)], what is written), lengths to one scale."""
    most = max((sum(max(0.0, amount) for _, amount in parts) for _, parts, _ in rows), default=0.0) or 1.0
    drawn = []
    for i, (label, parts, said) in enumerate(rows):
        y, x = i * 44, 0.0
        drawn.append(f'<text x="0" y="{y + 13}">{escape(label)}</text>')
        drawn.append(f'<text x="{WIDTH}" y="{y + 13}" text-anchor="end">{escape(said)}</text>')
        for kind, amount in parts:
            length = max(0.0, amount) / most * WIDTH
            drawn.append(f'<rect class="{kind}" x="{x:.1f}" y="{y + 19}" width="{length:.1f}" height="14"/>')
            x += length
    return _svg(drawn, 44 * len(rows), title)


def days(rows: Sequence[tuple[str, float, float]], title: str) -> str:
    """Upright bars, the last 31: (day, spent, baseline), the baseline behind what was spent."""
    rows = rows[-_MOST_DAYS:]
    most = max((max(spent, baseline) for _, spent, baseline in rows), default=0.0) or 1.0
    step = WIDTH / max(7, len(rows))
    drawn = []
    for i, (day, spent, baseline) in enumerate(rows):
        tip = f"<title>{escape(day)}: spent {spent:.4f} USD, baseline {baseline:.4f} USD</title>"
        for kind, amount, share in (("baseline", baseline, 0.85), ("spent", spent, 0.5)):
            height = amount / most * 110
            x = i * step + step * (0.85 - share) / 2
            drawn.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{115 - height:.1f}" width="{step * share:.1f}" '
                f'height="{height:.1f}">{tip}</rect>'
            )
    if rows:
        drawn.append(f'<text x="0" y="132">{escape(rows[0][0])}</text>')
    if len(rows) > 1:
        drawn.append(f'<text x="{WIDTH}" y="132" text-anchor="end">{escape(rows[-1][0])}</text>')
    return _svg(drawn, 140, title)


def intervals(rows: Sequence[tuple[str, float, float, float]], title: str) -> str:
    """(label, lower, estimate, upper), each from 0 to 1, on one axis."""
    left, width = 110, WIDTH - 120
    drawn = []
    for i, (label, lower, estimate, upper) in enumerate(rows):
        y = i * _ROW + 14
        low, middle, high = (left + width * x for x in (lower, estimate, upper))
        drawn.append(
            f'<text x="0" y="{y + 4}">{escape(label[:16])}</text>'
            f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="dot" cx="{middle:.1f}" cy="{y}" r="4.5"/>'
        )
    y = len(rows) * _ROW
    drawn.append(f'<line class="axis" x1="{left}" x2="{left + width}" y1="{y}" y2="{y}"/>')
    drawn += [
        f'<text x="{left + width * x:.1f}" y="{y + 15}" text-anchor="middle">{x:g}</text>'
        for x in (0, 0.25, 0.5, 0.75, 1)
    ]
    return _svg(drawn, y + 20, title)


def _svg(drawn: Sequence[str], height: int, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(drawn)}</svg>"
    )
