"""Spans of a real proxy at a real OTLP receiver, between the client's trace and the vendor's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from levelhead.testing import Refusal, Reply
from levelhead.types import Usage

from .house import Proxy, Vendors, eventually

service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}"
SECRET = "the swordfish is called Ada"


class Receiver:
    """Keeps every span that is sent to it."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert SECRET.encode() not in body
                for resource in service.ExportTraceServiceRequest.FromString(body).resource_spans:
                    receiver.services |= {
                        one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
                    }
                    receiver.spans += [span for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_spans_hang_together(receiver: Receiver, vendors: Vendors, tmp_path: Path) -> None:
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with Proxy(tmp_path, vendors, keys={"team": {}}, slots={"critic": {}}, extra_env=traced) as proxy:
        team, given = proxy.client("team"), {"traceparent": CLIENT.format(flags="01"), "tracestate": "vendor=x"}
        vendors.claude.script(Reply(text="a", usage=Usage(input=100, cached_input=10, cache_write=5, output=7)))
        said = team.chat(SECRET, model="claude-sonnet", headers={**given, "x-levelhead-slot": "critic"})
        assert said.status == 200
        (asked,) = vendors.claude.requests
        _, trace, parent, flags = asked.headers["traceparent"].split("-")
        assert asked.headers["tracestate"] == "vendor=x"
        (span,) = eventually(lambda: receiver.spans, "the span arrives")
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == tuple(CLIENT.split("-")[1:3])
        assert (span.trace_id.hex(), span.span_id.hex(), "01") == (trace, parent, flags)
        assert span.name == "chat claude-sonnet-5-5"
        assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 30e9
        known = attributes(span)
        assert known["gen_ai.operation.name"] == "chat"
        assert known["gen_ai.provider.name"] == "anthropic"
        assert (known["gen_ai.request.model"], known["gen_ai.response.model"]) == ("claude-sonnet", "claude-sonnet-5-5")
        assert (known["gen_ai.usage.input_tokens"], known["gen_ai.usage.output_tokens"]) == (115, 7)
        assert known["levelhead.slot"] == "critic"
        assert known["levelhead.cost_usd"] == pytest.approx(float(said.cost))
        assert known["levelhead.decision_id"] == said.headers["x-levelhead-decision-id"]
        assert [event.name for event in span.events] == ["levelhead.attempt"]
        assert receiver.services == {"levelhead"}

        # without a trace of the client's there is a new one; a broken header is none
        receiver.spans.clear()
        with team.stream(SECRET, model="deepseek-flash", headers={"traceparent": "00-zz-1-01"}) as stream:
            assert stream.text()
        (root,) = eventually(lambda: receiver.spans, "the stream's span arrives")
        _, trace, parent, _ = vendors.deepseek.requests[-1].headers["traceparent"].split("-")
        assert (root.trace_id.hex(), root.span_id.hex(), root.parent_span_id) == (trace, parent, b"")
        assert attributes(root)["gen_ai.provider.name"] == "deepseek"

        # who doesn't sample is told nothing of; a refusal is an error
        receiver.spans.clear()
        assert team.chat(SECRET, headers={"traceparent": CLIENT.format(flags="00")}).status == 200
        vendors.claude.script(Refusal(status=400, message="no"))
        assert team.chat(SECRET, model="claude-sonnet", headers=given).status >= 400
        (failed,) = eventually(lambda: receiver.spans, "the failure's span arrives")
        assert failed.status.code == failed.status.STATUS_CODE_ERROR
        assert attributes(failed)["error.type"]


def test_what_waits_is_handed_over_at_the_end(receiver: Receiver, vendors: Vendors, tmp_path: Path) -> None:
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    with Proxy(tmp_path, vendors, keys={"team": {}}, workers=2, extra_env=traced) as proxy:
        for _ in range(6):
            assert proxy.client("team").chat(SECRET).status == 200
        assert receiver.spans == []
        proxy.stop()
    assert len(receiver.spans) == 6


def test_a_receiver_that_is_away_costs_nothing(vendors: Vendors, tmp_path: Path) -> None:
    traced = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "0.5",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with Proxy(tmp_path, vendors, keys={"team": {}}, extra_env=traced) as proxy:
        for _ in range(20):
            assert proxy.client("team").chat(SECRET).status == 200
        assert SECRET not in proxy.log


def test_without_an_endpoint_there_is_no_trace(team: object, proxy: Proxy, vendors: Vendors) -> None:
    assert (
        proxy.client("team").chat(headers={"traceparent": CLIENT.format(flags="01")}, model="efficient").status == 200
    )
    assert all("traceparent" not in asked.headers for vendor in vendors.all for asked in vendor.requests)
