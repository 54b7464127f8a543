"""256 agents on one run budget through the real proxy: is it kept, is there a result, does memory stay flat?

    .venv/bin/python benchmarks/wide_team.py [--write]

Starts the vendors' faithful fakes and `levelhead serve`, then plays teams of 256 one after the other in every protocol,
in four rounds: on a budget that is ample and on one that covers a part of the team, twice each. What was spent is the
proxy's own counter, not the team's word. An agent in five abstains; each contribution has 40 words. Latencies are those
of fakes on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration.house import Proxy, Vendors  # noqa: E402 - the tests' own proxy and vendors
from levelhead import Team  # noqa: E402
from levelhead.team import ProxyRouter  # noqa: E402
from levelhead.testing import Reply  # noqa: E402
from levelhead.types import PROTOCOLS  # noqa: E402

AGENTS, BUDGETS_USD = 256, (0.25, 0.01, 0.25, 0.01)
TASK = "Plan the cut-over of billing to the new ledger; legal and sales disagree about the date."


def answered(body: Any) -> Reply:
    """What the agent was asked for, as both vendors' bodies hold it."""
    text = json.dumps(body["messages"][-1]["content"])
    if "Rank the drafts" in text:
        return Reply(text=json.dumps({"ranking": list(range(AGENTS))}))
    if "assign a role" in text:
        return Reply(
            text=json.dumps({"assignments": [{"agent": n, "role": "r", "phase": n % 4} for n in range(AGENTS)]})
        )
    found = re.search(r"You are agent (\d+) of", text)
    agent = int(found[1]) if found else 0
    said = {"role": f"role {agent}", "contribute": agent % 5 != 4, "why": "w", "used": [], "contribution": "work " * 40}
    return Reply(text=json.dumps(said))


def memory_kib(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]


async def play(proxy: Proxy) -> list[dict[str, Any]]:
    rows = []
    async with ProxyRouter(proxy.url, "sk-team") as router:
        for number, budget in enumerate(BUDGETS_USD):
            for protocol in PROTOCOLS:
                before, began = proxy.metric("cost_usd_total"), time.perf_counter()
                team = Team(
                    "m", agents=AGENTS, protocol=protocol, batch_size=32, budget_usd=budget, router=router,
                    context_tokens=6_000,
                )  # fmt: skip
                run = await team.arun(TASK, run=f"{protocol}-{number}")
                spent = proxy.metric("cost_usd_total") - before
                rows.append(
                    {
                        "protocol": protocol,
                        "round": number,
                        "budget_usd": budget,
                        "calls": run.calls,
                        "steps": run.steps,
                        "spent_usd": float(spent),
                        "counters_agree": spent == Decimal(str(run.cost_usd)).quantize(Decimal("1e-9")),
                        "contributing": run.emergence.contributing,
                        "abstained_for_money": run.emergence.abstentions["budget"],
                        "result": bool(run.result),
                        "seconds": round(time.perf_counter() - began, 1),
                        "memory_mib": round(memory_kib(proxy.process.pid) / 1024, 1),
                    }
                )
                print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write results/wide_team.json")
    asked = parser.parse_args()
    budgets = [{"scope": "run", "usd": max(BUDGETS_USD)}]
    with tempfile.TemporaryDirectory() as folder, Vendors() as vendors:
        for vendor in vendors.all:
            vendor.answer = answered
        with Proxy(Path(folder), vendors, keys={"team": {}}, budgets=budgets) as proxy:
            rows = asyncio.run(play(proxy))
    rounds = [[row["memory_mib"] for row in rows if row["round"] == number] for number in range(len(BUDGETS_USD))]
    found = {
        "agents": AGENTS,
        "runs_played": len(rows),
        "overspent": sum(row["spent_usd"] > row["budget_usd"] for row in rows),
        "counters_disagree": sum(not row["counters_agree"] for row in rows),
        "without_result": sum(not row["result"] for row in rows),
        "memory_mib": [spent[-1] for spent in rounds],
        "runs": rows,
    }
    print(json.dumps({name: value for name, value in found.items() if name != "runs"}))
    if asked.write:
        (ROOT / "benchmarks/results/wide_team.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
