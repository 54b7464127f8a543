"""What drafts cost those who don't use them: requests per CPU second, with the cascade off and with a plain caller."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from typing import Any

from levelhead.assemble import assemble
from levelhead.calling import Caller
from levelhead.config import from_mapping
from levelhead.passage import Ask
from levelhead.router import Pipeline
from levelhead.types import Key

ROUNDS, REQUESTS = 400, 50
KEY = Key("local")


def path() -> dict[str, Any]:
    """Both in one process, by turns."""
    return asyncio.run(_measured())


async def _measured() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        config = from_mapping({"cascade": "off", "cache": {"ttl_seconds": 0}}, env={"LEVELHEAD_HOME": home})
        off, plain = (assemble(config).pipeline for _ in range(2))
        rooms = plain._rooms
        plain._caller = Caller(  # type: ignore[assignment]
            rooms.upstreams, rooms.ledger, rooms.decider, rooms.health, rooms.observer, timeout=rooms.timeout
        )
        times: dict[str, list[float]] = {"off": [], "plain": []}
        for at in range(ROUNDS + 2):
            sides = {"off": off, "plain": plain}
            order = list(sides) if at % 2 else list(sides)[::-1]
            took = {name: await _batch(sides[name], at) for name in order}
            if at >= 2:
                for name in order:
                    times[name].append(took[name])
        least = {
            name: sorted(found)[ROUNDS // 10] for name, found in times.items()
        }  # what a busy machine disturbs least
        return {"ratio": round(least["plain"] / least["off"], 4), "rounds": ROUNDS, "requests": REQUESTS}


async def _batch(pipeline: Pipeline, at: int) -> float:
    asks = [
        Ask(
            json.dumps({"model": "auto", "messages": [{"role": "user", "content": f"Task {at}.{i}"}]}).encode(), {}, KEY
        )
        for i in range(REQUESTS)
    ]
    began = time.process_time()
    for ask in asks:
        await pipeline.respond(ask)
    return time.process_time() - began
