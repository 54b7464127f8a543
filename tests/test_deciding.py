"""Steps 4 and 5 with real prices: which model, at which cap, and what is said when none can serve."""

import pytest

from levelhead.deciding import DEFAULT_OUTPUT_CAP, Decider, Question
from levelhead.errors import InvalidRequest, NotCapable, PermissionDenied
from levelhead.spend import lookup
from levelhead.types import NANOS_PER_USD, Assessment, Chat, Goal, Key, Level, Model, Need, Reason, Slot

KEY = Key("k")


def model(name, tier, rank, wire):
    listing = lookup(name, wire, None)
    return Model(name, tier, rank, wire, name, listing.price, listing.capabilities)


FLASH = model("deepseek-v4-flash", "efficient", 0, "openai")
SONNET = model("claude-sonnet-5-5", "strong", 1, "anthropic")
BOTH = (FLASH, SONNET)


class Quality:
    """Predicts what it is told to."""

    def __init__(self, weak, strong, threshold=0.05):
        self.success = {FLASH.name: weak, SONNET.name: strong}
        self.limit = threshold

    def assess(self, chat, models):
        return Assessment(Level.L2, 0.4, 0.8, self.success)

    def threshold(self, max_quality_loss, models=None):
        return self.limit * max_quality_loss / 0.02


def chat(text="hello", **fields):
    return Chat("chat", {}, "auto", [{"role": "user", "content": text}], text_bytes=len(text) + 40, **fields)


def decide(
    quality=None, asked=None, *, slot=None, goal=None, remaining=None, pool=BOTH, pinned=False, key=KEY, ok=None
):
    decider = Decider(quality or Quality(0.9, 0.91), BOTH, goal or Goal(), ok or (lambda name: True))
    asked = asked or chat()
    question = Question(asked, key, pool, slot, pinned, remaining, 0.0)
    return decider.decide(question, decider.assess(asked))


def usd(amount):
    return int(amount * NANOS_PER_USD)


@pytest.mark.parametrize(
    ("weak", "strong", "chosen", "reason"),
    [
        (0.90, 0.91, FLASH, Reason.QUALITY_MET),
        (0.70, 0.95, SONNET, Reason.UPLIFT),
        (0.95, 0.90, FLASH, Reason.QUALITY_MET),
        (0.01, 0.02, FLASH, Reason.QUALITY_MET),  # both fail: the strong one would be money burnt
    ],
)
def test_the_uplift_decides(weak, strong, chosen, reason):
    decision = decide(Quality(weak, strong))
    assert (decision.model, decision.reason) == (chosen, reason)
    assert decision.expected_cost_usd <= decision.baseline_cost_usd
    assert decision.ranking[0] is chosen
    assert len(decision.ranking) == 2


def test_a_slot_has_its_own_target_floor_and_ceiling():
    some = Quality(0.85, 0.91)
    assert decide(some).model is SONNET
    assert decide(some, slot=Slot("easy", max_quality_loss=0.1)).model is FLASH
    assert decide(some, slot=Slot("cheap", ceiling=0)).reason is Reason.ONLY_ELIGIBLE
    assert decide(some, slot=Slot("cheap", ceiling=0)).model is FLASH
    assert decide(Quality(0.9, 0.9), slot=Slot("critic", floor=1)).model is SONNET


def test_without_a_certificate_a_cautious_operator_stays_strong():
    goal = Goal(uncertified="strong")
    strong = decide(Quality(0.99, 0.90), goal=goal)
    assert strong.ranking == (SONNET, FLASH)  # the other is there for when it fails
    thrifty = decide(Quality(0.99, 0.90), goal=goal, remaining=usd(0.05))
    assert (thrifty.model, thrifty.reason) == (FLASH, Reason.BUDGET)


def test_a_pinned_model_is_used_as_asked():
    decision = decide(Quality(0.9, 0.9), pool=(SONNET,), pinned=True, slot=Slot("cheap", ceiling=0))
    assert (decision.model, decision.reason, decision.baseline) == (SONNET, Reason.PINNED, SONNET)


def test_money_pushes_to_the_cheaper_tier_then_to_a_lower_cap():
    some = Quality(0.5, 0.95)
    assert decide(some).model is SONNET
    cheaper = decide(some, remaining=usd(0.02))
    assert (cheaper.model, cheaper.reason, cheaper.output_cap) == (FLASH, Reason.BUDGET, DEFAULT_OUTPUT_CAP)
    lower = decide(some, remaining=usd(0.002))
    assert (lower.model, lower.reason) == (FLASH, Reason.BUDGET)
    assert 256 <= lower.output_cap < DEFAULT_OUTPUT_CAP
    nothing = decide(some, remaining=0)
    assert (nothing.model, nothing.output_cap) == (FLASH, 256)  # the reservation will refuse it, and name the budget


def test_the_cap_is_the_least_of_client_slot_and_model():
    slot = Slot("s", max_output_tokens=2_000)
    assert decide(asked=chat(output_cap=100)).output_cap == 100
    assert decide(slot=slot).output_cap == 2_000
    assert decide(slot=Slot("essayist", max_output_tokens=16_000)).output_cap == 16_000
    assert decide(asked=chat(output_cap=100), slot=slot).output_cap == 100
    assert decide(asked=chat(output_cap=10**9)).output_cap == FLASH.capabilities.max_output_tokens


def test_needs_steer_to_a_model_that_can():
    schema = decide(asked=chat(needs=frozenset({Need.JSON_SCHEMA})))
    assert schema.model is SONNET
    assert [c.why_not for c in schema.candidates] == ["lacks_json_schema", None]
    with pytest.raises(NotCapable) as refused:
        decide(asked=chat(needs=frozenset({Need.AUDIO})))
    assert refused.value.param == "messages"
    assert "audio" in refused.value.message


def test_what_keeps_every_model_out_is_named():
    with pytest.raises(InvalidRequest) as long:
        decide(asked=chat("x" * 8_000_000))
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(PermissionDenied):
        decide(key=Key("k", models=frozenset({"other"})))
    with pytest.raises(NotCapable):
        decide(slot=Slot("strong-only", floor=1), pool=(FLASH,))


def test_a_resting_model_is_passed_over_unless_it_is_all_there_is():
    assert decide(ok=lambda name: name != FLASH.name).model is SONNET
    assert decide(ok=lambda name: False).model is FLASH


def test_an_embedder_has_no_say_in_the_target():
    """It answers nothing, and would pass for the best of the cheapest tier or the worst."""
    seen = []

    class Pair(Quality):
        def threshold(self, max_quality_loss, models=None):
            seen.append([one.name for one in models])
            return 0.05

    embedder = model("text-embedding-3-small", "efficient", 0, "openai")
    assert Need.EMBEDDINGS in embedder.capabilities.offers
    decider = Decider(Pair(0.9, 0.91), (embedder, *BOTH), Goal(), lambda name: True)
    asked = chat()
    decider.decide(Question(asked, KEY, BOTH, None, False, None, 0.0), decider.assess(asked))
    assert seen == [[FLASH.name, SONNET.name]]
