"""levelhead: a cost-aware model router for mixed strong/efficient LLM agent teams.

    from levelhead import Router

    router = Router.from_config()
    outcome = router.chat(messages=[{"role": "user", "content": "Say hello"}], slot="drafter", run="r1")

Heavy parts load on first use, so that `import levelhead` stays fast.
"""

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .api import Router as Router
    from .errors import LevelheadError as LevelheadError
    from .team import Team as Team
    from .types import Decision as Decision
    from .types import Level as Level
    from .types import Outcome as Outcome

_HOME = {
    "Router": "api",
    "LevelheadError": "errors",
    "Decision": "types",
    "Level": "types",
    "Outcome": "types",
    "Team": "team",
}

__all__ = ["Decision", "Level", "LevelheadError", "Outcome", "Router", "Team", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
