"""Label values from a bounded set: what a client or a vendor sends must not make new time series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus

from ..types import NANOS_PER_USD, Balance, Dialect, Model, Scope

NONE, OTHER = "none", "other"

OUTCOMES = ("ok", "cached", "refused", "error", "cancelled")
TOKEN_TYPES = ("input", "cached_input", "cache_write", "output")  # they don't overlap: a sum is a number of tokens
CACHE_TIERS = ("memory", "disk", "redis", "flight")
LOST = ("dropped", "failed", "refused")
AUDITS = ("judged", "unreadable", "failed", "budget", "busy", "tight", "cancelled", "lost")
BREAKER = {"closed": 0, "half_open": 1, "open": 2}

_OPERATIONS = {"completions": "text_completion", "embeddings": "embeddings"}

_STATUSES = {str(status.value) for status in HTTPStatus} | {str(status) for status in range(520, 531)}
_CODES = {
    "stream_broken",
    "upstream_config",
    "upstream_disconnected",
    "upstream_error",
    "upstream_protocol",
    "upstream_rate_limited",
    "upstream_timeout",
    "upstream_tls",
    "upstream_too_large",
    "upstream_unavailable",
    "upstream_unreachable",
}


class Labels:
    """`models`, `slots`, `keys`, `teams`: the configured ones, which name themselves."""

    def __init__(
        self, *, models: Sequence[Model], slots: Iterable[str], keys: Iterable[str], teams: Iterable[str] = ()
    ) -> None:
        self.models = {model.name: model.tier for model in models}
        self.tiers = sorted(set(self.models.values()))
        slots = sorted(slots)
        self.slots = (NONE, OTHER, *slots)
        self._slots = frozenset(self.slots)
        self._named = {"key": frozenset(keys), "team": frozenset(teams), "slot": frozenset(slots)}
        self._codes = _STATUSES | _CODES

    def slot(self, label: str) -> str:
        return label if label in self._slots else OTHER

    def model(self, name: str) -> str:
        return name if name in self.models else OTHER

    def served(self, model: Model | None) -> tuple[str, str]:
        """Tier and model."""
        if model is None:
            return NONE, NONE
        tier = self.models.get(model.name)
        return (OTHER, OTHER) if tier is None else (tier, model.name)

    def code(self, code: str) -> str:
        return (code if code in self._codes else OTHER) if code else NONE

    def scope(self, scope: Scope) -> str:
        """A configured key, team or slot by its name (a slot's runs together), everything else by its kind."""
        name = scope.name if scope.kind in ("key", "team") else scope.name.rpartition("/")[2]
        name = name.replace("%2F", "/").replace("%25", "%")  # the ledger keeps its own slashes apart from a name's
        return f"{scope.kind}:{name}" if name in self._named.get(scope.kind, ()) else scope.kind

    def budgets(self, balances: Iterable[Balance]) -> dict[str, tuple[float, float, float]]:
        """USD limit, spent and reserved by scope label; of a scope's several windows the one that binds."""
        binding: dict[Scope, Balance] = {}
        for balance in balances:
            known = binding.get(balance.scope)
            if known is None or balance.remaining < known.remaining:
                binding[balance.scope] = balance
        sums: dict[str, tuple[float, float, float]] = {}
        for scope, balance in binding.items():
            limit, spent, reserved = sums.get(label := self.scope(scope), (0, 0, 0))
            sums[label] = (limit + balance.limit, spent + balance.spent, reserved + balance.reserved)
        return {label: (a / NANOS_PER_USD, b / NANOS_PER_USD, c / NANOS_PER_USD) for label, (a, b, c) in sums.items()}


def operation(dialect: Dialect) -> str:
    """What OpenTelemetry's GenAI conventions call a request."""
    return _OPERATIONS.get(dialect, "chat")


def provider(model: Model | None) -> str:
    """The conventions' name of who serves a model, as far as its wire and address tell."""
    if model is None:
        return "levelhead"
    if model.wire == "litellm":
        return model.upstream_model.partition("/")[0]
    if model.wire == "openai" and "deepseek" in (model.base_url or "") + model.upstream_model:
        return "deepseek"
    return model.wire
