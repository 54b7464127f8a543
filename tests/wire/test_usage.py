from __future__ import annotations

from typing import Any

import pytest

from levelhead.types import Usage
from levelhead.wire.usage import estimate_usage, from_openai, to_openai


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}, Usage(input=10, output=4)),
        (
            {
                "prompt_tokens": 2006,
                "completion_tokens": 300,
                "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 50, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 256, "accepted_prediction_tokens": 0},
            },
            Usage(input=36, cached_input=1920, cache_write=50, output=300, reasoning=256),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 7,
                "total_tokens": 107,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
                "prompt_tokens_details": {"cached_tokens": 64},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(input=36, cached_input=64, output=7, reasoning=3),
        ),
        (
            {"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36, "completion_tokens": 7},
            Usage(input=36, cached_input=64, output=7),
        ),
        # reasoning counted beside the completion
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 45,
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(input=10, output=35, reasoning=30),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": None,
                "completion_tokens_details": None,
            },
            Usage(input=10, output=5),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 50}},
            Usage(0, 5, output=1),
        ),
        ({"prompt_tokens": "10", "completion_tokens": None}, Usage()),
        ({"prompt_tokens": -10, "completion_tokens": 4.0}, Usage(output=4)),
        ({}, Usage()),
    ],
)
def test_what_vendors_count(said: dict[str, Any], usage: Usage) -> None:
    assert from_openai(said) == usage


def test_an_estimate_rounds_up() -> None:
    assert estimate_usage(None, 0) == Usage()
    assert estimate_usage(None, 1).output == 1
    assert estimate_usage(None, 5).output == 2


def test_the_parts_add_up() -> None:
    usage = Usage(input=1, cached_input=2, cache_write=4, cache_write_1h=8, output=16, reasoning=3)
    body = to_openai(usage)
    assert (body["prompt_tokens"], body["completion_tokens"], body["total_tokens"]) == (15, 16, 31)
    assert body["prompt_tokens_details"] == {
        "cached_tokens": 2,
        "cache_write_tokens": 12,
        "cache_write_1h_tokens": 8,
    }
