"""Frozen dataclasses from plain tables: mistakes are refused by name, and fields say what they are for."""

import ast
import dataclasses
import difflib
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar

import tomli_w

from nwb_mtm.errors import ConfigError

Settings = TypeVar("Settings")


def describe(section: type) -> dict[str, str]:
    """The sentence under each field of a section, as written in its source."""
    body = ast.parse(inspect.getsource(section)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for this, after in zip(body.body, body.body[1:]):
        if isinstance(this, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            assert isinstance(this.target, ast.Name)
            found[this.target.id] = str(after.value.value)
    return found


def commented(section: Any, name: str) -> str:
    lines = [f"# {type(section).__doc__}", f"[{name}]"]
    sentences = describe(type(section))
    for key, value in dataclasses.asdict(section).items():
        plain = list(value) if isinstance(value, tuple) else value
        lines += [f"# {sentences[key]}", tomli_w.dumps({key: plain}).strip()]
    return "\n".join(lines) + "\n"


def build(cls: type[Settings], table: Mapping[str, Any], prefix: str) -> Settings:
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for key in table:
        if key not in names:
            raise unknown(f"{prefix}{key}", [f"{prefix}{name}" for name in names])
    return cls(**{key: _value(hints[key], value, f"{prefix}{key}") for key, value in table.items()})


def _value(hint: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"'{name}' is a section; found {value!r}.", kind="bad_value")
        return build(typing.cast(type[Any], hint), value, f"{name}.")
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            choices = ", ".join(map(str, typing.get_args(hint)))
            raise ConfigError(f"'{name}' is one of {choices}; found {value!r}.", kind="bad_value")
        return value
    if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
        return tuple(value)
    if isinstance(hint, types.UnionType):
        hint = next(h for h in typing.get_args(hint) if h is not type(None))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"'{name}' needs a value of type {hint.__name__}; found {value!r}.", kind="bad_value")
    return value


def unknown(name: str, known: list[str]) -> ConfigError:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(known)}."
    return ConfigError(f"Unknown setting '{name}'.{hint}", kind="unknown_setting")


def positive(name: str, value: float) -> None:
    if not value > 0:
        raise ConfigError(f"{name} is {value:g}; it needs to be above 0.", kind="bad_value")


def seconds(text: str) -> float:
    """A stretch of time as seconds.

    >>> seconds("90s"), seconds("5m"), seconds("2h"), seconds("1h30m")
    (90.0, 300.0, 7200.0, 5400.0)
    """
    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    if not text.strip() or parts is None:
        raise ConfigError(f"{text!r} is no stretch of time; write 90s, 5m or 2h.", kind="bad_value")
    hours, minutes, rest = (float(part or 0) for part in parts.groups())
    total = hours * 3600 + minutes * 60 + rest
    positive("budget", total)
    return total


def parted(changes: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Dotted settings as section, key and value."""
    for name, value in changes.items():
        section, _, key = name.partition(".")
        yield section, key, value
