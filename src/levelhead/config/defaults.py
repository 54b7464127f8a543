"""What is served when the file names no models, and where files go when nobody says where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ANTHROPIC = "ANTHROPIC_API_KEY"
DEEPSEEK = "DEEPSEEK_API_KEY"


def default_models(tiers: Sequence[str], env: Mapping[str, str]) -> tuple[dict[str, dict[str, Any]], str]:
    """A cheap and a strong model for the keys that are present, and one phrase on where they came from.

    Both keys: the cheap one from DeepSeek, the strong one from Anthropic. One key: that vendor's own pair. None: the
    embedded simulated pair.
    """
    cheapest, dearest = tiers[0], tiers[-1]
    has_anthropic, has_deepseek = bool(env.get(ANTHROPIC, "").strip()), bool(env.get(DEEPSEEK, "").strip())
    if not has_anthropic and not has_deepseek:
        return {
            "sim-efficient": _simulated(cheapest, input=0.3, output=1.2),
            "sim-strong": _simulated(dearest, input=2.0, output=10.0),
        }, "simulated pair"
    if not has_anthropic:
        return {
            "deepseek-flash": _deepseek(cheapest, "deepseek-v4-flash"),
            "deepseek-pro": _deepseek(dearest, "deepseek-v4-pro"),
        }, DEEPSEEK
    if not has_deepseek:
        return {
            "claude-haiku": _claude(cheapest, "claude-haiku-5-5"),
            "claude-sonnet": _claude(dearest, "claude-sonnet-5-5"),
        }, ANTHROPIC
    return {
        "deepseek-flash": _deepseek(cheapest, "deepseek-v4-flash"),
        "claude-sonnet": _claude(dearest, "claude-sonnet-5-5"),
    }, f"{ANTHROPIC}, {DEEPSEEK}"


def _claude(tier: str, model: str) -> dict[str, Any]:
    return {
        "tier": tier,
        "wire": "anthropic",
        "model": model,
        "base_url": "https://api.anthropic.com",
        "api_key_env": ANTHROPIC,
    }


def _deepseek(tier: str, model: str) -> dict[str, Any]:
    return {
        "tier": tier,
        "wire": "openai",
        "model": model,
        "base_url": "https://api.deepseek.com/v1",
        "api_key_env": DEEPSEEK,
    }


def _simulated(tier: str, *, input: float, output: float) -> dict[str, Any]:
    price = {"input": input, "output": output, "cached_input": input / 10}
    return {"tier": tier, "wire": "simulated", "model": f"sim-{tier}", "price": price}


def cache_home(env: Mapping[str, str]) -> Path:
    """`LEVELHEAD_HOME`, else `levelhead` in the user's cache directory (XDG)."""
    return _home(env, "XDG_CACHE_HOME", ".cache")


def state_home(env: Mapping[str, str]) -> Path:
    """`LEVELHEAD_HOME`, else `levelhead` in the user's state directory (XDG): clearing a cache forgets no money."""
    return _home(env, "XDG_STATE_HOME", ".local/state")


def _home(env: Mapping[str, str], variable: str, fallback: str) -> Path:
    if own := env.get("LEVELHEAD_HOME"):
        return Path(own).expanduser().absolute()
    base = Path(env.get(variable) or "")
    # The XDG specification tells readers to ignore a relative path.
    return (base if base.is_absolute() else Path("~").expanduser() / fallback) / "levelhead"
