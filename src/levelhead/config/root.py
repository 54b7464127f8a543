"""`Config`: the whole file as one frozen value, and its sections in the terms of `types.py`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, PrivateAttr

from ..errors import ConfigError
from ..types import NANOS_PER_USD, Budget, Goal, Key, Nanos, Secret, Slot
from . import entries as e


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that clients may call with."""

    key: Key
    secret: Secret


class Config(e.Entry):
    """`source` says where it came from; `simulated` that no configured model is a real one.

    Fields keep the file's shape. `slots()`, `budgets()`, `goal()` and `keys()` give the same in the shared vocabulary.
    """

    server: e.ServerEntry = e.ServerEntry()
    timeouts: e.TimeoutsEntry = e.TimeoutsEntry()
    limits: e.LimitsEntry = e.LimitsEntry()
    key_entries: tuple[e.KeyEntry, ...] = Field(default=(), alias="keys")
    tiers: tuple[e.Name, ...] = ("efficient", "strong")
    models: Mapping[e.Name, e.ModelEntry]
    aliases: Mapping[Annotated[str, Field(min_length=1)], str] = {"claude-*": "auto", "gpt-*": "auto"}
    goal_entry: e.GoalEntry = Field(default=e.GoalEntry(), alias="goal")
    slot_entries: Mapping[e.Name, e.SlotEntry] = Field(default={}, alias="slots")
    budget_entries: tuple[e.BudgetEntry, ...] = Field(default=(), alias="budgets")
    cascade: e.Cascade = "auto"
    check: e.CheckEntry = e.CheckEntry()
    cache: e.CacheEntry = e.CacheEntry()
    state: e.StateEntry = e.StateEntry()
    audit: e.AuditEntry = e.AuditEntry()
    mode: Literal["enforce", "shadow"] = "enforce"
    shadow: e.ShadowEntry = e.ShadowEntry()
    log_prompts: bool = False
    charter: e.CharterEntry = e.CharterEntry()

    _source: str = PrivateAttr("")
    _secrets: Mapping[str, Secret] = PrivateAttr({})
    _unset: tuple[str, ...] = PrivateAttr(())
    _traced: bool = PrivateAttr(False)
    _cache_home: Path = PrivateAttr(Path())
    _state_home: Path = PrivateAttr(Path())

    @property
    def source(self) -> str:
        return self._source

    @property
    def unset(self) -> tuple[str, ...]:
        """What a lenient reading forgave: a `path: message` for each environment variable that is not set."""
        return self._unset

    @property
    def simulated(self) -> bool:
        return all(model.wire == "simulated" for model in self.models.values())

    @property
    def traced(self) -> bool:
        """Whether OpenTelemetry's own variables name an endpoint for spans."""
        return self._traced

    def tier_rank(self, tier: str) -> int:
        """0 is the cheapest."""
        return self.tiers.index(tier)

    def slots(self) -> Mapping[str, Slot]:
        def rank(tier: str | None) -> int | None:
            return None if tier is None else self.tier_rank(tier)

        return {
            name: Slot(
                name=name,
                floor=rank(slot.floor),
                ceiling=rank(slot.ceiling),
                max_quality_loss=slot.max_quality_loss,
                max_output_tokens=slot.max_output_tokens,
                min_output_tokens=slot.min_output_tokens,
                cascade=slot.cascade,
                latency_ms=slot.latency_ms,
            )
            for name, slot in self.slot_entries.items()
        }

    def budgets(self) -> tuple[Budget, ...]:
        return tuple(Budget(b.scope, nanos(b.usd), b.name, b.per) for b in self.budget_entries)

    def audit_budgets(self) -> tuple[Budget, ...]:
        """The operator's own budget for audits; none where nothing is audited."""
        audit = self.audit
        if audit.judge is None or not audit.rate or not audit.usd_per_day:
            return ()
        return (Budget("audit", nanos(audit.usd_per_day), "all", "day"),)

    def goal(self) -> Goal:
        goal = self.goal_entry
        return Goal(goal.max_quality_loss, goal.confidence, goal.uncertified)

    def keys(self) -> tuple[ApiKey, ...]:
        """The keys whose secrets are present: all of them, unless the file was read leniently."""
        return tuple(
            ApiKey(
                Key(
                    name=entry.name,
                    models=None if entry.models is None else frozenset(entry.models),
                    slots=None if entry.slots is None else frozenset(entry.slots),
                    requests_per_minute=entry.requests_per_minute,
                    team=entry.team,
                ),
                self._secrets[entry.key_env],
            )
            for entry in self.key_entries
            if entry.key_env in self._secrets
        )

    def secret(self, variable: str | None) -> Secret | None:
        """The value of an environment variable that the file names. None: not named, or not set (lenient only)."""
        return None if variable is None else self._secrets.get(variable)

    @property
    def cache_directory(self) -> Path:
        """Where stored answers live; may not exist yet."""
        return self._directory(self._cache_home) / "responses"

    @property
    def teams_store(self) -> Path:
        """Where teams keep probes, trials and the charter's log: SQLite, beside the ledger's file where it has one."""
        store = self.state_store
        if isinstance(store, Path):
            return store.with_name(f"{store.stem}-teams.db")
        return self._directory(self._state_home) / "teams.db"

    @property
    def state_store(self) -> Path | str:
        """The SQLite file, or the Redis URL without its password.

        `sqlite:///var/x.db` and `sqlite:////var/x.db` both mean /var/x.db; a path that starts with . or ~ is relative
        to the working directory or to the home. Simulated money is kept apart from real money.
        """
        url = self.state.url
        if url is None:
            return self._directory(self._state_home) / ("simulated.db" if self.simulated else "state.db")
        if not url.startswith("sqlite:"):
            return url
        path = unquote(urlsplit(url).path).lstrip("/")
        return (Path(path).expanduser() if path.startswith((".", "~")) else Path("/" + path)).absolute()

    @property
    def certificates(self) -> Path:
        """Where `levelhead certify` leaves what it issued; may not exist."""
        return self._directory(self._state_home) / "certificates.json"

    def _directory(self, home: Path) -> Path:
        return home if self.cache.directory is None else Path(self.cache.directory).expanduser().absolute()

    def check_bind(self, host: str) -> None:
        """Raises `ConfigError` where `host` lets strangers in and nothing keeps them out."""
        if is_loopback(host):
            return
        wanting = [
            f"{path}: required to serve on {host!r}, which other machines can reach; {mend}"
            for path, missing, mend in (
                ("keys", not self.key_entries, "name at least one key, or serve on 127.0.0.1"),
                ("server.admin_key_env", self.server.admin_key_env is None, "it guards metrics and dashboard"),
            )
            if missing
        ]
        if wanting:
            raise ConfigError("\n".join(wanting), param=wanting[0].partition(":")[0])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. A name that isn't surely local counts as public."""
    name = host.strip().removeprefix("[").removesuffix("]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # reserved for loopback by RFC 6761
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def nanos(usd: Decimal) -> Nanos:
    """Exact: the file allows nine decimal places."""
    return int(usd * NANOS_PER_USD)
