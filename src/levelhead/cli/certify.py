"""`levelhead certify`: paired verdicts -> certificates that routing keeps to from its next start on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .logged import opened, verdicts, watched
from .options import ConfigOption, JsonOption, print_json, table

if TYPE_CHECKING:
    from ..config import Config
    from ..learn.certify import Refusal
    from ..policy import Certificate, Paired


def certify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="JSONL: trust, efficient, strong, slot?, level?, forced?; none: the audits in the decision log",
        ),
    ] = None,
    direct: Annotated[bool, typer.Option(help="The verdicts are of routing by text alone, not of drafts.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Test which savings are shown to keep the quality goal, and keep the certificates beside the state.

    A row is one request whose answer by either path was judged: `trust` is the decision's, `efficient` and `strong` are
    scores from 0 to 1, `forced` tells that money decided. Without a file the rows are what audits found of the policy
    that runs; the tests then allow that one asks again whenever there are more. Exit code 1 where nothing could be
    certified.
    """
    from dataclasses import asdict

    from ..assemble import rooms_of
    from ..config import load
    from ..learn.certify import certify_cells
    from ..policy import Certificate, save

    settings = load(config)
    route: Literal["direct", "cascade"] = "direct" if direct else "cascade"
    policy = rooms_of(settings).drafting.policy
    rows = _audits(settings, policy, route) if file is None else list(_verdicts(file))
    found = certify_cells(rows, settings.goal(), policy=policy, path=route, stream=file is None)
    issued = [one for one in found if isinstance(one, Certificate)]
    others = [one for one in _kept(settings.certificates) if one.path != route]
    save([*others, *issued], settings.certificates)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        typer.echo(_told(found))
        typer.echo(
            f"{len(issued)} certificates in {settings.certificates}; a running proxy reads them when it restarts"
        )
    if not issued:
        raise typer.Exit(code=1)


def _kept(path: Path) -> list[Certificate]:
    from ..policy import load

    return load(path)


def _audits(config: Config, policy: str, route: str) -> list[Paired]:
    from ..errors import ConfigError
    from ..policy import paired_of

    try:
        with closing(opened(config)) as store:
            audited = [one for one in watched(verdicts(store), "verdicts") if one.audit and one.audit.policy == policy]
    except OSError as error:
        raise ConfigError(f"The verdicts can't be read: {error}", param="state.url") from None
    found = (paired_of(verdict, config.slots()) for verdict in audited)
    rows = [pair[1] for pair in found if pair is not None and pair[0] == route]
    if not rows:
        what = "drafts" if route == "cascade" else "routing by text alone (--direct)"
        raise ConfigError(f"No audit of {what} under the policy that runs; audit.judge asks for some.", param="audit")
    return rows


def _verdicts(path: Path) -> Iterator[Paired]:
    import orjson

    from ..errors import ConfigError

    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        raise ConfigError(f"{path.name}: can't be read") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _verdict(orjson.loads(line))
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                raise ConfigError(f"{path.name}, line {number}: {error}") from None


def _verdict(row: dict[str, Any]) -> Paired:
    from ..policy import Paired

    numbers = {}
    for name in ("trust", "efficient", "strong"):
        numbers[name] = float(row[name]) if name in row else -1.0
        if not 0 <= numbers[name] <= 1:
            raise ValueError(f"{name} should be a number from 0 to 1")
    slot, level = str(row.get("slot") or ""), str(row.get("level") or "")
    return Paired(**numbers, slot=slot, domain=level, forced=bool(row.get("forced")))


def _told(found: Sequence[Certificate | Refusal]) -> str:
    from ..policy import Certificate

    rows = [("slot", "level", "verdicts", "served from", "loss", "at most", "drafts served")]
    for one in found:
        cell = one.slot or "all", one.domain or "all", str(one.n)
        if isinstance(one, Certificate):
            shown = f"{one.threshold:g}", f"{one.estimate:+.4f}", f"{one.upper:.4f}", f"{one.accepted:.0%}"
        else:
            shown = "uncertified", "", "", ""
        rows.append((*cell, *shown))
    return table(rows)
