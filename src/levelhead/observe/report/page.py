"""The report as one HTML file: no script, no request to anywhere, readable on a phone and on paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from . import charts

_MOST_CELLS = 60
_HEAD = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>levelhead: what was spent and saved</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root{--ink:#1c2330;--faint:#5b6472;--paper:#fff;--line:#d9dde4;--spent:#2358c4;--saved:#1c7c4a;--cache:#68b98a;
--baseline:#c3cad6}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaf0;--faint:#a3acba;--paper:#14181f;--line:#343b47;--spent:#7ea6ff;
--saved:#4cc084;--cache:#2c7a52;--baseline:#4a5362}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:56rem;font:16px/1.5 system-ui,sans-serif;
color:var(--ink);background:var(--paper)}
h1{font-size:1.5rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{max-width:42rem}.faint{color:var(--faint)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1rem 0}
.figures div{border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}
.figures b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th{color:var(--faint);font-weight:600}th.name,td.name{text-align:left;white-space:normal;overflow-wrap:break-word;
max-width:14rem}
@media(max-width:36rem){body{padding:.75rem}table{font-size:.8rem}th,td{padding:.3rem .35rem}}
svg{display:block;width:100%;max-width:32rem;height:auto;margin:.5rem 0}svg text{font-size:12px;fill:var(--ink)}
.spent{fill:var(--spent)}.saved{fill:var(--saved)}.cache{fill:var(--cache)}.baseline{fill:var(--baseline)}
.range{stroke:var(--spent);stroke-width:3}.dot{fill:var(--spent)}.axis{stroke:var(--line)}
</style></head><body><main>
"""


def page(report: Mapping[str, Any]) -> str:
    """`report` is what `Figures.told` gives."""
    sections = (_summary, _days, _cells, _quality, _loss, _teams, _shadow, _budgets, _method)
    return _HEAD + "\n".join(part for section in sections for part in section(report)) + "\n</main></body></html>\n"


def usd(amount: float) -> str:
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size >= 1 or not size:
        return f"{sign}${size:,.2f}"
    whole, _, part = f"{float(f'{size:.3g}'):.9f}".rstrip("0").partition(".")
    return f"{sign}${whole}.{part:0<2}"


def share(part: float) -> str:
    return f"{part:.1%}"


def signed(loss: float) -> str:
    return f"{loss:+.1%}"


def _summary(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h1>What was spent and saved</h1>"
    if not report["requests"]:
        yield "<p>The decision log holds no request of this time.</p>"
        return
    outcomes = ", ".join(f"{count:,} {escape(name)}" for name, count in report["outcomes"].items())
    since, until = _moment(report["from"]), _moment(report["to"])
    yield f'<p class="faint">{since} to {until}; {report["requests"]:,} requests ({outcomes}).</p>'
    if report["simulated"]:
        yield "<p><strong>Every answer was simulated: no vendor was asked, no money spent.</strong></p>"
    spent, baseline, by = report["spent_usd"], report["baseline_usd"], report["saved_by"]
    saved = report["saved_usd"]
    told = [
        ("spent", usd(spent)),
        ("all strong", usd(baseline)),
        ("saved", f"{usd(saved)}" + (f" ({share(saved / baseline)})" if baseline else "")),
        ("by routing", usd(by["routing"])),
        ("by cache", usd(by["cache"])),
    ]
    if report["excess_usd"]:
        told.append(("above the baseline", usd(report["excess_usd"])))
    yield '<div class="figures">' + "".join(f"<div>{name}<b>{said}</b></div>" for name, said in told) + "</div>"
    rows = [
        ("all strong (baseline)", [("baseline", baseline)], usd(baseline)),
        ("spent", [("spent", spent)], usd(spent)),
        ("saved by routing, by cache", [("saved", by["routing"]), ("cache", by["cache"])], usd(saved)),
    ]
    yield charts.bars(rows, f"Spent {usd(spent)} of a baseline of {usd(baseline)}")


def _days(report: Mapping[str, Any]) -> Iterator[str]:
    found = report["by_day"]
    if len(found) > 1:
        yield "<h2>By day</h2><p class=faint>Narrow: spent. Wide: what always-strong would have cost. UTC.</p>"
        rows = [(one["day"], one["spent_usd"], one["baseline_usd"]) for one in found]
        yield charts.days(rows, f"Spent and baseline of {len(found)} days")


def _cells(report: Mapping[str, Any]) -> Iterator[str]:
    found = report["by"]
    if not found:
        return
    yield "<h2>By slot, level and tier</h2>"
    rows = [
        (
            *(one["slot"], one["level"], one["tier"], f"{one['requests']:,}"),
            *(usd(one[f"{name}_usd"]) for name in ("spent", "saved", "baseline")),
        )
        for one in found[:_MOST_CELLS]
    ]
    yield _table(("slot", "level", "tier", "requests", "spent", "saved", "all strong"), rows, names=3)
    if len(found) > _MOST_CELLS:
        yield f"<p class=faint>and {len(found) - _MOST_CELLS} smaller ones, which are in the JSON.</p>"


def _quality(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Quality, by verdicts</h2>"
    found = report["quality"]
    if not found:
        yield "<p>No verdicts were given: POST /v1/feedback tells levelhead how answers did.</p>"
        return
    sure = _sure(report)
    yield charts.intervals(
        [(tier, one["lower"], one["score"], one["upper"]) for tier, one in found.items()],
        f"Mean verdict of each tier with its {sure} interval",
    )
    rows = [
        (tier, f"{one['answers']:,}", f"{one['score']:.3f}", f"{one['lower']:.3f} to {one['upper']:.3f}")
        for tier, one in found.items()
    ]
    yield _table(("tier", "answers judged", "mean", f"{sure} interval"), rows, names=1)


def _loss(report: Mapping[str, Any]) -> Iterator[str]:
    found = report["loss"]
    if found is None:
        return
    yield "<h2>Quality lost by routing, against always-strong</h2>"
    served, efficient, sure = found["served"], found["all_efficient"], _sure(report)
    if served is not None:
        yield (
            f"<p>By {served['audits']:,} audits of a random sample: <b>{signed(served['loss'])}</b> of the best grade"
            f" ({sure} interval {signed(served['lower'])} to {signed(served['upper'])}). Had everything gone to the"
            f" efficient tier: {signed(efficient['loss'])} ({signed(efficient['lower'])} to"
            f" {signed(efficient['upper'])}). The audits cost {usd(found['cost_usd'])} besides.</p>"
        )
        rows = [
            (one["slot"], one["level"], f"{one['audits']:,}", *(signed(one[n]) for n in ("loss", "lower", "upper")))
            for one in found["by"][:_MOST_CELLS]
        ]
        yield _table(("slot", "level", "audits", "lost", "at least", "at most"), rows, names=2)
    if found["by_relatives"]:
        yield (
            f"<p>{found['by_relatives']:,} more were graded by a judge of the family of a model that it compared; they"
            " are on record and count for nothing here.</p>"
        )


def _teams(report: Mapping[str, Any]) -> Iterator[str]:
    found = report.get("teams")
    if not found:
        return
    yield "<h2>What a strong model was worth in teams' slots</h2>"
    rows = [
        (one["slot"], f"{one['runs']:,}", f"{one['uplift']:+.3f}", f"{one['low']:+.3f} to {one['high']:+.3f}")
        for one in found[:_MOST_CELLS]
    ]
    yield _table(("slot", "runs by coin", "uplift", "95 % interval"), rows, names=1)
    yield ("<p>Main effects on the scores of runs, 0 to 1, from seats whose tier a coin of known chance decided.</p>")


def _shadow(report: Mapping[str, Any]) -> Iterator[str]:
    found = report["shadow"]
    if found is None:
        return
    yield "<h2>What routing would have saved</h2>"
    said = (
        f"Shadow mode answered {found['requests']:,} requests in {found['conversations']:,} conversations for"
        f" {usd(found['spent_usd'])}. Routing would have sent {found['would_go_elsewhere']:,} of them elsewhere"
        f" and paid {usd(found['would_cost_usd'])}: <b>{usd(found['would_save_usd'])} saved,"
        f" {share(found['would_save_share'])}</b>"
    )
    if found["interval"] is None:
        said += "; there are too few conversations for an interval."
    else:
        sure, (low, high), bounds = _sure(report), found["interval"], found["bounds"]
        said += (
            f" ({sure} interval {share(low)} to {share(high)}). Were its answers up to twice as long: between"
            f" {share(bounds[0])} and {share(bounds[1])}."
        )
    yield f"<p>{said}</p>"
    if found["predicted_loss"] is not None:
        yield f"<p>Predicted, not measured: {found['predicted_loss']:+.2%} of tasks served less well.</p>"


def _budgets(report: Mapping[str, Any]) -> Iterator[str]:
    found = report["budgets"]
    if found:
        yield "<h2>Budgets</h2>"
        rows = [
            (str(one["scope"]), *(usd(one[f"{name}_usd"]) for name in ("limit", "spent", "reserved", "remaining")))
            for one in found
        ]
        yield _table(("scope", "limit", "spent", "reserved", "left"), rows, names=1)


def _method(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Method</h2><p>" + " ".join(escape(sentence) for sentence in report["method"]) + "</p>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, names: int) -> str:
    """The first `names` columns are words, the others figures."""

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = (' class="name"' if i < names else "" for i in range(len(cells)))
        return "<tr>" + "".join(f"<{tag}{k}>{escape(c)}</{tag}>" for k, c in zip(kinds, cells, strict=True)) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return (
        f'<div class="scroll" tabindex="0"><table><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table></div>'
    )


def _sure(report: Mapping[str, Any]) -> str:
    return f"{100 * report['confidence']:.4g} %"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
