"""A reviewed list of sources (`runs.toml`): which files a run reads, and how each is to be taken."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import tomli_w

from nwb_mtm.archive.addresses import LocalAddress, parse
from nwb_mtm.errors import ConfigError, RunError, SourceError
from nwb_mtm.sources.packing import write_whole

FORMAT = 1
ROLES = ("train", "valid", "held-out")
FACTS = ("subject", "session", "species", "size", "measured", "units", "regions")  # for whoever reviews


@dataclass(frozen=True)
class SourceSettings:
    """What a reviewed list may say about one source; None leaves it to the run."""

    align: str | None = None
    region: str | None = None
    quality: str | None = None
    targets: tuple[str, ...] | None = None
    weight: float = 1.0
    role: str = "train"


@dataclass(frozen=True)
class Listed:
    """One entry: an address, the archive it belongs to, its settings, and facts that are only told."""

    source: str
    instance: str | None = None
    settings: SourceSettings = SourceSettings()
    facts: Mapping[str, Any] = field(default_factory=dict)


def write_manifest(entries: Sequence[Listed], path: Path, *, existing: str = "error") -> Path:
    """Write a list to review, with the settings that have a value."""
    if path.exists() and existing == "skip":
        return path
    if path.exists() and existing != "overwrite":
        raise RunError(f"{path.name} exists already.", kind="exists")
    tables = (f"\n[[source]]\n{tomli_w.dumps(_table(entry))}" for entry in entries)
    text = "".join([f"format = {FORMAT}\n", *tables])
    write_whole(path, lambda file: file.write(text.encode()))
    return path


def read_manifest(path: Path) -> tuple[Listed, ...]:
    """The entries of a list; paths in it start from its own folder."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"There is no file {path}.", kind="not_found") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is no list of sources: {error}.", kind="bad_value") from error
    entries = table.get("source")
    if table.get("format") != FORMAT or not isinstance(entries, list) or not entries:
        text = f"{path.name} is no list of sources: it needs `format = {FORMAT}` and `[[source]]` tables."
        raise ConfigError(text, kind="bad_value")
    return tuple(_listed(entry, path, number) for number, entry in enumerate(entries, 1))


def _table(entry: Listed) -> dict[str, Any]:
    told = {"source": entry.source, "instance": entry.instance, **entry.facts}
    told |= {f.name: getattr(entry.settings, f.name) for f in fields(entry.settings)}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in told.items() if v is not None}


def _listed(entry: Any, path: Path, number: int) -> Listed:
    where = f"{path.name}, source {number}"
    if not isinstance(entry, Mapping) or not isinstance(entry.get("source"), str):
        raise ConfigError(f"{where} has no `source = ...`.", kind="bad_value")
    names = {f.name: f.type for f in fields(SourceSettings)}
    unknown = sorted(set(entry) - set(names) - set(FACTS) - {"source", "instance"})
    if unknown:
        raise ConfigError(
            f"{where}: unknown setting {unknown[0]!r}; known are {', '.join(names)}.", kind="unknown_setting"
        )
    chosen = {name: _value(name, entry[name], where) for name in names if name in entry}
    return Listed(_from_folder_of(path, entry["source"]), entry.get("instance"), SourceSettings(**chosen))


def _value(name: str, value: Any, where: str) -> Any:
    """A setting's value, after a look at it."""
    if name == "weight" and isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    if name == "role" and value in ROLES:
        return value
    if name == "targets" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if name not in ("weight", "role", "targets") and isinstance(value, str):
        return value
    needed = {
        "weight": "a number above 0",
        "role": f"one of {', '.join(ROLES)}",
        "targets": "a list of names",
    }
    raise ConfigError(f"{where}: {name} = {value!r}, but {needed.get(name, 'text')} was needed.", kind="bad_value")


def _from_folder_of(path: Path, source: str) -> str:
    address = parse(source)
    return str(path.parent / address.path) if isinstance(address, LocalAddress) else source
