"""What each slot cost: the proxy's own counters, before and after a run."""

from __future__ import annotations

import re
import urllib.request

_SAMPLE = re.compile(r'^levelhead_cost_usd_total\{.*?slot="([^"]*)".*?\} (\S+)$', re.MULTILINE)


def spent(proxy: str) -> dict[str, float]:
    """USD by slot since the proxy started."""
    with urllib.request.urlopen(proxy.removesuffix("/v1") + "/metrics") as page:
        found: dict[str, float] = {}
        for slot, usd in _SAMPLE.findall(page.read().decode()):
            found[slot] = found.get(slot, 0.0) + float(usd)
    return found


def show(proxy: str, before: dict[str, float]) -> None:
    for slot, usd in spent(proxy).items():
        if usd > before.get(slot, 0.0):
            print(f"{slot:12} ${usd - before.get(slot, 0.0):.6f}")
