"""The two histograms of OpenTelemetry's GenAI conventions that a client's side has, by their Prometheus names.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
"""

from __future__ import annotations

from collections.abc import Iterable

from ..types import Model, Record
from .counts import Counting
from .labels import OTHER, operation, provider

_LABELS = "gen_ai_operation_name gen_ai_provider_name gen_ai_request_model gen_ai_response_model"
_TOKENS = tuple(4.0**n for n in range(14))
_SECONDS = tuple(0.01 * 2**n for n in range(14))
_ERRORS = ("refused", "error", "cancelled")


class GenAi:
    """`models`: the configured ones. The model that was asked for is what the vendor was asked for: a client's own
    word would make series without end."""

    def __init__(self, counting: Counting, models: Iterable[Model]) -> None:
        self._tokens = counting.histogram(
            "gen_ai_client_token_usage", f"{_LABELS} gen_ai_token_type", "Input and output tokens of a request", _TOKENS
        )
        self._duration = counting.histogram(
            "gen_ai_client_operation_duration_seconds", f"{_LABELS} error_type", "Duration of a request", _SECONDS
        )
        self._served = {m.name: (provider(m), m.upstream_model, m.upstream_model) for m in models}
        for served in self._served.values():
            self._duration.seed(("chat",), *((one,) for one in served), ("",))

    def add(self, record: Record) -> None:
        """Of what a model was asked; a stored answer asks none."""
        model = record.model
        if model is None or record.outcome == "cached":
            return
        about = (operation(record.dialect), *self._served.get(model.name, (OTHER, OTHER, OTHER)))
        self._duration.add((*about, record.outcome if record.outcome in _ERRORS else ""), record.total_seconds)
        if record.usage.prompt:
            self._tokens.add((*about, "input"), record.usage.prompt)
        if record.usage.output:
            self._tokens.add((*about, "output"), record.usage.output)
