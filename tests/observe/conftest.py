import pytest

from levelhead.types import Assessment, Attempt, Decision, Identity, Key, Level, Model, Price, Reason, Record, Usage

PRICE = Price(1e-6, 2e-6, 1e-7, 1e-6, 1e-6)
FAST = Model("fast", "efficient", 0, "openai", "v4-flash", PRICE)
BEST = Model("best", "strong", 1, "anthropic", "sonnet", PRICE)


@pytest.fixture(scope="session")
def models():
    return [FAST, BEST]


@pytest.fixture(scope="session")
def make_record():
    """A record of an ordinary answer; `chosen` and `reason` make its decision (chosen None: no decision)."""

    def make(chosen=FAST, reason=Reason.QUALITY_MET, level=Level.L2, **changes):
        decision = None
        if chosen is not None:
            assessment = Assessment(level, 0.3, 0.7, {})
            decision = Decision(chosen, reason, 0.1, 0.2, (), (), assessment, 100)
        fields = {
            "id": "dec_1",
            "at": 1_700_000_000.0,
            "identity": Identity(Key("team-a"), slot="critic", run="r1"),
            "outcome": "ok",
            "decision": decision,
            "level": level,
            "model": chosen,
            "usage": Usage(input=10, cached_input=20, cache_write=3, cache_write_1h=4, output=5, reasoning=2),
            "cost_usd": 0.001,
            "baseline_usd": 0.01,
            "cache": "miss",
            "attempts": (Attempt("fast", "ok"),),
            "decision_seconds": 0.0003,
            "overhead_seconds": 0.0004,
            "first_byte_seconds": 0.8,
            "total_seconds": 1.5,
            "slot_label": "critic",
        }
        return Record(**{**fields, **changes})

    return make
