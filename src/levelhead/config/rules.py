"""Rules between sections: a name that refers to something must refer to something that is there.

They read the plain mapping, so that a file with a mistyped field still gets told of its dangling names. Whatever has
the wrong shape is left to the sections' own checks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

Problem = tuple[tuple[str | int, ...], str]
DEFAULT_TIERS = ("efficient", "strong")
_ENV_FIELDS = (
    ("server", "admin_key_env"),
    ("server", "metrics_token_env"),
    ("state", "password_env"),
    ("check", "key_env"),
)


def near(name: str, known: Collection[str]) -> str:
    """`; did you mean 'x'?`, or nothing."""
    longer = [word for word in known if len(name) > 2 and word.startswith(name)]
    close = get_close_matches(name, known, n=1, cutoff=0.6) or longer[:1]
    return f"; did you mean {close[0]!r}?" if close else ""


class Names:
    """Everything that has a name in the file."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        tiers = data.get("tiers")
        self.tiers = (
            [t for t in tiers if isinstance(t, str)] if isinstance(tiers, (list, tuple)) else list(DEFAULT_TIERS)
        )
        self.models = entries(data, "models")
        self.slots = entries(data, "slots")
        self.keys = listed(data, "keys")
        self.budgets = listed(data, "budgets")
        self.teams = [k["team"] for _, k in self.keys if isinstance(k.get("team"), str)]
        self.key_names = [k["name"] for _, k in self.keys if isinstance(k.get("name"), str)]


def problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    names = Names(data)
    yield from _tiers(names)
    yield from _ambiguous(names)
    yield from _slots(names)
    yield from _keys(names)
    yield from _budgets(names)
    yield from _aliases(names)
    yield from _served(names)


def env_names(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every environment variable that the file names, with the path that names it."""
    places: list[tuple[tuple[str | int, ...], Any]] = []
    for section, field in _ENV_FIELDS:
        places.append(((section, field), section_of(data, section).get(field)))
    places += [(("keys", i, "key_env"), key.get("key_env")) for i, key in listed(data, "keys")]
    places += [(("models", n, "api_key_env"), m.get("api_key_env")) for n, m in entries(data, "models").items()]
    return ((path, value) for path, value in places if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]\w*", value))


def told(variable: str) -> str:
    """The variable's name where it looks like one: someone may have put the secret itself there."""
    looks_like_one = re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", variable) and len(variable) <= 64
    return f"environment variable {variable}" if looks_like_one else "the environment variable named here"


def _tiers(names: Names) -> Iterator[Problem]:
    if names.data.get("tiers") in ([], ()):
        yield ("tiers",), "needs at least one tier"
    for i, tier in enumerate(names.tiers):
        if tier in names.tiers[:i]:
            yield ("tiers", i), f"{tier!r} stands twice"
    if names.data.get("models") == {}:
        yield ("models",), "needs at least one model"
    for name, model in names.models.items():
        yield from _refers(("models", name, "tier"), model.get("tier"), names.tiers, "tier")


def _ambiguous(names: Names) -> Iterator[Problem]:
    """A client asks for a model, a slot or a tier by its bare name, so that the three can't share one."""
    for kind, found in (("models", names.models), ("slots", names.slots)):
        for name in found:
            if name == "auto" or name.startswith("auto/"):
                yield (kind, name), "'auto' is taken: it asks levelhead to choose"
            elif name in names.tiers:
                yield (kind, name), "is the name of a tier, too"
            elif kind == "slots" and name in names.models:
                yield (kind, name), "is the name of a model, too"


def _slots(names: Names) -> Iterator[Problem]:
    for name, slot in names.slots.items():
        for field in ("floor", "ceiling"):
            yield from _refers(("slots", name, field), slot.get(field), names.tiers, "tier")
        floor, ceiling = slot.get("floor"), slot.get("ceiling")
        if floor in names.tiers and ceiling in names.tiers and names.tiers.index(floor) > names.tiers.index(ceiling):
            yield ("slots", name, "floor"), f"{floor!r} is above the ceiling {ceiling!r}"
        elif not _served_between(names, floor, ceiling):
            yield ("slots", name), "no model's tier is within its floor and ceiling"


def _served_between(names: Names, floor: Any, ceiling: Any) -> bool:
    """Whether a model remains; unknown tiers have been told of already."""
    if not names.models or any(t is not None and t not in names.tiers for t in (floor, ceiling)):
        return True
    first = names.tiers.index(floor) if floor is not None else 0
    last = names.tiers.index(ceiling) if ceiling is not None else len(names.tiers) - 1
    used = {tier for model in names.models.values() if isinstance(tier := model.get("tier"), str)}
    return not used <= set(names.tiers) or bool(used & set(names.tiers[first : last + 1]))


def _keys(names: Names) -> Iterator[Problem]:
    seen: dict[str, set[Any]] = {"name": set(), "key_env": set()}
    for i, key in names.keys:
        for field, values in seen.items():
            value = key.get(field)
            if isinstance(value, str) and value in values:
                yield ("keys", i, field), "stands twice: every key needs its own"
            elif isinstance(value, str):
                values.add(value)
        for field, known in (("models", names.models), ("slots", names.slots)):
            wanted = key.get(field)
            for j, name in enumerate(wanted if isinstance(wanted, (list, tuple)) else ()):
                yield from _refers(("keys", i, field, j), name, known, field[:-1])


def _budgets(names: Names) -> Iterator[Problem]:
    seen = set()
    for i, budget in names.budgets:
        scope, name, per = budget.get("scope"), budget.get("name"), budget.get("per")
        if scope == "key":
            yield from _refers(("budgets", i, "name"), name, names.key_names, "key")
        elif scope == "team":
            yield from _refers(("budgets", i, "name"), name, names.teams, "key's team")
        elif scope == "slot":
            yield from _refers(("budgets", i, "name"), name, names.slots, "slot")
        if repr((scope, name, per)) in seen:
            yield ("budgets", i), "stands twice: the same scope, name and period"
        seen.add(repr((scope, name, per)))


def _aliases(names: Names) -> Iterator[Problem]:
    targets = ["auto", *names.slots, *(f"auto/{slot}" for slot in names.slots), *names.tiers, *names.models]
    for pattern, target in section_of(names.data, "aliases").items():
        yield from _refers(("aliases", pattern), target, targets, "slot, tier or model")


def _served(names: Names) -> Iterator[Problem]:
    yield from _refers(("shadow", "serve"), section_of(names.data, "shadow").get("serve"), names.models, "model")
    yield from _refers(
        ("check", "comparator"), section_of(names.data, "check").get("comparator"), names.models, "model"
    )
    yield from _refers(("audit", "judge"), section_of(names.data, "audit").get("judge"), names.models, "model")


def _refers(path: tuple[str | int, ...], name: Any, known: Collection[str], kind: str) -> Iterator[Problem]:
    if isinstance(name, str) and name not in known:
        yield path, f"no {kind} is called {name[:64]!r}{near(name, known)}"


def section_of(data: Mapping[str, Any], section: str) -> Mapping[Any, Any]:
    found = data.get(section)
    return found if isinstance(found, Mapping) else {}


def entries(data: Mapping[str, Any], section: str) -> dict[str, Mapping[str, Any]]:
    found = section_of(data, section)
    return {k: v if isinstance(v, Mapping) else {} for k, v in found.items() if isinstance(k, str)}


def listed(data: Mapping[str, Any], section: str) -> list[tuple[int, Mapping[str, Any]]]:
    found = data.get(section)
    return [(i, e) for i, e in enumerate(found if isinstance(found, (list, tuple)) else ()) if isinstance(e, Mapping)]
