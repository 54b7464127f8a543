"""Costs against litellm's own `completion_cost`, over real usage blocks. The one test file that imports litellm."""

from datetime import UTC, datetime

import pytest

from levelhead.spend import cost, lookup
from levelhead.types import Usage

PEAK = datetime(2026, 11, 24, 2, tzinfo=UTC)
CHEAP = datetime(2026, 11, 24, 12, tzinfo=UTC)
SHORT = Usage(input=1_234, output=567, reasoning=89)
CACHED = Usage(input=321, cached_input=45_678, output=1_009)
WRITTEN = Usage(input=12, cached_input=9_876, cache_write=2_345, output=678)
BOTH_WRITTEN = Usage(input=12, cached_input=9_876, cache_write=2_345, cache_write_1h=1_111, output=678)
LONG = Usage(input=150_001, cached_input=200_000, cache_write=7_777, output=4_321, reasoning=4_000)


@pytest.fixture(scope="module")
def litellm():
    with pytest.MonkeyPatch.context() as env:
        env.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # the table that is installed, not one from the network
        return pytest.importorskip("litellm")


def theirs(litellm, model, provider, usage, when):
    from litellm._internal_context import pinned_billing_time
    from litellm.types.utils import CacheCreationTokenDetails, PromptTokensDetailsWrapper

    written = usage.cache_write + usage.cache_write_1h
    details = PromptTokensDetailsWrapper(
        cached_tokens=usage.cached_input,
        cache_creation_tokens=written,
        cache_creation_token_details=CacheCreationTokenDetails(
            ephemeral_5m_input_tokens=usage.cache_write, ephemeral_1h_input_tokens=usage.cache_write_1h
        ),
    )
    counted = litellm.Usage(
        prompt_tokens=usage.prompt,
        completion_tokens=usage.output,
        total_tokens=usage.prompt + usage.output,
        prompt_tokens_details=details,
        reasoning_tokens=usage.reasoning,
        cache_read_input_tokens=usage.cached_input,
        cache_creation_input_tokens=written,
    )
    response = litellm.ModelResponse(model=model, usage=counted)
    with pinned_billing_time(when):
        return litellm.completion_cost(response, model=model, custom_llm_provider=provider)


@pytest.mark.parametrize("when", [PEAK, CHEAP], ids=["peak", "cheap"])
@pytest.mark.parametrize(
    ("model", "provider", "usages"),
    [
        ("deepseek-flash", "deepseek", (SHORT, CACHED)),
        ("deepseek-v4-pro", "deepseek", (SHORT, CACHED)),
        ("claude-opus-5-5", "anthropic", (SHORT, CACHED, WRITTEN, BOTH_WRITTEN, LONG)),
        ("claude-sonnet-5-5", "anthropic", (SHORT, CACHED, WRITTEN, BOTH_WRITTEN, LONG)),
        ("claude-fable-5-1", "anthropic", (SHORT, WRITTEN)),
        ("claude-haiku-5-5", "anthropic", (SHORT, BOTH_WRITTEN, LONG)),
        ("claude-haiku-4-5", "anthropic", (SHORT, WRITTEN)),
        ("gpt-4o", "openai", (SHORT, CACHED)),
        ("gpt-5.5", "openai", (SHORT, CACHED)),
        ("gpt-5.6", "openai", (SHORT, CACHED, WRITTEN, LONG)),
    ],
)
def test_same_bill(litellm, model, provider, usages, when):
    price = lookup(model, "anthropic" if provider == "anthropic" else "openai", None).price
    for usage in usages:
        ours = cost(usage, price, when.timestamp()) / 1e9
        # Ours is whole nanodollars, rounded up.
        assert -1e-12 <= ours - theirs(litellm, model, provider, usage, when) < 1e-9
