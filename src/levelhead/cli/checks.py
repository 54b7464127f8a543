"""The checks of `levelhead doctor`."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..config import Config, load
from ..errors import ArtefactError, ConfigError
from .reach import TIMEOUT_SECONDS, answers

PROBE_BYTES = 65_536  # what must fit on the disk: room for a few pages of a database


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend` says what to do about it; None where there is nothing to do."""

    check: str
    status: Literal["ok", "warn", "problem"]
    detail: str
    mend: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(path: Path | None, *, offline: bool) -> list[Finding]:
    """Every check in order; what can't be checked because something before it failed is left out."""
    try:
        config = load(path, lenient=True)
    except ConfigError as error:
        mend = "Correct what is named here; the README lists every key."
        return [Finding("config", "problem", error.message, mend), _artefact()]
    findings = [_config(config), *_audits(config), *_secrets(config), *_prices(config), _bind(config), _artefact()]
    findings += _directories(config)
    if not offline:
        findings += [*_server(config), *_upstreams(config)]
    return findings


def _config(config: Config) -> Finding:
    models = f"{config.source}; {len(config.models)} models, {len(config.tiers)} tiers"
    if config.simulated:
        mend = "Set ANTHROPIC_API_KEY or DEEPSEEK_API_KEY, or name models in levelhead.yaml."
        return Finding("config", "warn", f"{models}; every answer is simulated", mend)
    if config.mode == "shadow":
        models += "; shadow mode: nothing is routed, what would have been is logged"
    return Finding("config", "ok", models)


def _audits(config: Config) -> Iterator[Finding]:
    """Whether the judge can certify: it must be of neither family that it compares."""
    from ..check import family

    if not config.audit_budgets():
        return
    judge = family(config.models[config.audit.judge or ""].model)
    tiers = {model.tier for model in config.models.values() if family(model.model) != judge}
    if len(tiers) > 1:
        yield Finding("audits", "ok", f"{config.audit.judge} judges {config.audit.rate:g} of requests")
    else:
        said = f"audit.judge: {config.audit.judge} is of a family that it would compare; its verdicts never certify"
        yield Finding("audits", "warn", said, "Name a judge of a third family.")


def _secrets(config: Config) -> Iterator[Finding]:
    for missing in config.unset:
        yield Finding("keys", "problem", missing, "Export it in the environment that levelhead starts in.")
    if not config.unset:
        yield Finding("keys", "ok", "every environment variable that the configuration names is set")


def _prices(config: Config) -> Iterator[Finding]:
    from ..spend.prices import listing_for

    wrong = False
    for name, model in config.models.items():
        try:
            price = model.price.model_dump(exclude_none=True)
            listing_for(name, model.model, model.wire, model.base_url, price=price)
        except ConfigError as error:
            wrong = True
            yield Finding("prices", "problem", error.message, "Add the model's price to the configuration.")
    if not wrong:
        yield Finding("prices", "ok", "every model has one")


def _bind(config: Config) -> Finding:
    server = config.server
    try:
        config.check_bind(server.host)
    except ConfigError as error:
        return Finding("bind", "problem", error.message, "Add what is missing, or set server.host to 127.0.0.1.")
    return Finding("bind", "ok", f"{server.host}:{server.port}, {len(config.key_entries)} keys")


def _artefact() -> Finding:
    from ..difficulty import artefact

    try:
        path = artefact.shipped()
        artefact.load(path)
    except (ArtefactError, OSError) as error:
        return Finding("artefact", "problem", str(error), "Install levelhead again.")
    return Finding("artefact", "ok", f"{path.name}, hashes as in its manifest")


def _directories(config: Config) -> Iterator[Finding]:
    mend = "Make it writable for the user that runs levelhead, or set cache.directory or LEVELHEAD_HOME."
    if config.cache.ttl_seconds:
        yield _writable("cache", config.cache_directory, mend)
    store = config.state_store
    if isinstance(store, str):
        return
    mend = "Make it writable for the user that runs levelhead, or set state.url or LEVELHEAD_HOME."
    finding = _writable("state", store.parent, mend)
    if finding.status == "ok" and store.exists():
        finding = _database(store, mend)
    yield finding


def _writable(check: str, directory: Path, mend: str) -> Finding:
    """Tries a file in the directory, or in the one where it would be made: nothing stays of it."""
    existing = next(p for p in (directory, *directory.parents) if os.path.exists(p))  # noqa: PTH110 - never raises
    if not existing.is_dir():
        return Finding(check, "problem", f"{existing} is not a directory", mend)
    will_be_made = existing != directory
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
    except OSError as error:
        why = f"can't be made: {existing}: {error.strerror}" if will_be_made else error.strerror
        return Finding(check, "problem", f"{directory}: {why}", mend)
    return Finding(check, "ok", f"{directory} (will be made)" if will_be_made else str(directory))


def _database(file: Path, mend: str) -> Finding:
    if not os.access(file, os.R_OK | os.W_OK):
        return Finding("state", "problem", f"{file} is not writable", mend)
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=TIMEOUT_SECONDS)
        try:
            connection.execute("PRAGMA schema_version").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Finding("state", "problem", f"{file}: {error}", "Restore it, or move it away: budgets start from zero.")
    return Finding("state", "ok", str(file))


def _server(config: Config) -> Iterator[Finding]:
    """Redis, where that keeps the budgets."""
    from ..spend.redis import connect, is_durable

    store = config.state_store
    if not isinstance(store, str):
        return
    try:
        with closing(connect(store, config.secret(config.state.password_env), patience=0)) as db:
            durable = is_durable(db)
    except ConfigError as error:
        yield Finding("state", "problem", error.message, "Start it, or correct state.url and state.password_env.")
        return
    if durable:
        yield Finding("state", "ok", f"{store}, with an append-only file")
    else:
        mend = "Set appendonly yes and appendfsync always there, or a restart forgets what was spent."
        yield Finding("state", "warn", f"{store} may forget what it acknowledged", mend)


def _upstreams(config: Config) -> Iterator[Finding]:
    for answer in answers(config):
        yield Finding(f"upstream {answer.models}", answer.status, answer.detail, answer.mend)
