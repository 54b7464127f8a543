"""A certificate under watch: withdrawn as soon as the traffic that it was issued on is no more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..stats import Alarm
from .certificate import WHOLE, Certificate, Paired, Route

log = logging.getLogger(__name__)

_PATIENCE = 5_000.0  # verdicts: how long, on average, until an alarm that isn't due
_SLACK = 0.03  # of the share accepted, on top of what sampling explains
_ERRORS = 2.6  # standard errors of the share at its issue


class Watch:
    """Told of each verdict, and of each request that was checked; `certificate` says whether it still holds.

    Two kinds of alarm: the loss itself has risen above the goal, which is what was promised; or drafts pass at another
    rate than they did, which is no loss yet but means other traffic, and shows much earlier. Each rings once in 5,000
    observations at most where nothing has changed (see `stats.drift`).
    """

    def __init__(self, certificate: Certificate) -> None:
        self.certificate = certificate
        self.seen = 0
        share = certificate.accepted
        slack = _SLACK + _ERRORS * (max(share * (1 - share), 1e-4) / max(certificate.n, 1)) ** 0.5
        self._loss = Alarm(certificate.max_quality_loss, _PATIENCE)
        self._more = Alarm(min(share + slack, 0.99), _PATIENCE, low=0.0)
        self._fewer = Alarm(min(1 - share + slack, 0.99), _PATIENCE, low=0.0)

    def verdict(self, verdict: Paired) -> bool:
        """Whether the certificate still holds after this verdict. What money forced lies outside it."""
        if verdict.forced or not self.certificate.valid:
            return self.certificate.valid
        self.seen += 1
        served = verdict.trust >= self.certificate.threshold
        if self._loss.add(verdict.strong - verdict.efficient if served else 0.0):
            self._withdraw("the loss has risen above the goal")
        return self.checked(verdict.trust)

    def checked(self, trust: float) -> bool:
        """As `verdict`, for a request that nobody judged."""
        served = float(trust >= self.certificate.threshold)
        if self._more.add(served) or self._fewer.add(1 - served):
            self._withdraw("drafts pass at another rate than when it was issued: the traffic has changed")
        return self.certificate.valid

    def _withdraw(self, why: str) -> None:
        if self.certificate.valid:
            self.certificate = self.certificate.withdraw(f"after {self.seen} verdicts: {why}")


class Promises:
    """The certificates in force, each under its watch. Looked up by slot and domain, then at their parents."""

    def __init__(
        self,
        certificates: Iterable[Certificate] = (),
        policy: str = "",
        on_withdrawn: Callable[[Certificate], None] = lambda certificate: None,
    ) -> None:
        """`policy`: the version that runs; a certificate of another one binds nothing."""
        self._on_withdrawn = on_withdrawn
        self._watches: Mapping[tuple[Route, str, str], Watch] = {
            (one.path, one.slot, one.domain): Watch(one) for one in certificates if one.policy == policy
        }

    def threshold(self, path: Route, slot: str, domain: str) -> float | None:
        """The certified threshold; None: uncertified."""
        watch = self._watch(path, slot, domain) if self._watches else None
        return None if watch is None else watch.certificate.threshold

    def checked(self, path: Route, slot: str, domain: str, trust: float) -> None:
        """Tells of a request whose trust is known, but not its quality."""
        if self._watches and (watch := self._watch(path, slot, domain)) is not None and not watch.checked(trust):
            self._withdrawn(watch.certificate)

    def verdict(self, path: Route, verdict: Paired) -> Certificate | None:
        """Tells of a verdict; gives the certificate that it made invalid, if it did."""
        watch = self._watch(path, verdict.slot, verdict.domain) if self._watches else None
        if watch is None or watch.verdict(verdict):
            return None
        self._withdrawn(watch.certificate)
        return watch.certificate

    def _withdrawn(self, certificate: Certificate) -> None:
        log.warning(
            "certificate of slot %r, level %r withdrawn: %s",
            certificate.slot or "all",
            certificate.domain or "all",
            certificate.withdrawn,
        )
        self._on_withdrawn(certificate)

    def certificates(self) -> Iterator[Certificate]:
        """Those in force and those withdrawn."""
        return (watch.certificate for watch in self._watches.values())

    def _watch(self, path: Route, slot: str, domain: str) -> Watch | None:
        """The nearest, if it is valid: where it was withdrawn, its parent says less."""
        for at in _lineage(slot, domain):
            watch = self._watches.get((path, *at))
            if watch is not None:
                return watch if watch.certificate.valid else None
        return None


def _lineage(slot: str, domain: str) -> Sequence[tuple[str, str]]:
    return (slot, domain), (slot, WHOLE), (WHOLE, WHOLE)
