"""Takes off the Markdown fence that Claude sometimes puts around the JSON it was asked for."""

from __future__ import annotations

__all__ = ["Unfencer", "unfenced"]

_FENCE = "```"


def unfenced(text: str) -> str:
    """The inside of a Markdown fence that wraps the whole text."""
    stripped = text.strip()
    if not (stripped.startswith(_FENCE) and stripped.endswith(_FENCE) and len(stripped) > 6):
        return text
    head, newline, rest = stripped[3:-3].partition("\n")
    return rest.strip() if newline and _opens(head) else text


class Unfencer:
    """`unfenced` for a text that comes in pieces: holds back only what may turn out to be the fence or space around it.

    A fence that opens and never closes (the answer was cut short) loses its opening.
    """

    __slots__ = ("_held", "_state")

    def __init__(self) -> None:
        self._held = ""
        self._state = "start"  # start: may open a fence; inside: after its first line; body: in its text; plain: none

    def feed(self, piece: str) -> str:
        """What may go out."""
        if self._state == "plain":
            return piece
        text, self._held = self._held + piece, ""
        if self._state == "start":
            text = self._opened(text)
        if self._state == "inside":
            text = text.lstrip()
            if text:
                self._state = "body"
        if self._state != "body":
            return text
        out = text[: _closing(text)]
        self._held = text[len(out) :]
        return out

    def finish(self) -> str:
        """What was held back and is no fence."""
        held, self._held = self._held, ""
        return "" if self._state == "body" and held.rstrip().endswith(_FENCE) else held

    def _opened(self, text: str) -> str:
        """What follows the opening line, or all of it where there is none; nothing while that is open."""
        stripped = text.lstrip()
        head, newline, rest = stripped[3:].partition("\n")
        if stripped.startswith(_FENCE) and newline and _opens(head):
            self._state = "inside"
            return rest
        if _FENCE.startswith(stripped) or (
            stripped.startswith(_FENCE) and not newline and "json".startswith(head.strip().lower())
        ):
            self._held = text
            return ""
        self._state = "plain"
        return text


def _opens(head: str) -> bool:
    """Whether the rest of a fence's first line says JSON, or nothing."""
    return head.strip().lower() in ("", "json")


def _closing(text: str) -> int:
    """Where the space and the backticks begin that may close the fence, should nothing follow them."""
    core = text.rstrip()
    if core.endswith(_FENCE):
        return len(core[:-3].rstrip())
    if len(core) == len(text):  # one or two backticks may be the first of three
        core = core.rstrip("`")
    return len(core.rstrip())
