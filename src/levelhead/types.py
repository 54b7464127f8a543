"""The vocabulary: frozen values that every room shares.

Money inside levelhead is a whole number of nanodollars (1e-9 USD), so that ledgers add up exactly; anything shown to a
person or a client is USD as a float. Times are Unix seconds, durations seconds, sizes bytes, texts tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Literal, TypeVar, dataclass_transform

T = TypeVar("T")
Json = Mapping[str, Any]
Dialect = Literal["chat", "responses", "messages"]
Wire = Literal["openai", "anthropic", "litellm", "simulated"]
Nanos = int
NANOS_PER_USD = 1_000_000_000


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A frozen dataclass of which each request makes some: frozen for the type checker, and only for it.

    The guard of a real one costs 0.1 us a field, which is 15 us a request.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


class Level(IntEnum):
    """Difficulty after arXiv:2603.28990, section III-C."""

    L1 = 1  # single-domain: one domain, 3-5 steps, no dependencies
    L2 = 2  # cross-domain: two domains, 5-10 steps, knowledge to integrate
    L3 = 3  # multi-phase: three or more domains, 10-20 dependent steps
    L4 = 4  # adversarial: conflicting stakeholders, incomplete information, no single correct answer

    def __str__(self) -> str:
        return self.name


class Need(StrEnum):
    """What a request can't do without; a model that lacks it is not eligible."""

    VISION = "vision"
    AUDIO = "audio"
    DOCUMENTS = "documents"
    TOOLS = "tools"
    FORCED_TOOL = "forced_tool"
    CUSTOM_TOOLS = "custom_tools"
    JSON_SCHEMA = "json_schema"
    CHOICES = "choices"  # n > 1
    LOGPROBS = "logprobs"
    LOGIT_BIAS = "logit_bias"


class Reason(StrEnum):
    """Why a model was chosen: the `reason` of a decision, a bounded metric label."""

    PINNED = "pinned"  # the client named the model or the tier
    ONLY_ELIGIBLE = "only_eligible"  # slot limits and capabilities leave one tier
    QUALITY_MET = "quality_met"  # the cheaper model keeps the quality target
    UPLIFT = "uplift"  # the dearer model is worth its price here
    BUDGET = "budget"  # money ruled out what would have been chosen
    FALLBACK = "fallback"  # the chosen model failed; this one answered
    CACHE = "cache"  # answered before


class Secret:
    """A string that shows itself only when asked by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"


@dataclass(frozen=True, slots=True)
class Price:
    """USD per token. `per_image` bounds one image in input tokens."""

    input: float
    output: float
    cached_input: float
    cache_write: float
    cache_write_1h: float
    long_context_tokens: int | None = None  # above this much input, the two factors apply to the whole request
    long_input_factor: float = 1.0
    long_output_factor: float = 1.0
    off_peak: OffPeak | None = None


@dataclass(frozen=True, slots=True)
class OffPeak:
    """A cheaper tariff by the clock, UTC. `windows`: (ISO weekdays, first minute of day, last minute of day)."""

    input: float
    output: float
    cached_input: float
    windows: tuple[tuple[frozenset[int], int, int], ...]


@dataclass(frozen=True, slots=True)
class Capabilities:
    context_tokens: int = 128_000
    max_output_tokens: int = 8_192
    offers: frozenset[Need] = frozenset()
    sampling: bool = True  # accepts temperature, top_p
    thinking: Literal["none", "optional", "always"] = "none"
    prefill: bool = True  # accepts a conversation that ends on an assistant turn
    prompt_cache_min_tokens: int | None = None  # None: no prompt cache


@dataclass(frozen=True, slots=True)
class Model:
    """One deployment in a tier. `name` is the operator's, `upstream_model` the vendor's."""

    name: str
    tier: str
    tier_rank: int  # 0 is the cheapest tier
    wire: Wire
    upstream_model: str
    price: Price
    capabilities: Capabilities = field(default_factory=Capabilities)
    base_url: str | None = None
    api_key: Secret | None = None
    extra_headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in an agent team, as the operator declared it."""

    name: str
    floor: int | None = None  # lowest tier rank allowed
    ceiling: int | None = None  # highest tier rank allowed
    max_quality_loss: float | None = None  # None: the global goal
    max_output_tokens: int | None = None
    min_output_tokens: int = 256  # tight money may lower the cap of an answer to this, never below
    cascade: Literal["auto", "off", "always"] | None = None
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """`max_quality_loss`: how much mean quality (0..1) may be lost against always-strong."""

    max_quality_loss: float = 0.02
    confidence: float = 0.95
    uncertified: Literal["estimate", "strong"] = "estimate"


@dataclass(frozen=True, slots=True)
class Key:
    """Who pays. None in `models`, `slots`, `requests_per_minute` means no restriction."""

    name: str
    models: frozenset[str] | None = None
    slots: frozenset[str] | None = None
    requests_per_minute: int | None = None
    admin: bool = False


@value
class Identity:
    """Who asks, in which run, slot and conversation. Headers are hints: ids are namespaced by the key when used."""

    key: Key
    slot: str | None = None
    run: str | None = None
    session: str | None = None
    task: str | None = None


@value
class Chat:
    """One request, whatever dialect it came in.

    `messages` and `tools` are shaped like OpenAI chat completions (with Anthropic's extras kept as extra keys); `body`
    is the client's own JSON object, read and never changed, so that fields levelhead doesn't know travel untouched.
    """

    dialect: Dialect
    body: Json
    model: str
    messages: Sequence[Json]
    tools: Sequence[Json] = ()
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    output_cap: int | None = None  # the client's own, tokens
    temperature: float | None = None
    needs: frozenset[Need] = frozenset()
    text_bytes: int = 0  # everything that becomes text tokens: an upper bound on them, templates aside
    images: int = 0


@value
class Usage:
    """Tokens of one answer. The four kinds of input don't overlap; `output` includes `reasoning`."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        return self.input + self.cached_input + self.cache_write + self.cache_write_1h


@value
class Call:
    """What an upstream is asked: this chat, of this model, with this output cap (per choice) and this much time."""

    chat: Chat
    model: Model
    output_cap: int
    timeout: float  # seconds for the whole call
    request_id: str = ""
    forward_headers: tuple[tuple[str, str], ...] = ()  # the client's vendor headers that may travel on


@value
class Answer:
    """A whole answer: `body` is a chat.completion object; `raw` the bytes to send where they are already right."""

    body: dict[str, Any]
    usage: Usage
    finish: str  # OpenAI finish_reason of the first choice
    raw: bytes | None = None


@value
class Chunk:
    """One event of a streamed answer.

    `data` is a chat.completion.chunk; `raw` is its complete SSE frame in the upstream's own wire, where there is one.
    """

    data: dict[str, Any]
    raw: bytes | None = None


@value
class Assessment:
    """How hard, and how likely each model is to serve it well.

    `difficulty` 0..1 on the latent scale, `confidence` 0..1 that the level is right, `success` by model name 0..1.
    """

    level: Level
    difficulty: float
    confidence: float
    success: Mapping[str, float]
    features: Mapping[str, float] = field(default_factory=dict)


@value
class Candidate:
    """One model as the decision saw it. `why_not` names the first gate it failed."""

    model: Model
    success: float
    expected_cost_usd: float
    eligible: bool = True
    why_not: str | None = None


@value
class Decision:
    """The chosen model, why, and what else was possible. `ranking`: eligible candidates, best first."""

    model: Model
    reason: Reason
    expected_cost_usd: float
    baseline_cost_usd: float
    candidates: tuple[Candidate, ...]
    ranking: tuple[Model, ...]
    assessment: Assessment
    output_cap: int
    slot: str | None = None
    baseline: Model | None = None  # always-strong; the pinned model itself where the client named one

    @property
    def tier(self) -> str:
        return self.model.tier

    @property
    def level(self) -> Level:
        return self.assessment.level

    @property
    def success(self) -> Mapping[str, float]:
        return self.assessment.success


@value
class Scope:
    """A budget's address: `kind` key, team, run or slot, and the name inside it, namespaced by the key."""

    kind: Literal["key", "team", "run", "slot"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit the operator set. `name` None: every scope of that kind gets this much for itself.

    `per` None: for ever; "run": as long as the run lives (slot and run budgets).
    """

    kind: Literal["key", "team", "run", "slot"]
    amount: Nanos
    name: str | None = None
    per: Literal["hour", "day", "month", "run"] | None = None


@value
class Reservation:
    """Money set aside in every scope at once before a call. `id` makes settlement idempotent."""

    id: str
    scopes: tuple[Scope, ...]
    amount: Nanos
    windows: tuple[int, ...] = ()  # which window of each scope it was taken from


@dataclass(frozen=True, slots=True)
class Balance:
    """One scope's money now. `refills_at` is None where it never refills."""

    scope: Scope
    limit: Nanos
    spent: Nanos
    reserved: Nanos
    refills_at: float | None = None

    @property
    def remaining(self) -> Nanos:
        return max(0, self.limit - self.spent - self.reserved)


@value
class Attempt:
    """One call to one upstream and how it ended. `outcome`: ok, error, timeout, refused, cancelled."""

    model: str
    outcome: Literal["ok", "error", "timeout", "refused", "cancelled"]
    code: str = ""
    seconds: float = 0.0


@value
class Record:
    """Everything that is known when a request has ended: what metrics and the decision log are made from."""

    id: str
    at: float
    identity: Identity
    outcome: Literal["ok", "cached", "refused", "error", "cancelled"]
    decision: Decision | None = None
    level: Level | None = None  # known for cached answers too, which have no decision
    model: Model | None = None  # the one that answered: a fallback may differ from the decision
    usage: Usage = Usage()
    cost_usd: float = 0.0
    baseline_usd: float = 0.0
    cache: Literal["hit", "miss", "bypass"] = "bypass"
    cache_tier: str = ""
    attempts: tuple[Attempt, ...] = ()
    decision_seconds: float = 0.0
    overhead_seconds: float = 0.0
    first_byte_seconds: float | None = None
    total_seconds: float = 0.0
    error_code: str = ""
    slot_label: str = "none"  # a declared slot, "other" or "none": bounded


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the Python API gives back. `response` is an OpenAI chat.completion object."""

    text: str
    response: dict[str, Any]
    decision: Decision | None
    decision_id: str
    model: str
    level: Level | None
    cost_usd: float
    usage: Usage
    cache: Literal["hit", "miss", "bypass"]
