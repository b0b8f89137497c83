"""Reads a request's form as strictly as Stripe does, and refuses it in Stripe's words."""

import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.stripe.errors import StripeError

Raw = str | dict[str, Any]
Parser = Callable[[Raw, str], Any]

_KEYS = re.compile(r"[^\[\]]+|(?<=\[)(?=\])")


def parse_form(encoded: str) -> dict[str, Any]:
    """A form with bracketed names, `a[b][0]=c`, as nested dicts of strings."""
    root: dict[str, Any] = {}
    for name, value in urllib.parse.parse_qsl(encoded, keep_blank_values=True):
        keys = _KEYS.findall(name) or [name]
        here = root
        for key in keys[:-1]:
            there = here.setdefault(key or str(len(here)), {})
            if not isinstance(there, dict):
                raise StripeError(f"Invalid request: {name} is both a value and a hash", param=name)
            here = there
        here[keys[-1] or str(len(here))] = value
    return root


def text(maximum: int = 5000, *, can_be_unset: bool = False) -> Parser:
    """A string; an empty one unsets the value where that is allowed and becomes None."""

    def parse(raw: Raw, name: str) -> str | None:
        value = _scalar(raw, name, "string")
        if value == "":
            if can_be_unset:
                return None
            raise StripeError(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt "
                f"to unset a parameter; however '{name}' cannot be unset. You should remove "
                f"'{name}' from your request or supply a non-empty value.",
                code="parameter_invalid_empty",
                param=name,
            )
        if len(value) > maximum:
            raise StripeError(
                f"Invalid string: {value[:20]}...; must be at most {maximum} characters", param=name
            )
        return value

    return parse


def integer(minimum: int | None = None, maximum: int | None = None) -> Parser:
    """A whole number within bounds."""

    def parse(raw: Raw, name: str) -> int:
        value = _scalar(raw, name, "integer")
        if not re.fullmatch(r"-?\d{1,15}", value):
            raise StripeError(
                f"Invalid integer: {value[:40]}", code="parameter_invalid_integer", param=name
            )
        number = int(value)
        if minimum is not None and number < minimum:
            raise StripeError(
                f"This value must be greater than or equal to {minimum}.",
                code="parameter_invalid_integer",
                param=name,
            )
        if maximum is not None and number > maximum:
            raise StripeError(
                f"This value must be less than or equal to {maximum}.",
                code="parameter_invalid_integer",
                param=name,
            )
        return number

    return parse


def number(above: float, maximum: float) -> Parser:
    """A decimal number above one bound and up to the other."""

    def parse(raw: Raw, name: str) -> float:
        value = _scalar(raw, name, "decimal")
        if not re.fullmatch(r"\d{1,9}(\.\d{1,4})?", value) or not above < float(value) <= maximum:
            raise StripeError(
                f"Invalid decimal: {value[:40]}; must be above {above} and at most {maximum}.",
                param=name,
            )
        return int(value) if value.isdecimal() else float(value)

    return parse


def boolean(raw: Raw, name: str) -> bool:
    """`true` or `false`."""
    value = _scalar(raw, name, "boolean").lower()
    if value not in ("true", "false"):
        raise StripeError(f"Invalid boolean: {value[:40]}", param=name)
    return value == "true"


def choice(*allowed: str) -> Parser:
    """One of the given words."""

    def parse(raw: Raw, name: str) -> str:
        value = _scalar(raw, name, "string")
        if value not in allowed:
            listed = (
                " or ".join(allowed)
                if len(allowed) < 3
                else (", ".join(allowed[:-1]) + f", or {allowed[-1]}")
            )
            raise StripeError(f"Invalid {name}: must be one of {listed}", param=name)
        return value

    return parse


def either(*words: str, otherwise: Parser) -> Parser:
    """One of the given words as it stands, or what `otherwise` reads."""

    def parse(raw: Raw, name: str) -> Any:
        return raw if isinstance(raw, str) and raw in words else otherwise(raw, name)

    return parse


def hash_of(fields: Mapping[str, Parser], required: tuple[str, ...] = ()) -> Parser:
    """A hash with these fields and no others."""

    def parse(raw: Raw, name: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise StripeError(f"Invalid object: {name} must be a hash", param=name)
        return read_fields(raw, fields, required, name)

    return parse


def list_of(item: Parser, maximum: int = 100) -> Parser:
    """An array, indexed (`a[0]=`) or not (`a[]=`)."""

    def parse(raw: Raw, name: str) -> list[Any]:
        if not isinstance(raw, dict) or not all(key.isdecimal() for key in raw):
            raise StripeError(f"Invalid array: {name} must be an array", param=name)
        if len(raw) > maximum:
            raise StripeError(f"Array {name} exceeded maximum {maximum} allowed items", param=name)
        return [item(raw[key], f"{name}[{key}]") for key in sorted(raw, key=int)]

    return parse


def metadata(raw: Raw, name: str) -> dict[str, str] | None:
    """Up to 50 keys of at most 40 characters, with values of at most 500; None unsets them all."""
    if raw == "":
        return None
    if not isinstance(raw, dict):
        raise StripeError("Invalid metadata: it must be a hash", param=name)
    if len(raw) > 50:
        raise StripeError("You can only have up to 50 metadata keys.", param=name)
    for key, value in raw.items():
        where = f"{name}[{key}]"
        if len(key) > 40:
            raise StripeError("Metadata keys can be at most 40 characters.", param=where)
        if len(_scalar(value, where, "string")) > 500:
            raise StripeError("Metadata values can be at most 500 characters.", param=where)
    return raw


def merged_metadata(current: dict[str, str], given: dict[str, str] | None) -> dict[str, str]:
    """What a request leaves of an object's metadata: an empty value takes its key away."""
    merged = {} if given is None else {**current, **given}
    if len(merged) > 50:
        raise StripeError("You can only have up to 50 metadata keys.", param="metadata")
    return {key: value for key, value in merged.items() if value != ""}


CREATED = either(
    otherwise=lambda raw, name: (
        hash_of({bound: integer() for bound in ("gt", "gte", "lt", "lte")})(raw, name)
        if isinstance(raw, dict)
        else integer()(raw, name)
    )
)

PAGE: dict[str, Parser] = {
    "limit": integer(1, 100),
    "starting_after": text(),
    "ending_before": text(),
}


def read_fields(
    raw: Mapping[str, Any],
    fields: Mapping[str, Parser],
    required: tuple[str, ...],
    prefix: str = "",
) -> dict[str, Any]:
    """Everything the form holds, read by `fields`; raises for what is unknown, missing or wrong."""

    def full(name: str) -> str:
        return f"{prefix}[{name}]" if prefix else name

    for name in raw:
        if name not in fields:
            raise StripeError(
                f"Received unknown parameter: {full(name)}",
                code="parameter_unknown",
                param=full(name),
            )
    for name in required:
        if name not in raw:
            raise StripeError(
                f"Missing required param: {full(name)}.", code="parameter_missing", param=full(name)
            )
    return {name: fields[name](value, full(name)) for name, value in raw.items()}


def _scalar(raw: Raw, name: str, kind: str) -> str:
    if isinstance(raw, dict):
        raise StripeError(f"Invalid {kind}: {name} must not be a hash or an array", param=name)
    return raw
