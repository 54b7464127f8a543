import io
import logging

import orjson
import pytest

from levelhead.observe import Fanout, RequestLog, configure_logging
from levelhead.types import Attempt, Identity, Key


@pytest.fixture
def lines():
    """`lines(json=…)` configures logging and gives a function that returns what was written."""
    root = logging.getLogger("levelhead")
    before = root.handlers, root.propagate, root.level

    def configure(**options):
        stream = io.StringIO()
        configure_logging(stream, **options)
        return lambda: stream.getvalue().split("\n")[:-1]

    yield configure
    root.handlers, root.propagate, root.level = before


def test_a_request_is_one_json_line(lines, make_record):
    written = lines()
    RequestLog().finished(make_record())
    (line,) = written()
    found = orjson.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "info",
        "event": "request",
        "id": "dec_1",
        "outcome": "ok",
        "key": "team-a",
        "slot": "critic",
        "run": "r1",
        "task_level": "L2",
        "reason": "quality_met",
        "model": "fast",
        "tier": "efficient",
        "cache": "miss",
        "attempts": 1,
        "input_tokens": 37,
        "output_tokens": 5,
        "cost_usd": 0.001,
        "baseline_usd": 0.01,
        "overhead_ms": 0.4,
        "first_byte_ms": 800.0,
        "total_ms": 1500.0,
    }


@pytest.mark.parametrize("json", [True, False])
def test_hostile_ids_stay_on_their_line(lines, make_record, json):
    written = lines(json=json)
    identity = Identity(Key("k"), run='r"\n\x1b[31mlevel=error\x9b\u2028', slot="s\r")
    RequestLog().finished(make_record(identity=identity))
    (line,) = written()
    assert json or line.isprintable()
    assert not {"\x1b", "\r", "\n"} & set(line)


def test_errors_warn_and_a_quiet_log_stays_quiet(lines, make_record):
    written = lines(json=False, level=logging.WARNING)
    RequestLog().finished(make_record())
    assert written() == []
    RequestLog().finished(make_record(outcome="error", error_code="upstream_timeout"))
    (line,) = written()
    assert " warning request id=dec_1 outcome=error error=upstream_timeout " in line


def test_other_lines_take_the_same_form(lines):
    written = lines(json=True)
    log = logging.getLogger("levelhead.cache.disk")
    try:
        raise OSError("no room")
    except OSError:
        log.exception("the cache is %s", "off")
    (line,) = written()
    found = orjson.loads(line)
    assert (found["level"], found["event"], found["logger"]) == ("error", "the cache is off", "levelhead.cache.disk")
    assert found["traceback"].endswith("OSError: no room")


class Listener:
    def __init__(self, error=None):
        self.heard = []
        self.error = error

    def attempted(self, attempt):
        self.heard.append(attempt)
        if self.error:
            raise self.error

    finished = attempted


def test_one_failing_observer_leaves_the_others_their_news(make_record, caplog):
    broken, well = Listener(ValueError("x")), Listener()
    both = Fanout(broken, well)
    record, attempt = make_record(), Attempt("fast", "ok")
    both.attempted(attempt)
    both.finished(record)
    assert broken.heard == well.heard == [attempt, record]
    said = [entry.message for entry in caplog.records if entry.name.startswith("levelhead")]
    assert said == ["Listener.attempted failed", "Listener.finished failed"]


def test_a_stream_that_fails_costs_no_answer(make_record):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    root = logging.getLogger("levelhead")
    before = root.handlers, root.propagate, root.level
    try:
        configure_logging(Full(), json=True)
        RequestLog().finished(make_record())
    finally:
        root.handlers, root.propagate, root.level = before


def test_a_program_s_own_handler_hears_of_requests_too(lines, make_record):
    written = lines(json=True)
    heard = []

    class Own(logging.Handler):
        def emit(self, record):
            heard.append(record)

    root, own = logging.getLogger("levelhead"), Own()
    alone = RequestLog()
    alone.finished(make_record())
    root.addHandler(own)
    try:
        alone.finished(make_record())
    finally:
        root.removeHandler(own)
    (record,) = heard
    assert (record.name, record.levelname, record.getMessage()) == ("levelhead.requests", "INFO", "request")
    first, second = (orjson.loads(line) for line in written())
    assert first.pop("time") <= second.pop("time")
    assert first == second == {"level": "info", "event": "request", **record.fields}
