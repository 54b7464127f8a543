"""Everything that talks to models: the two hot dialects, litellm for the rest, the simulated pair; retry, breaker."""

from __future__ import annotations

from collections.abc import Mapping

from ..ports import Upstream
from ..types import Wire
from .attempts import Attempts
from .client import HttpClient
from .health import Health
from .limits import Limits, Timeouts
from .litellm import LiteLLMUpstream
from .simulated import SimulatedUpstream
from .wires import AnthropicUpstream, OpenAIUpstream

__all__ = [
    "AnthropicUpstream",
    "Attempts",
    "Health",
    "HttpClient",
    "Limits",
    "LiteLLMUpstream",
    "OpenAIUpstream",
    "SimulatedUpstream",
    "Timeouts",
    "open_upstreams",
]


def open_upstreams(timeouts: Timeouts | None = None, limits: Limits | None = None) -> Mapping[Wire, Upstream]:
    """One upstream for each wire, the hot two over one client. Opens no connection yet."""
    client = HttpClient(timeouts, limits)
    return {
        "openai": OpenAIUpstream(client),
        "anthropic": AnthropicUpstream(client),
        "litellm": LiteLLMUpstream(),
        "simulated": SimulatedUpstream(),
    }
