"""Model names -> what those models accept (Anthropic's documents, November 2026)."""

from __future__ import annotations

import pytest

from levelhead.testing.anthropic_models import rules
from levelhead.wire.claude import ClaudeTraits, family

NAMES = [
    "claude-3-5-haiku-20241022",
    "claude-3-7-sonnet-latest",
    "claude-sonnet-4-20250514",
    "claude-opus-4-1-20250805",
    "claude-haiku-4-5-20251001",
    "claude-sonnet-4-5",
    "claude-opus-4-5-20251101",
    "claude-sonnet-4-6",
    "claude-opus-4-6",
    "claude-opus-4-7-20260416",
    "claude-opus-4-8",
    "claude-sonnet-5",
    "claude-opus-5",
    "claude-fable-5",
    "claude-mythos-preview",
    "claude-fable-5-1",
    "claude-mythos-5-1",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-opus-5-5",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_believed_is_what_the_vendor_says(name: str) -> None:
    believed, said = family(name), rules(name)
    assert believed.manual_thinking == ("enabled" in said.thinking)
    assert believed.adaptive_thinking == ("adaptive" in said.thinking)
    assert believed.off is None or believed.off in said.thinking
    assert set(believed.efforts) == said.efforts
    assert believed.sampling == said.sampling
    assert believed.both_sampling <= said.both_sampling
    assert believed.prefill == said.prefill
    assert believed.forced_tool == said.forced_tool
    assert believed.system_turns == said.system_turns
    assert believed.bound_thinking == said.bound_thinking


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("anthropic/claude-opus-4.5", "claude-opus-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("Claude-Opus-5-5", "claude-opus-5-5"),
        ("claude-opus-4-20250514", "claude-opus-4"),
        ("claude-opus-6", "claude-opus-5-5"),
        ("claude-sonnet-6-1", "claude-sonnet-5-5"),
        ("claude-haiku-latest", "claude-haiku-5-5"),
        ("claude-fable-5-2", "claude-fable-5-1"),
        ("claude-fable-6", "claude-opus-5-5"),
        ("claude-nova-1", "claude-opus-5-5"),
        ("claude", "claude-opus-5-5"),
    ],
)
def test_other_spellings_and_names_to_come(name: str, twin: str) -> None:
    assert family(name) == family(twin)


def test_another_vendors_model_behind_the_wire_is_no_claude() -> None:
    assert not family("deepseek-v4-pro").claude
    assert ClaudeTraits().claude
