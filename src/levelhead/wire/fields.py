"""Checks of single fields. A check raises `Fault` with the path below its own field; callers add what is above."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InvalidRequest

__all__ = [
    "Check",
    "Fault",
    "boolean",
    "each",
    "integer",
    "known_fields",
    "missing",
    "number",
    "object_",
    "one_or_more_strings",
    "required",
    "string",
    "strings",
    "wrong_type",
]

Check = Callable[[Any], None]

_KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


class Fault(Exception):
    """What is wrong at `path`. `text` has a `{}` where the whole path goes; it never quotes the value."""

    def __init__(self, path: str, text: str, code: str = "invalid_value") -> None:
        super().__init__(text)
        self.path = path
        self.text = text
        self.code = code

    def within(self, above: str) -> Fault:
        dot = "." if self.path and self.path[0] != "[" else ""
        return Fault(above + dot + self.path, self.text, self.code)

    def error(self) -> InvalidRequest:
        return InvalidRequest(self.text.replace("{}", self.path, 1), param=self.path, code=self.code)


def wrong_type(path: str, expected: str, value: object) -> Fault:
    got = _KINDS.get(type(value), "something else")
    return Fault(path, f"Invalid type for '{{}}': expected {expected}, but got {got} instead.", "invalid_type")


def missing(path: str) -> Fault:
    return Fault(path, "Missing required parameter: '{}'.", "missing_required_parameter")


def required(value: dict[str, Any], name: str, check: Check) -> None:
    """`value[name]` is there and passes."""
    if name not in value:
        raise missing(name)
    try:
        check(value[name])
    except Fault as fault:
        raise fault.within(name) from None


def each(values: list[Any], check: Callable[..., None], *others: object) -> None:
    """Every one passes; a fault says which did not."""
    for index, one in enumerate(values):
        try:
            check(one, *others)
        except Fault as fault:
            raise fault.within(f"[{index}]") from None


def known_fields(body: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """What is there and not null passes its check; what has none may be anything."""
    for name, value in body.items():
        if value is not None and (check := checks.get(name)) is not None:
            try:
                check(value)
            except Fault as fault:
                raise fault.within(name) from None


def string(value: object) -> None:
    if type(value) is not str:
        raise wrong_type("", "a string", value)


def boolean(value: object) -> None:
    if type(value) is not bool:
        raise wrong_type("", "a boolean", value)


def object_(value: object) -> None:
    if type(value) is not dict:
        raise wrong_type("", "an object", value)


def strings(value: object) -> None:
    if type(value) is not list:
        raise wrong_type("", "an array of strings", value)
    for index, item in enumerate(value):
        if type(item) is not str:
            raise wrong_type(f"[{index}]", "a string", item)


def one_or_more_strings(value: object) -> None:
    if type(value) is list:
        strings(value)
    elif type(value) is not str:
        raise wrong_type("", "a string or an array of strings", value)


def integer(low: int | None = None, high: int | None = None) -> Check:
    def check(value: object) -> None:
        if type(value) is not int:
            raise wrong_type("", "an integer", value)
        if low is not None and value < low:
            raise Fault("", f"Invalid '{{}}': expected a value >= {low}.", "integer_below_min_value")
        if high is not None and value > high:
            raise Fault("", f"Invalid '{{}}': expected a value <= {high}.", "integer_above_max_value")

    return check


def unsupported(why: str) -> Check:
    """Refuses the field, unless it is off: null, false, 0 or empty."""

    def check(value: object) -> None:
        if value:
            raise Fault("", f"Unsupported parameter '{{}}': {why}", "unsupported_parameter")

    return check


def number(low: float, high: float) -> Check:
    def check(value: object) -> None:
        if type(value) is not float and type(value) is not int:
            raise wrong_type("", "a number", value)
        if value < low:
            raise Fault("", f"Invalid '{{}}': expected a value >= {low:g}.", "decimal_below_min_value")
        if value > high:
            raise Fault("", f"Invalid '{{}}': expected a value <= {high:g}.", "decimal_above_max_value")

    return check
