"""`levelhead explain`: level, probabilities and decision of a task. Calls no model, spends nothing.

With `--jsonl` every line that isn't blank gives one line, in the same order. A line that can't be explained gives
`{"id": …, "error": {"message", "param", "code"}}`, the others are explained all the same, and the exit code is 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from ..errors import InvalidRequest, LevelheadError
from .options import ConfigOption, JsonOption, print_json, table, usd

if TYPE_CHECKING:
    from ..api import Router
    from ..types import Decision


def explain(
    prompt: Annotated[str | None, typer.Argument(help="The task; - reads it from standard input.")] = None,
    messages: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON: a list of messages, or a chat request; - is stdin.")
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A task per line: id, prompt or messages, tools?, slot?.")
    ] = None,
    slot: Annotated[str | None, typer.Option(help="The place in the team that asks.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say how hard a task is, which model would get it, and why. Calls no model."""
    if sum(given is not None for given in (prompt, messages, jsonl)) != 1:
        raise typer.BadParameter("give one of PROMPT, --messages FILE, --jsonl FILE")
    from .. import Router

    if jsonl is not None:
        with _bytes_of(jsonl) as lines, Router.from_config(config, dry_run=True) as router:
            failed = _explain_lines(router, lines, slot)
        raise typer.Exit(code=1 if failed else 0)
    task = _conversation(messages) if messages is not None else {"prompt": _prompt(prompt)}
    with Router.from_config(config, dry_run=True) as router:
        decision = _decide(router, task, slot)
    if as_json:
        from ..deciding import explanation

        print_json(explanation(decision, task.get("id")))
    else:
        typer.echo(_told(decision))


def _explain_lines(router: Router, lines: BinaryIO, slot: str | None) -> bool:
    """Whether a line failed."""
    import orjson

    from ..deciding import explanation

    failed = False
    out = sys.stdout.buffer
    for line in lines:
        if not line.strip():
            continue
        task: dict[str, Any] = {}
        try:
            task = _object(line)
            said = explanation(_decide(router, task, slot), task.get("id"))
        except LevelheadError as error:
            failed = True
            wrong = {"message": error.message, "param": error.param, "code": error.code}
            said = {"id": task.get("id"), "error": wrong}
        out.write(orjson.dumps(said) + b"\n")
    out.flush()
    return failed


def _decide(router: Router, task: dict[str, Any], slot: str | None) -> Decision:
    prompt: Any = task.get("prompt")
    messages: Any = task.get("messages")
    if (prompt is None) == (messages is None):
        raise InvalidRequest("Give either 'prompt' or 'messages'.", param="prompt")
    if prompt is not None:
        if not isinstance(prompt, str):
            raise InvalidRequest("'prompt' should be a string.", param="prompt")
        messages = [{"role": "user", "content": prompt}]
    own = task.get("slot")
    if own is not None and not isinstance(own, str):
        raise InvalidRequest("'slot' should be a string.", param="slot")
    tools = {"tools": task["tools"]} if task.get("tools") else {}
    return router.explain(messages, slot=own or slot, **tools)


def _prompt(prompt: str | None) -> str:
    if prompt == "-":
        return _text(sys.stdin.buffer.read())
    return _text((prompt or "").encode("utf-8", "surrogateescape"))


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest("The prompt is not UTF-8.", param="prompt") from None


def _conversation(file: Path) -> dict[str, Any]:
    with _bytes_of(file) as stream:
        raw = stream.read()
    return {"messages": _json(raw)} if raw.lstrip()[:1] == b"[" else _object(raw)


def _object(raw: bytes) -> dict[str, Any]:
    value = _json(raw)
    if not isinstance(value, dict):
        raise InvalidRequest("Should be a JSON object with 'prompt' or 'messages'.")
    return value


def _json(raw: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        # The decoder's own message is fine; its attributes hold the document.
        raise InvalidRequest(f"Is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None


@contextmanager
def _bytes_of(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise InvalidRequest(f"{file}: can't be read: {error.strerror}.") from None
    with stream:
        yield stream


def _told(decision: Decision) -> str:
    seen, saved = decision.assessment, decision.baseline_cost_usd - decision.expected_cost_usd
    share = f" ({saved / decision.baseline_cost_usd:.0%} less)" if saved > 0 else ""
    rows = [["model", "tier", "success", "expected cost", ""]]
    for candidate in decision.candidates:
        mark = f"no: {candidate.why_not}" if not candidate.eligible else ""
        if candidate.model is decision.model:
            mark = f"<- {decision.reason.value}"
        cost = usd(candidate.expected_cost_usd)
        rows.append([candidate.model.name, candidate.model.tier, f"{candidate.success:.2f}", cost, mark])
    return "\n".join(
        (
            f"{seen.level}, difficulty {seen.difficulty:.2f}, confidence {seen.confidence:.2f}",
            f"{decision.model.name}: about {usd(decision.expected_cost_usd)}, "
            f"all-strong {usd(decision.baseline_cost_usd)}{share}",
            "",
            table(rows),
        )
    )
