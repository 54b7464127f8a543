"""OpenTelemetry spans after the GenAI conventions, where `levelhead[otel]` is installed and an endpoint is set.

A request's span is written when it has ended; its id is known from the start, so that what the vendor traces hangs
below it. No prompt, no answer. https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..types import Attempt, Chat, Record, Trace
from .labels import operation, provider

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger(__name__)

LAST_SECONDS = 5.0
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MOST_STATE = 512  # characters of a tracestate, which travels on unread
_SAMPLED = 1
_NANO = 1_000_000_000


class Tracing:
    """`ports.Observer` that hands spans to `exporter`, or where the environment's `OTEL_` variables say."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        class Ids(RandomIdGenerator):
            """Gives out what was decided when the request came in."""

            wanted = 0, 0

            def generate_trace_id(self) -> int:
                return self.wanted[0]

            def generate_span_id(self) -> int:
                return self.wanted[1]

        if exporter is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter()
        resource = Resource.create({SERVICE_VERSION: __version__})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "levelhead"}))
        self._ids = Ids()
        # closed by us: at exit it would wait for a receiver that is away
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("levelhead", __version__)

    @staticmethod
    def begin(headers: Mapping[str, str], id: str, chat: Chat) -> Trace:
        """The trace that a request belongs to: the client's by W3C's `traceparent`, else a new one."""
        given = _PARENT.fullmatch(headers.get("traceparent", "").strip())
        span = id[-16:]  # of a decision's id: random hexadecimal digits
        if given is None:
            return Trace(secrets.token_hex(16), span, "", _SAMPLED, "", chat.model)
        state = headers.get("tracestate", "")
        state = state if len(state) <= _MOST_STATE and state.isascii() and state.isprintable() else ""
        return Trace(given[1], span, given[2], int(given[3], 16), state, chat.model)

    def attempted(self, attempt: Attempt) -> None:
        pass

    def finished(self, record: Record) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        trace = record.trace
        if trace is None or not trace.flags & _SAMPLED:
            return
        self._ids.wanted = int(trace.trace_id, 16), int(trace.span_id, 16)
        began = int(record.at * _NANO)
        model = record.model
        span = self._tracer.start_span(
            f"{operation(record.dialect)} {trace.requested if model is None else model.upstream_model}",
            context=_context(trace),
            kind=SpanKind.CLIENT,
            attributes=_attributes(record, trace),
            start_time=began,
        )
        for attempt in record.attempts:
            told = {"model": attempt.model, "outcome": attempt.outcome, "code": attempt.code}
            span.add_event("levelhead.attempt", {**told, "seconds": attempt.seconds}, timestamp=began)
        if record.outcome in ("refused", "error", "cancelled"):
            span.set_status(Status(StatusCode.ERROR))
        span.end(end_time=began + int(record.total_seconds * _NANO))

    async def aclose(self) -> None:
        """Hands over what waits, within `LAST_SECONDS`."""
        last = threading.Thread(target=self._provider.force_flush, daemon=True)  # its own limit is not kept
        last.start()
        await asyncio.to_thread(last.join, LAST_SECONDS)


def open_tracing() -> Tracing | None:
    """None, said in the log, where the extra isn't installed."""
    try:
        return Tracing()
    except ImportError:
        log.warning("an OTLP endpoint is set, but there are no spans: pip install 'levelhead[otel]'")
        return None


def _context(trace: Trace) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

    if not trace.parent_id:
        return Context()
    state = TraceState.from_header([trace.state])
    ids = int(trace.trace_id, 16), int(trace.parent_id, 16)
    parent = SpanContext(*ids, is_remote=True, trace_flags=TraceFlags(trace.flags), trace_state=state)
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _attributes(record: Record, trace: Trace) -> dict[str, Any]:
    usage, decision, model = record.usage, record.decision, record.model
    told = {
        "gen_ai.operation.name": operation(record.dialect),
        "gen_ai.provider.name": provider(model),
        "gen_ai.request.model": trace.requested,
        "gen_ai.response.model": None if model is None else model.upstream_model,
        "gen_ai.conversation.id": record.identity.session,
        "error.type": record.error_code or None,
        "levelhead.decision_id": record.id,
        "levelhead.slot": record.identity.slot,
        "levelhead.run": record.identity.run,
        "levelhead.level": None if record.level is None else record.level.name,
        "levelhead.tier": None if model is None else model.tier,
        "levelhead.model": None if model is None else model.name,
        "levelhead.reason": None if decision is None else decision.said,
        "levelhead.outcome": record.outcome,
        "levelhead.cache": record.cache,
        "levelhead.cost_usd": record.cost_usd,
        "levelhead.baseline_usd": record.baseline_usd,
        "levelhead.first_byte_seconds": record.first_byte_seconds,
        "levelhead.overhead_seconds": record.overhead_seconds,
    }
    if record.outcome != "cached":
        told |= {
            "gen_ai.usage.input_tokens": usage.prompt,
            "gen_ai.usage.output_tokens": usage.output,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_input,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write + usage.cache_write_1h,
        }
    return {name: value for name, value in told.items() if value is not None}
