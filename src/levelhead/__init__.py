"""levelhead: a cost-aware model router for mixed strong/efficient LLM agent teams."""

from ._version import __version__

__all__ = ["__version__"]
