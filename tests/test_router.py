"""The pipeline by itself, its upstreams being fakes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import orjson

from levelhead.assemble import rooms_of
from levelhead.cache import MemoryTier, TieredCache
from levelhead.config import from_mapping
from levelhead.passage import Ask, Passage
from levelhead.router import Pipeline
from levelhead.testing import FakeUpstream
from levelhead.types import Key

MODEL = {"tier": "strong", "wire": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
ASKED = {"model": "best", "messages": [{"role": "user", "content": "All together"}]}


def test_what_landed_while_it_waited_in_line_is_not_asked_for_again(tmp_path: Path) -> None:
    """Both are admitted, as misses, before the first one gets a place and its answer."""
    config = {
        "models": {"best": MODEL | {"price": {"input": 1, "output": 5}}},
        "cache": {"directory": str(tmp_path)},
    }

    async def life() -> None:
        upstream = FakeUpstream()
        cache = TieredCache(MemoryTier(ttl_seconds=60))
        rooms = rooms_of(from_mapping(config, env={}))
        pipeline = Pipeline(replace(rooms, upstreams={"openai": upstream}, cache=cache, cache_when="always"))
        ask = Ask(orjson.dumps(ASKED), {}, Key("local"))
        waiting = [pipeline.admit(ask) for _ in range(3)]
        assert all(isinstance(one, Passage) for one in waiting)
        first, *later = [await pipeline.answer(one) for one in waiting if isinstance(one, Passage)]
        assert len(upstream.calls) == 1
        assert [one.body for one in later] == [first.body] * 2
        assert [one.passage.cost_usd for one in later] == [0, 0] != [first.passage.cost_usd]
        assert [(one.passage.cache, one.passage.cache_tier) for one in later] == [("hit", "memory")] * 2
        await pipeline.aclose()

    asyncio.run(life())
