"""Verdicts in, corrections out: every worker reads the same line of verdicts and so learns the same."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .difficulty import Corrections
from .errors import InvalidRequest, NotFound, Overloaded
from .observe.journal import Journal, verdict_of
from .passage import made_at
from .types import Assessment, Key, Model, Verdict

log = logging.getLogger("levelhead.learning")

POLL_SECONDS = 1.0
_AT_ONCE = 200
_PAGE = 5_000
_SNAPSHOT_EVERY = 1_000  # verdicts
_YOUNG = 60.0  # seconds; more than clocks of machines differ
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)  # seconds between looks for a young decision: another worker writes its log behind
_SOURCE = re.compile(r"[\w.:@/-]{1,64}")


class Learner:
    """Takes verdicts, and corrects assessments by them. Lives in one event loop.

    `audited` is told of every verdict that an audit gave, by any worker, and whether it is newer than this process.
    """

    def __init__(
        self,
        journal: Journal,
        corrections: Corrections,
        heard: Callable[[Verdict, str | None], None],
        clock: Callable[[], float],
        audited: Callable[[Verdict, bool], None] = lambda verdict, new: None,
    ) -> None:
        self._journal = journal
        self._corrections = corrections
        self._heard = heard
        self._clock = clock
        self._audited = audited
        self._since = clock()
        self._place = 0
        self._reading = asyncio.Lock()
        self._polling: asyncio.Task[None] | None = None

    def correct(self, key: str, slot: str | None, assessment: Assessment, models: Sequence[Model]) -> Assessment:
        return self._corrections.correct(key, slot, assessment, models)

    async def start(self) -> None:
        """Learns what the line holds, then goes on listening."""
        try:
            found = await self._journal.snapshot()
            if found is not None:
                self._corrections.load(found[1])
                await self._recall_audits(found[0])
                self._place = found[0]
        except (KeyError, TypeError, ValueError, OSError) as error:
            log.warning("what was learnt can't be read (%s): starting from the first verdict", type(error).__name__)
        await self._catch_up_or_say()
        self._polling = asyncio.create_task(self._poll())

    async def feedback(self, key: Key | None, body: Mapping[str, Any]) -> dict[str, Any]:
        """A client's verdict on a decision of its own (`key` None: the admin, on anybody's).

        Raises `InvalidRequest` naming the field, `NotFound`, `Overloaded`.
        """
        id, score, source = _read(body)
        try:
            row = await self._decision(id, key)
            if row["outcome"] not in ("ok", "cached"):
                raise InvalidRequest(
                    f"Decision {id} has no answer to judge: it ended as {row['outcome']}.", param="decision_id"
                )
            verdict = verdict_of(row, score, source, self._clock())
            new = await self._journal.judge(verdict)
        except OSError:
            raise Overloaded("The verdict couldn't be kept; try again.", retry_after=1) from None
        if new:
            self._heard(verdict, row["tier"])
            await self._catch_up_or_say()
        return {"object": "feedback", "decision_id": id, "score": score, "source": source, "recorded": new}

    async def audit(self, verdict: Verdict, tier: str) -> None:
        """Keeps what an audit found. Raises `OSError`."""
        if await self._journal.judge(verdict):
            self._heard(verdict, tier)
            await self._catch_up_or_say()

    async def decision(self, id: str, key: Key | None) -> dict[str, Any]:
        """A logged decision with its verdicts. Raises `NotFound`, `Overloaded`."""
        try:
            row = await self._decision(id, key)
            return {"object": "decision", **row, "verdicts": await self._journal.verdicts_of(id)}
        except OSError:
            raise Overloaded("The decision log can't be read just now; try again.", retry_after=1) from None

    async def decisions(self, most: int) -> list[dict[str, Any]]:
        """The newest logged decisions of all keys, without their verdicts. Raises `Overloaded`."""
        try:
            return await self._journal.decisions(most=most)
        except OSError:
            raise Overloaded("The decision log can't be read just now; try again.", retry_after=1) from None

    async def aclose(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
        await self._journal.aclose()

    async def _decision(self, id: str, key: Key | None) -> dict[str, Any]:
        row = await self._journal.decision(id)
        for pause in _PAUSES if abs(self._clock() - made_at(id)) < _YOUNG else ():
            if row is not None:
                break
            await asyncio.sleep(pause)
            row = await self._journal.decision(id)
        if row is None or (key is not None and row["key"] != key.name):
            raise NotFound(f"No decision {id!r} here.", param="decision_id", code="decision_not_found")
        return row

    async def _catch_up_or_say(self) -> None:
        try:
            await self._catch_up()
        except OSError as error:
            log.warning("verdicts can't be read: %s", error)

    async def _catch_up(self) -> None:
        async with self._reading:
            while verdicts := await self._journal.verdicts(self._place, _AT_ONCE):
                for place, verdict in verdicts:
                    self._learn(verdict)
                    self._place = place
                    if place % _SNAPSHOT_EVERY == 0:
                        await self._journal.keep(place, self._corrections.dump())

    def _learn(self, verdict: Verdict) -> None:
        if verdict.audit is None:
            self._corrections.learn(verdict)
            return
        if verdict.audit.certifies:  # a judge in favour of its own family must not teach
            for one in _both(verdict):
                self._corrections.learn(one)
        self._audited(verdict, verdict.at >= self._since)

    async def _recall_audits(self, until: int) -> None:
        """What a snapshot of the corrections doesn't hold."""
        place = 0
        while place < until and (page := await self._journal.audits(place, min(_PAGE, until - place))):
            place = page[0]
            for verdict in page[1]:
                self._audited(verdict, False)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self._catch_up_or_say()


def _both(verdict: Verdict) -> Iterator[Verdict]:
    """An audit judges two answers to one task: the one that was served, and the other tier's."""
    audit = verdict.audit
    assert audit is not None
    yield verdict
    other = audit.strong if verdict.lean < audit.other_lean else audit.efficient
    yield replace(
        verdict, model=audit.other, lean=audit.other_lean, predicted=audit.other_predicted, score=other, audit=None
    )


def _read(body: Mapping[str, Any]) -> tuple[str, float, str]:
    id, score, source = body.get("decision_id"), body.get("score"), body.get("source", "client")
    if not isinstance(id, str) or not 1 <= len(id) <= 100:
        raise InvalidRequest("'decision_id' is the x-levelhead-decision-id of an answer.", param="decision_id")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise InvalidRequest("'score' is a number from 0 to 1.", param="score")
    if not isinstance(source, str) or not _SOURCE.fullmatch(source):
        raise InvalidRequest("'source' is 1 to 64 letters, digits, or any of ._:@/-.", param="source")
    return id, float(score), source
