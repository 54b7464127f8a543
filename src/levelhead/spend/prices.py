"""Prices per model, from litellm's own table: read as a data file, once, without importing litellm (5-10 s)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from ..errors import ConfigError
from ..types import Capabilities, Need, Price, Wire
from .capabilities import capabilities_of, generic_capabilities
from .tariffs import price_of

_TABLE = "model_prices_and_context_window_backup.json"
_MILLION = 1_000_000

# The table's name for who is behind a public address: its entries are called `<provider>/<model>`.
_PROVIDERS: Mapping[str, str] = {
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.deepinfra.com": "deepinfra",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks_ai",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshot",
    "api.novita.ai": "novita",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together_ai",
    "api.x.ai": "xai",
    "dashscope-intl.aliyuncs.com": "dashscope",
    "dashscope.aliyuncs.com": "dashscope",
    "generativelanguage.googleapis.com": "gemini",
    "openrouter.ai": "openrouter",
}
_ENDINGS = re.compile(r"(-\d{8}|-\d{4}-\d{2}-\d{2}|-latest|@\w{1,16}|-v\d{1,2}(:\d)?|-\d{4})$")
_DATED = re.compile(r"-(20\d{6}|20\d{2}-\d{2}-\d{2})(-v\d{1,2}(:\d)?)?$")


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of one model before the operator has a say."""

    price: Price
    capabilities: Capabilities


def lookup(upstream_model: str, wire: Wire, base_url: str | None) -> Listing | None:
    """The table's price and the vendor's capabilities for a model, or None where the table has no price for it.

    Tries the exact name, the provider's prefix with it and without it, and the name without its date or version.
    """
    provider = _provider(wire, base_url)
    for name in _names(upstream_model, provider):
        entry = _table().get(name)
        price = price_of(entry) if entry is not None else None
        if entry is not None and price is not None:
            own = str(entry.get("litellm_provider", ""))
            # A vendor's own model keeps its vendor's limits behind any address: a gateway lifts none.
            known = wire == "litellm" or provider or own in ("anthropic", "deepseek", "openai")
            return Listing(price, capabilities_of(entry, own if known else "", upstream_model, wire))
    return None


def listing_for(
    name: str,
    upstream_model: str,
    wire: Wire,
    base_url: str | None = None,
    *,
    price: Mapping[str, float | None] | None = None,
    capabilities: Mapping[str, Any] | None = None,
) -> Listing:
    """The listing of the configured model `name`: the table's, with the operator's word over it.

    Raises `ConfigError` naming `models.<name>.price` where neither knows what the model costs.
    """
    listing = lookup(upstream_model, wire, base_url)
    path = f"models.{name}.price"
    if listing is None:
        missing = [field for field in ("input", "output") if (price or {}).get(field) is None]
        if missing:
            at = path if len(missing) == 2 else f"{path}.{missing[0]}"
            raise ConfigError(
                f"{at}: required, the price table doesn't know {upstream_model!r}: "
                "{input: …, output: …} in USD per million tokens",
                param=at,
            )
        listing = _unlisted(upstream_model, wire, _provider(wire, base_url))
    return with_overrides(listing, price, capabilities, path=path)


def _unlisted(model: str, wire: Wire, provider: str) -> Listing:
    """Proportions of a price that the operator gives: Claude charges for cache writes wherever it runs."""
    write, write_1h = (1.25, 2.0) if "claude" in model.lower() else (1.0, 1.0)
    price = Price(input=1.0, output=1.0, cached_input=1.0, cache_write=write, cache_write_1h=write_1h)
    return Listing(price, generic_capabilities(model, wire, provider))


def with_overrides(
    listing: Listing,
    price: Mapping[str, float | None] | None = None,
    capabilities: Mapping[str, Any] | None = None,
    *,
    path: str = "price",
) -> Listing:
    """`price` in USD per million tokens: input, output, cached_input, cache_write, cache_write_1h; None is unsaid.

    A changed `input` takes the unsaid input rates along in the table's proportions (a discount stays one for cached
    tokens); a price by hand has no off-peak tariff. `capabilities` are fields of `Capabilities`, or needs by name with
    a boolean. Raises `ConfigError` naming the field.
    """
    said = {field: rate for field, rate in (price or {}).items() if rate is not None}
    for field, rate in said.items():
        if field not in ("input", "output", "cached_input", "cache_write", "cache_write_1h"):
            raise ConfigError(f"{path}.{field}: unknown key", param=path)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not isfinite(rate) or rate < 0:
            raise ConfigError(f"{path}.{field}: should be a number of USD per million tokens, 0 or more", param=path)
    return Listing(
        _priced_by_hand(listing.price, said) if said else listing.price,
        _said_of(listing.capabilities, capabilities or {}),
    )


def _priced_by_hand(known: Price, said: Mapping[str, float]) -> Price:
    rates = {field: rate / _MILLION for field, rate in said.items()}
    base = rates.get("input", known.input)

    def along(rate: float) -> float:
        return rate * base / known.input if known.input else base

    return replace(
        known,
        input=base,
        output=rates.get("output", known.output),
        cached_input=rates.get("cached_input", along(known.cached_input)),
        cache_write=rates.get("cache_write", along(known.cache_write)),
        cache_write_1h=rates.get("cache_write_1h", max(along(known.cache_write_1h), rates.get("cache_write", 0.0))),
        off_peak=None,
    )


def _said_of(known: Capabilities, said: Mapping[str, Any]) -> Capabilities:
    fields = {name: value for name, value in said.items() if value is not None}
    offers = set(known.offers)
    for need in Need:
        offered = fields.pop(need.value, None)
        if offered is not None:
            (offers.add if offered else offers.discard)(need)
    return replace(known, offers=frozenset(offers), **fields)


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return {}
    table: dict[str, dict[str, Any]] = orjson.loads((Path(spec.submodule_search_locations[0]) / _TABLE).read_bytes())
    table.pop("sample_spec", None)
    return table


def _provider(wire: Wire, base_url: str | None) -> str:
    """The table's name for who is behind an address; "" for an address it doesn't know."""
    if base_url is None:
        return wire if wire in ("anthropic", "openai") else ""
    return _PROVIDERS.get(urlsplit(base_url).hostname or "", "")


def _names(model: str, provider: str) -> Iterator[str]:
    """Every key under which the table may have `model`, the likeliest first."""
    spellings = [model]
    while (shorter := _ENDINGS.sub("", spellings[-1])) != spellings[-1]:
        spellings.append(shorter)
    names = []
    for spelling in spellings:
        if provider:
            names.append(f"{provider}/{spelling}")
        names.append(spelling)
        prefix, _, rest = spelling.partition("/")
        if prefix in ("openai", "anthropic", "deepseek", "bedrock", "azure", "vertex_ai", "gemini"):
            names.append(rest)
            names.append(rest.rpartition("/")[2])  # bedrock/<region>/<model>, bedrock/converse/<model>
    yield from names
    for name in names:
        yield from sorted(
            (key for key in _table() if key.startswith(name) and _DATED.match(key, len(name))), reverse=True
        )
