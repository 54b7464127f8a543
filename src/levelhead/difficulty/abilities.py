"""Which ability does a deployment have? Names are matched by family and version, whatever a vendor wraps around them.

`bedrock/us.anthropic.claude-opus-4-5-20251101-v1:0` is family {claude, opus}, version (4, 5). A known family with an
unknown version takes its nearest known version with a wider interval; an unknown family starts from its tier's prior.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..types import Model

VERSION_STEP_SD = 0.35  # what one unknown version adds to the interval, on the latent scale (logits)

_DATE = re.compile(r"[-@_]?(?:(?:20)?\d\d-(?:0\d|1[0-2])-[0-3]\d(?!\d)|20\d\d-\d\d$)|-(?:0\d|1[0-2])-[0-3]\d$")
_VENDOR = re.compile(r"^(?:[a-z]+(?:-[a-z]+)?\.)+(?=[a-z])")
_TOKEN = re.compile(r"\d+[a-z]+\d*[a-z]*|\d+|[a-z]+")
_VENDORS_IN_FAMILY = ("deepseek",)
_ALIASES = {"chatgpt": "gpt", "r": "reasoner", "codestral": "mistral"}
# What names carry besides family, size and version.
_NOISE = """
v inst instruct chat it turbo preview latest exp experimental beta fast free meta anthropic openai google mistralai
hyperbolic sambanova high low medium xhigh max thinking adaptive vision vertex bedrock azure fp fp8 bf16 awq
versatile
"""

_IGNORED = frozenset(_NOISE.split())


@dataclass(frozen=True, slots=True)
class Ability:
    """`theta` on the latent scale (logits), `sd` its standard deviation, `origin` where it comes from."""

    theta: float
    sd: float
    origin: str


def blended(named: Ability, measured: Ability | None) -> Ability:
    """What a name says and what was measured, each by its precision."""
    if measured is None:
        return named
    mine, theirs = measured.sd**-2, named.sd**-2
    theta = (mine * measured.theta + theirs * named.theta) / (mine + theirs)
    return Ability(theta, (mine + theirs) ** -0.5, f"{measured.origin}; {named.origin}")


def parse_name(name: str) -> tuple[frozenset[str], tuple[int, ...]]:
    """(family words, version) of a model's name as vendors, gateways and clouds write it."""
    name = name.lower().rsplit("/", 1)[-1]
    name = re.sub(r"-v\d+:\d+.*$", "", name).split(":")[0]
    name = _DATE.sub("", name).split("@")[0]
    prefix = _VENDOR.match(name)
    words: list[str] = []
    if prefix:
        words = [vendor for vendor in _VENDORS_IN_FAMILY if vendor in prefix[0]]
        name = name[prefix.end() :]
    version: list[int] = []
    for token in _TOKEN.findall(name):
        if token.isdigit():
            if len(token) <= 2:
                version.append(int(token))
        elif token not in _IGNORED:
            words.append(_ALIASES.get(token, token))
    return frozenset(words), tuple(version[:3])


class AbilityTable:
    """The artefact's abilities.

    Rows: `family`, `version`, `ability`, `sd`, `origin`; priors by tier rank, cheapest first.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], priors: Sequence[Mapping[str, float]]) -> None:
        self._families: dict[frozenset[str], dict[tuple[int, ...], Ability]] = {}
        for row in rows:
            versions = self._families.setdefault(frozenset(row["family"]), {})
            versions[tuple(row["version"])] = Ability(row["ability"], row["sd"], row["origin"])
        self._priors = [Ability(prior["ability"], prior["sd"], "prior of its tier") for prior in priors]
        self._known: dict[tuple[str, str, int], Ability] = {}
        self._probed: Mapping[tuple[str, str], Ability] = {}

    def heed(self, probed: Mapping[tuple[str, str], Ability]) -> None:
        """Counts probes in, by (configured name, vendor's name); a deployment of another vendor's model has none."""
        self._probed = probed
        self._known.clear()

    def of(self, model: Model) -> Ability:
        """The ability of a deployment: by the vendor's name, else by the operator's, else its tier's prior."""
        key = (model.upstream_model, model.name, model.tier_rank)
        found = self._known.get(key)
        if found is None:
            named = self.by_name(model.upstream_model) or self.by_name(model.name)
            found = named or self._priors[min(model.tier_rank, len(self._priors) - 1)]
            found = blended(found, self._probed.get((model.name, model.upstream_model)))
            if len(self._known) < 4_096:
                self._known[key] = found
        return found

    def by_name(self, name: str) -> Ability | None:
        """The ability that goes with a name, None for an unknown family."""
        words, version = parse_name(name)
        families = [family for family in self._families if family <= words]
        if not families:
            return None
        family = max(families, key=lambda words: (len(words), sorted(words)))
        versions = self._families[family]
        exact = versions.get(version)
        if exact is not None and family == words:
            return exact
        nearest = max(versions) if not version else _nearest(version, list(versions))
        known = versions[nearest]
        if not version and family == words:
            return Ability(known.theta, known.sd, f"{known.origin}; newest of its family")
        sd = (known.sd**2 + VERSION_STEP_SD**2) ** 0.5
        return Ability(known.theta, sd, f"{known.origin}; nearest version {'.'.join(map(str, nearest))}")


def _nearest(version: tuple[int, ...], known: list[tuple[int, ...]]) -> tuple[int, ...]:
    if version in known:
        return version
    older = [other for other in known if other <= version]
    return max(older) if older else min(known)
