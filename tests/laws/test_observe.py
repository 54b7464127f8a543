"""Laws of the metrics, over any records."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse

from levelhead.observe.instruments import SHADOW_PATHS
from levelhead.observe.labels import AUDITS
from levelhead.observe.metrics import PrometheusObserver
from levelhead.types import Assessment, Attempt, Decision, Identity, Key, Level, Model, Price, Reason, Record, Usage
from levelhead.wire.history import KINDS as REPAIRS

PRICE = Price(1e-6, 2e-6, 1e-7, 1e-6, 1e-6)
FAST = Model("fast", "efficient", 0, "openai", "x", PRICE)
BEST = Model("best", "strong", 1, "openai", "x", PRICE)
STRAY = Model("stray", "nowhere", 0, "openai", "x", PRICE)
KNOWN = {
    *("critic", "none", "other", "fast", "best", "efficient", "strong", "key", "run", "slot"),
    *("ok", "cached", "refused", "error", "cancelled", "hit", "miss", "bypass", "dropped", "failed"),
    *("memory", "disk", "redis", "flight", "routing", "cache", "answer", "budget", "fallback", "cap", "good", "bad"),
    *("input", "cached_input", "cache_write", "output", "200", "429", "upstream_tls"),
    *("judged", "unreadable", "lost", "busy", "tight"),  # what became of an audit
    *REPAIRS,
    *AUDITS,
    *SHADOW_PATHS,
    *(reason.value for reason in Reason),
    *(level.name for level in Level),
}
usd = st.floats(0, 10)
word = st.text(max_size=12)


@st.composite
def records(draw):
    level = draw(st.sampled_from([None, *Level]))
    chosen = draw(st.sampled_from([FAST, BEST, STRAY]))
    decision = None
    if level is not None and draw(st.booleans()):
        reason = draw(st.sampled_from(list(Reason)))
        decision = Decision(chosen, reason, 0.1, 0.2, (), (), Assessment(level, 0.3, 0.7, {}), 100)
    return Record(
        id=draw(word),
        at=0.0,
        identity=Identity(Key("k"), slot=draw(word), run=draw(word), session=draw(word)),
        outcome=draw(st.sampled_from(["ok", "cached", "refused", "error", "cancelled"])),
        decision=decision,
        level=level,
        model=draw(st.sampled_from([FAST, BEST, STRAY, None])),
        usage=Usage(input=draw(st.integers(0, 9)), output=draw(st.integers(0, 9))),
        cost_usd=draw(usd),
        baseline_usd=draw(usd),
        cache=draw(st.sampled_from(["hit", "miss", "bypass"])),
        cache_tier=draw(word | st.sampled_from(["memory", "disk", "flight"])),
        first_byte_seconds=draw(st.none() | usd),
        slot_label=draw(word | st.sampled_from(["critic", "none", "other"])),
    )


codes = word | st.sampled_from(["200", "429", "upstream_tls"])


@given(st.lists(records(), max_size=8), st.lists(st.tuples(word, codes), max_size=8))
@settings(max_examples=40, deadline=None)
def test_no_request_makes_series_without_end_and_the_books_balance(some, attempts):
    observer = PrometheusObserver(models=[FAST, BEST], slots=["critic"])
    for model, code in attempts:
        observer.attempted(Attempt(model, "error", code))
        observer.cache_lost(model, "dropped")
    for record in some:
        observer.finished(record)
    page, _ = asyncio.run(observer.exposition())
    samples = [
        sample for family in parse(page.decode()) for sample in family.samples if sample.name.startswith("levelhead_")
    ]
    assert {
        value for sample in samples for label, value in sample.labels.items() if label not in ("le", "version")
    } <= KNOWN

    def total(name):
        return sum(sample.value for sample in samples if sample.name == "levelhead_" + name)

    assert total("requests_total") == total("overhead_seconds_count") == len(some)
    assert total("upstream_attempts_total") == len(attempts)
    net = total("saved_usd_total") - total("excess_usd_total")
    assert net == pytest.approx(total("baseline_cost_usd_total") - total("cost_usd_total"), abs=1e-9)
