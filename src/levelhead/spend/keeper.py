"""The one thread of a worker that talks to the store: tops up leases on request, and posts what was spent in rounds.

A thread and not a task: heartbeats and postings must not wait for a busy event loop, and a disk's fsync must not stop
one. Requests that arrive while a transaction runs share the next.
"""

from __future__ import annotations

import atexit
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Lock, Thread
from time import monotonic

from ..errors import Overloaded
from ..types import Nanos
from .accounts import Account, Shortage
from .books import Books
from .store import Move, Store, Unanswered, Verdict, WorkerUnknown

_ROUNDS_PER_SCAN = 10
_EXIT_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Keeper:
    """`rescued`: nanodollars charged because the worker that had leased them died."""

    def __init__(
        self,
        books: Books,
        store: Store,
        *,
        clock: Callable[[], float],
        seconds: float,
        on_trouble: Callable[[], None] = lambda: None,
    ) -> None:
        self._books = books
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._on_trouble = on_trouble
        self._inbox: deque[Shortage] = deque()
        self._waiting: deque[Future[None]] = deque()
        self._wake = Event()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._closed: Future[None] | None = None
        self._rounds = 0
        # What the store was asked and has not answered: it is asked again, as it was, before anything else.
        self._asking: list[Shortage] = []
        self._moving: list[tuple[Account, Move]] | None = None
        self.rescued: Nanos = 0
        store.join(clock())
        self._sweep()

    def submit(self, shortage: Shortage) -> None:
        with self._lock:
            closed = self._closed is not None
            if not closed:
                self._inbox.append(shortage)
        if closed:
            self._fail(shortage)
        else:
            self._awake()

    def refill(self) -> None:
        for shortage in self._books.refill():
            self.submit(shortage)

    def flush(self) -> Future[None]:
        """Done when everything spent so far is in the store; fails where it couldn't be written."""
        done = _promise()
        with self._lock:
            if self._closed is not None:
                return self._closed
            self._waiting.append(done)
        self._awake()
        return done

    def close(self) -> Future[None]:
        """Charges what is still reserved, hands back the rest and ends the thread."""
        with self._lock:
            closed = self._closed
            if closed is None:
                closed = self._closed = _promise()
        self._awake()
        return closed

    def _awake(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="levelhead-ledger", daemon=True)
                self._thread.start()
                atexit.register(self._at_exit)
        self._wake.set()

    def _at_exit(self) -> None:
        self.close()
        if self._thread is not None:
            self._thread.join(_EXIT_SECONDS)

    def _run(self) -> None:
        next_round = monotonic() + self._seconds
        while self._closed is None:
            self._wake.wait(max(0.0, next_round - monotonic()))
            self._wake.clear()
            flushing = bool(self._waiting)  # looked at first: what was asked before a flush is served before it
            self._serve()
            if flushing or monotonic() >= next_round:
                self._round()
                next_round = monotonic() + self._seconds
        self._serve()
        self._books.abandon()
        self._round()
        for shortage in self._asking:
            self._fail(shortage)
        try:
            self._store.close()
        except Exception:
            logger.exception("budgets: the store did not close")
        atexit.unregister(self._at_exit)
        self._closed.set_result(None)

    def _serve(self) -> None:
        """Every shortage that is waiting, in one transaction."""
        try:
            if self._moving is not None:
                self._send()
            self._asking = self._asking or self._waiting_batch()
            if not self._asking:
                return
            verdicts = self._store.grant([shortage.asks() for shortage in self._asking], self._clock())
            for shortage, verdict in zip(self._asking, verdicts, strict=True):
                self._answer(shortage, verdict)
        except Exception as error:
            self._trouble(error)
            if isinstance(error, Unanswered):
                return
            for shortage in self._asking:
                if not shortage.answer.done():
                    self._fail(shortage)
        self._asking = []

    def _waiting_batch(self) -> list[Shortage]:
        batch: list[Shortage] = []
        while self._inbox:
            shortage = self._inbox.popleft()
            if any(account.void for account in shortage.accounts):
                self._fail(shortage)
            elif shortage.answer.set_running_or_notify_cancel():
                batch.append(shortage)
            else:
                self._books.failed(shortage)
        return batch

    def _answer(self, shortage: Shortage, verdict: Verdict) -> None:
        if verdict.denied is not None:
            self._books.denied(shortage, verdict)
            shortage.answer.set_result(verdict)
        else:
            reservation = self._books.granted(shortage, verdict)
            shortage.answer.set_result(verdict if reservation is None else reservation)

    def _fail(self, shortage: Shortage) -> None:
        self._books.failed(shortage)
        if shortage.answer.running() or shortage.answer.set_running_or_notify_cancel():
            error = Overloaded("The budget store can't be reached right now.", retry_after=1.0)
            shortage.answer.set_exception(error)

    def _round(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        self._rounds += 1
        scan = self._rounds % _ROUNDS_PER_SCAN == 0
        try:
            if scan:
                self._books.scan()
            self._post(beat=scan)
            if scan:
                self._sweep()
        except Exception as error:
            self._trouble(error)
            for done in waiting:
                done.set_exception(Overloaded("The budget store can't be written right now.", retry_after=1.0))
            return
        for done in waiting:
            done.set_result(None)

    def _post(self, *, beat: bool) -> None:
        if self._moving is None:
            if self._asking:
                raise Unanswered("a grant")
            moves = self._books.harvest(self._store.wanted())
            if not moves and not beat:
                return
            self._moving = moves
        self._send()

    def _send(self) -> None:
        moves = self._moving or []
        try:
            standings = self._store.post([move for _, move in moves], self._clock())
        except Unanswered:
            raise
        except WorkerUnknown:
            self._rejoin()
            # What was leased is charged already.
            self._moving = [(a, Move(m.key, m.uncovered, m.uncovered, 0)) for a, m in moves if m.uncovered]
            self._send()
        except Exception:
            self._moving = None
            self._books.unposted(moves)
            raise
        else:
            self._moving = None
            self._books.posted(moves, standings)

    def _sweep(self) -> None:
        self.rescued += self._store.sweep(self._clock())
        if keys := self._books.pinned():
            self._books.refresh(self._store.read(keys))

    def _trouble(self, error: Exception) -> None:
        self._on_trouble()
        try:
            if isinstance(error, WorkerUnknown):
                self._rejoin()
                return
            if isinstance(error, Unanswered):
                logger.warning("budgets: the store does not answer (%s); asking again", error)
                return
        except Exception as another:
            error = another
        logger.error("budgets: the store failed: %s: %s", type(error).__name__, error)
        logger.debug("budgets: where it failed", exc_info=error)

    def _rejoin(self) -> None:
        logger.warning("budgets: this worker was taken for dead and its leases were charged; starting anew")
        self._books.void()
        self._store.join(self._clock())


def _promise() -> Future[None]:
    """A future that its waiter can't cancel: others may wait for the same."""
    promise: Future[None] = Future()
    promise.set_running_or_notify_cancel()
    return promise
