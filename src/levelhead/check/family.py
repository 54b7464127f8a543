"""Whose child is a model? A second opinion is worth more from another family: siblings err alike."""

from __future__ import annotations

import re

# One name for all that come from the same house; the first that a model's name contains.
_FAMILIES = (
    ("claude", "claude"), ("deepseek", "deepseek"), ("gpt", "openai"), ("gemini", "google"), ("gemma", "google"),
    ("llama", "llama"), ("mixtral", "mistral"), ("mistral", "mistral"), ("ministral", "mistral"),
    ("codestral", "mistral"),
    ("qwen", "qwen"), ("qwq", "qwen"), ("kimi", "kimi"), ("glm", "glm"), ("grok", "grok"), ("phi", "phi"),
    ("command", "cohere"), ("nova", "amazon"), ("yi-", "yi"), ("minimax", "minimax"), ("reka", "reka"), ("sim-", "sim"),
)  # fmt: skip
_O_SERIES = re.compile(r"(?:^|/)o\d")


def family(upstream_model: str) -> str:
    """The house a vendor's model comes from; an unknown one's is the first word of its name."""
    name = upstream_model.lower()
    if _O_SERIES.search(name):
        return "openai"
    for part, house in _FAMILIES:
        if part in name:
            return house
    return re.split(r"[-_.:/\d]", name.rpartition("/")[2])[0]
