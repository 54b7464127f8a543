"""A certificate, as `levelhead certify` issues it and routing keeps to it. See `learn.certify` for how it is earned."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import orjson

from ..errors import ArtefactError
from ..types import Model, Verdict, value

Route = Literal["direct", "cascade"]
WHOLE = ""  # the name of a parent: every domain of a slot, every slot
log = logging.getLogger(__name__)

_STEEP = 8.0
FILE = "certificates.json"


@value
class Paired:
    """One request judged on both paths. `trust` 0..1, scores 0..1.

    `forced`: money decided, not the policy; such requests lie outside every certificate and are counted apart.
    """

    trust: float
    efficient: float
    strong: float
    slot: str = WHOLE
    domain: str = WHOLE
    forced: bool = False
    propensity: float = 1.0  # the chance with which it was judged, where a lot decided that


@dataclass(frozen=True, slots=True)
class Certificate:
    """Serving the efficient answer from `threshold` on loses less than `max_quality_loss`, at `confidence`.

    It holds for one frozen `policy` (a hash of artefact, thresholds and cascade rule) on traffic like the verdicts'.
    `estimate` and `upper` are the mean loss and its upper confidence bound; `accepted` the share served efficiently.
    """

    policy: str
    path: Route
    slot: str
    domain: str
    threshold: float
    max_quality_loss: float
    confidence: float
    n: int
    estimate: float
    upper: float
    accepted: float
    method: str
    forced: int = 0
    withdrawn: str = ""  # why, where it is

    @property
    def valid(self) -> bool:
        return not self.withdrawn

    def withdraw(self, why: str) -> Certificate:
        return replace(self, withdrawn=why)


def paired_of(verdict: Verdict, slots: Collection[str]) -> tuple[Route, Paired] | None:
    """What an audit says for a certificate; None: nothing. `slots`: the declared ones."""
    audit = verdict.audit
    if audit is None or not audit.certifies or not audit.route:
        return None
    slot = verdict.slot if verdict.slot in slots and verdict.slot else WHOLE
    return audit.route, Paired(
        audit.trust, audit.efficient, audit.strong, slot, verdict.level.name, False, audit.propensity
    )


def trust_of(uplift: float) -> float:
    """A predicted uplift on the scale of trusts, 0..1: falls as it rises, finest where uplifts are small."""
    return math.exp(-_STEEP * max(uplift, 0.0))


def uplift_of(trust: float) -> float:
    """The uplift that has this trust; 1 for no trust at all."""
    return min(1.0, -math.log(trust) / _STEEP) if trust > 0 else 1.0


def policy_version(artefact: str, models: Sequence[Model], rule: object) -> str:
    """What a certificate binds: any other artefact, model or rule of acceptance is another policy."""
    served = sorted((model.name, model.upstream_model, model.tier_rank) for model in models)
    return hashlib.sha256(repr((artefact, served, rule)).encode()).hexdigest()[:16]


def save(found: Sequence[Certificate], path: Path) -> None:
    """As JSON, written whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(orjson.dumps([asdict(one) for one in found], option=orjson.OPT_INDENT_2))
    partial.replace(path)


def mark_withdrawn(path: Path, certificate: Certificate) -> None:
    """So that a restart doesn't bring it back. A file that can't be written is left: this worker knows all the same."""
    try:
        kept = [certificate if _cell(one) == _cell(certificate) else one for one in load(path)]
        save(kept, path)
    except (OSError, ArtefactError):
        log.warning("%s can't be written: a withdrawn certificate would be back after a restart", path.name)


def _cell(one: Certificate) -> tuple[str, str, str, str]:
    return one.policy, one.path, one.slot, one.domain


def load(path: Path) -> list[Certificate]:
    """No file: none. Raises `ArtefactError` for a file that isn't certificates."""
    try:
        rows: list[dict[str, Any]] = orjson.loads(path.read_bytes())
        return [Certificate(**row) for row in rows]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise ArtefactError(f"{path.name} holds no certificates: {error}") from None
