"""Finding, reading and checking a configuration file."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import ConfigError
from ..types import Secret
from . import defaults, rules
from .root import Config

FILE_NAME = "levelhead.yaml"
VARIABLE = "LEVELHEAD_CONFIG"
OTLP = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
LARGEST_FILE = 4_000_000  # bytes: a wrong path should fail fast, not fill the memory


def load(
    path: str | os.PathLike[str] | None = None, *, env: Mapping[str, str] | None = None, lenient: bool = False
) -> Config:
    """`path`, else the file in LEVELHEAD_CONFIG, else ./levelhead.yaml, else what the environment's keys allow.

    `lenient` accepts environment variables that are named but not set, for `doctor`. Raises `ConfigError`.
    """
    env = os.environ if env is None else env
    file = find(path, env)
    if file is None:
        return from_mapping({}, env=env, lenient=lenient)
    return from_mapping(_read(file), source=str(file), env=env, lenient=lenient)


def find(path: str | os.PathLike[str] | None, env: Mapping[str, str]) -> Path | None:
    """The file that `load` reads. None: there is none, the environment decides."""
    if path is not None:
        return Path(path)
    if named := env.get(VARIABLE):
        return Path(named)
    here = Path(FILE_NAME)
    return here if here.exists() else None


def from_mapping(
    data: Mapping[str, Any],
    *,
    source: str = "environment",
    env: Mapping[str, str] | None = None,
    lenient: bool = False,
) -> Config:
    """Checks a mapping shaped like the file. Raises `ConfigError` with every problem, a `path: message` line each."""
    env = os.environ if env is None else env
    data = _without_blanks(data)
    if "models" not in data:
        tiers = rules.Names(data).tiers or rules.DEFAULT_TIERS
        data["models"], origin = defaults.default_models(tiers, env)
    else:
        origin = ""
    secrets = {name: Secret(env[name].strip()) for _, name in rules.env_names(data) if env.get(name, "").strip()}
    unset = [(path, f"{rules.told(v)} is not set") for path, v in rules.env_names(data) if v not in secrets]
    found = [*rules.problems(data), *_shared_secrets(data, secrets), *([] if lenient else unset)]
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        found = [_told(details) for details in error.errors(include_url=False, include_input=False)] + found
    if found:
        raise _error(source, found)
    config._source = f"{source} ({origin})" if origin else source
    config._secrets = secrets
    config._unset = tuple(f"{_path(path)}: {message}" for path, message in unset)
    config._traced = any(env.get(name) for name in OTLP) and env.get("OTEL_SDK_DISABLED", "").lower() != "true"
    config._cache_home, config._state_home = defaults.cache_home(env), defaults.state_home(env)
    return config


def _without_blanks(data: Mapping[str, Any]) -> dict[str, Any]:
    """A section, slot or model with nothing behind its name is YAML's null and means the defaults."""
    kept = {key: value for key, value in data.items() if value is not None}
    for section in ("slots", "models"):
        if isinstance(kept.get(section), Mapping):
            kept[section] = {k: {} if v is None else v for k, v in kept[section].items()}
    return kept


def _shared_secrets(data: Mapping[str, Any], secrets: Mapping[str, Secret]) -> list[rules.Problem]:
    """Two keys with one secret could not be told apart; nor could a secret that no header can carry be sent."""
    found: list[rules.Problem] = []
    owners: dict[str, str] = {}
    for path, variable in rules.env_names(data):
        if variable not in secrets:
            continue
        value = secrets[variable].reveal()
        if not (value.isascii() and value.isprintable()):
            found.append((path, f"{rules.told(variable)} holds characters that no header can carry"))
            continue
        guards = path[0] == "keys" or path[-1] == "admin_key_env"
        if guards and owners.setdefault(value, variable) != variable:
            found.append((path, "holds the same secret as another key: every key needs its own"))
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror or 'unknown reason'}") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigError(f"{file}: is too large for a configuration")
    try:
        data = yaml.load(raw.decode("utf-8-sig"), _Loader)  # noqa: S506 - a SafeLoader, made stricter
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{file}: is nested too deeply") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: {_syntax(error)}") from None
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(f"{file}: should be a mapping of sections, like `server:` and `models:`")
    return data


def _syntax(error: yaml.YAMLError) -> str:
    # The parser's own text quotes the file, and with it perhaps a secret.
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem or 'is not YAML'}"
    return "is not YAML"


class _Loader(yaml.SafeLoader):
    """Safe, and two traps fewer: `off` is a word (YAML 1.1 reads false), and a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, "this key stands twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:bool" or first in "tTfF"  # true and false; not yes, no, on, off
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _told(details: ErrorDetails) -> rules.Problem:
    path = tuple(part for part in details["loc"] if part != "[key]")
    message = details["msg"]
    if details["type"] == "extra_forbidden":
        message = "unknown key" + rules.near(str(path[-1]), _fields_at(path[:-1]))
    elif details["type"] == "missing":
        message = "is required"
    return path, message.removeprefix("Value error, ").replace("Input should", "should", 1)


def _fields_at(path: Sequence[str | int]) -> list[str]:
    """The keys that are allowed at this place of the file."""
    here: Any = Config
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            found = [field for name, field in here.model_fields.items() if part in (name, field.alias)]
            here = found[0].annotation if found else None
        elif get_origin(here) is not None:  # Mapping[name, section] or tuple[section, ...]
            here = next((arg for arg in get_args(here) if isinstance(arg, type) and issubclass(arg, BaseModel)), None)
    if not (isinstance(here, type) and issubclass(here, BaseModel)):
        return []
    return [field.alias or name for name, field in here.model_fields.items()]


def _error(source: str, found: Sequence[rules.Problem]) -> ConfigError:
    lines = list(dict.fromkeys(f"{_path(path)}: {message}" for path, message in found))
    return ConfigError("\n".join([f"{source}:", *(f"  {line}" for line in lines)]), param=_path(found[0][0]))


def _path(path: Sequence[str | int]) -> str:
    """`keys[0].key_env`, `models."gpt-4.1".tier`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part if part.replace("-", "").replace("_", "").isalnum() else f'"{part}"'
            text += f".{plain}" if text else plain
    return text
