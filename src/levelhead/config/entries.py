"""The sections of the configuration file, one class each: keys, types, defaults, allowed values.

Rules inside one section live here; rules between sections (a slot's floor is a tier) live in `rules.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from ..types import TeamProtocol, Wire

LARGEST_USD = Decimal(1_000_000_000)  # a ledger counts nanodollars in 64 bits
DEFAULT_BASE_URL: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
}
CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"})
STATE_SCHEMES = ("sqlite", "redis", "rediss")


def _name(value: str) -> str:
    if not value.isprintable() or value != value.strip() or not value:
        raise ValueError("should be a name: printable, not empty, no spaces around it")
    return value


def _env_name(value: str) -> str:
    # The value stays out of the message: someone may have put the secret itself here.
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("should be the name of an environment variable, not a value")
    return value


def _header_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", value):
        raise ValueError("is no header name")
    if value.lower() in CREDENTIAL_HEADERS:
        raise ValueError("carries a credential: use api_key_env")
    return value.lower()


def _header_value(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("should be printable ASCII")
    return value


Name = Annotated[str, Field(max_length=128), AfterValidator(_name)]
EnvName = Annotated[str, AfterValidator(_env_name)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Usd = Annotated[Decimal, Field(ge=0, le=LARGEST_USD, decimal_places=9, allow_inf_nan=False)]
PerMillion = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Cascade = Literal["auto", "off", "always"]


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _null_is_unset(cls, data: Any) -> Any:
        return {k: v for k, v in data.items() if v is not None} if isinstance(data, Mapping) else data


class ServerEntry(Entry):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8100
    workers: Count = 1
    admin_key_env: EnvName | None = None
    metrics_token_env: EnvName | None = None


class TimeoutsEntry(Entry):
    """Seconds."""

    connect: Seconds = 5
    first_byte: Seconds = 120
    idle: Seconds = 60
    total: Seconds = 600


class LimitsEntry(Entry):
    """What one worker process takes on at once; what comes beyond it waits `wait` seconds for its turn."""

    in_flight: Count = 1000
    in_flight_per_key: Count = 500
    in_flight_per_upstream: Count = 500
    waiting: Annotated[int, Field(ge=0)] = 1000
    wait: Seconds = 10
    connections: Count = 4000


class KeyEntry(Entry):
    name: Name
    key_env: EnvName
    models: tuple[str, ...] | None = None
    slots: tuple[str, ...] | None = None
    team: Name | None = None
    requests_per_minute: Count | None = None


class PriceEntry(Entry):
    """USD per million tokens; None: what the price table says."""

    input: PerMillion | None = None
    output: PerMillion | None = None
    cached_input: PerMillion | None = None
    cache_write: PerMillion | None = None
    cache_write_1h: PerMillion | None = None


class CapabilitiesEntry(Entry):
    """Overrides; None: what the capability table says."""

    context_tokens: Count | None = None
    max_output_tokens: Count | None = None
    sampling: bool | None = None
    thinking: Literal["none", "optional", "always"] | None = None
    prefill: bool | None = None
    prompt_cache_min_tokens: Annotated[int, Field(ge=0)] | None = None
    vision: bool | None = None
    audio: bool | None = None
    documents: bool | None = None
    tools: bool | None = None
    forced_tool: bool | None = None
    custom_tools: bool | None = None
    json_schema: bool | None = None
    choices: bool | None = None
    logprobs: bool | None = None
    logit_bias: bool | None = None
    embeddings: bool | None = None
    anthropic_features: bool | None = None


class ModelEntry(Entry):
    tier: str
    wire: Wire
    model: Annotated[str, Field(min_length=1)]
    base_url: str | None = None
    api_key_env: EnvName | None = None
    price: PriceEntry = PriceEntry()
    capabilities: CapabilitiesEntry = CapabilitiesEntry()
    extra_headers: Mapping[HeaderName, HeaderValue] = {}

    @model_validator(mode="before")
    @classmethod
    def _vendor_url(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("base_url") is not None:
            return data
        return {**data, "base_url": DEFAULT_BASE_URL.get(str(data.get("wire")))}

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        return value if value is None else plain_url(value)


class GoalEntry(Entry):
    max_quality_loss: Share = 0.02
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    uncertified: Literal["estimate", "strong"] = "estimate"


class SlotEntry(Entry):
    floor: str | None = None
    ceiling: str | None = None
    max_quality_loss: Share | None = None
    max_output_tokens: Count | None = None
    min_output_tokens: Count = 256
    cascade: Cascade | None = None
    latency_ms: Count | None = None

    @field_validator("min_output_tokens", mode="after")
    @classmethod
    def _within_maximum(cls, value: int, info: Any) -> int:
        most = info.data.get("max_output_tokens")
        if most is not None and value > most:
            raise ValueError(f"should not be more than max_output_tokens ({most})")
        return value


class BudgetEntry(Entry):
    scope: Literal["key", "team", "run", "slot"]
    usd: Usd
    name: Name | None = None
    per: Literal["hour", "day", "month", "run"] | None = None

    @field_validator("per", mode="after")
    @classmethod
    def _per_run(cls, value: str | None, info: Any) -> str | None:
        if value == "run" and info.data.get("scope") in ("key", "team"):
            raise ValueError("'run' is for run and slot budgets; a key or team outlives its runs")
        return value


class CacheEntry(Entry):
    """`ttl_seconds` 0: off."""

    ttl_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 3600
    when: Literal["deterministic", "always"] = "deterministic"
    directory: Annotated[str, Field(min_length=1)] | None = None
    max_bytes: Annotated[int, Field(ge=0)] = 1_000_000_000


class StateEntry(Entry):
    url: str | None = None
    password_env: EnvName | None = None

    @field_validator("url")
    @classmethod
    def _known_store(cls, value: str | None) -> str | None:
        return value if value is None else state_url(value)


class AuditEntry(Entry):
    rate: Share = 0.02
    usd_per_day: Usd = Decimal(1)
    judge: str | None = None


class CheckEntry(Entry):
    """How drafts are checked besides by what they are: a model that compares free texts, and the user's own hooks."""

    comparator: str | None = None
    url: str | None = None
    runner: str | None = None
    key_env: EnvName | None = None
    seconds: Seconds = 10

    @field_validator("url", "runner")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        return value if value is None else plain_url(value)


class ShadowEntry(Entry):
    serve: str | None = None


class CharterEntry(Entry):
    """`bounds`: for each ring-3 setting the least and the most it may tune itself to; `protocols`: those allowed."""

    mission: str | None = None
    values: tuple[str, ...] = ()
    bounds: Mapping[Literal["quality_threshold", "pacing", "batch_size"], tuple[float, float]] = {}
    protocols: tuple[TeamProtocol, ...] = ()

    @field_validator("bounds")
    @classmethod
    def _ordered(cls, value: Mapping[str, tuple[float, float]]) -> Mapping[str, tuple[float, float]]:
        for name, (least, most) in value.items():
            if not least <= most:
                raise ValueError(f"{name}: the first bound should not be above the second")
        return value


def plain_url(value: str) -> str:
    """An http(s) URL with a host and nothing secret in it, without its trailing slash."""
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError("should be a URL like https://host/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or re.search(r"\s", value):
        raise ValueError("should be a URL like https://host/v1")
    if "@" in parts.netloc:
        raise ValueError("should not hold credentials: use api_key_env")
    if parts.query or parts.fragment:
        raise ValueError("should not hold a query or a fragment")
    return value.rstrip("/")


def state_url(value: str) -> str:
    """`sqlite:///path`, `redis://host:port/db` or `rediss://…`; a password comes by `password_env`."""
    try:
        parts = urlsplit(value)
        password, host, _ = parts.password, parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in STATE_SCHEMES:
        raise ValueError("should be sqlite:///path or redis://host:port/db (rediss:// for TLS)")
    if parts.scheme == "sqlite":
        if host or not parts.path.strip("/"):
            raise ValueError("should be sqlite:///path")
        return value
    if not host or not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("should be redis://host:port/db")
    if password is not None:
        raise ValueError("should not hold a password: use password_env")
    return value
