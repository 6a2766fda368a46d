"""Histology that arrives later: a CSV file that names a region for units, electrodes, or stretches of a probe."""

import csv
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy import ndarray

from nwb_mtm.errors import ConfigError
from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.electrodes import Electrodes
from nwb_mtm.nwb.links import Links

Key = TypeVar("Key", int, str)

KEYS = ("unit_row", "unit_id", "electrode_row", "electrode_id")
DEPTHS = ("group", "depth_from", "depth_to")
UNIT_DEPTHS = ("depth", "depths", "spike_depths", "depth_um", "distance_from_probe_tip_um")
FORM = (
    "The first line names the columns: `region` and one of `unit_row`, `unit_id`, `electrode_row`, `electrode_id`, "
    "or the three `group`, `depth_from`, `depth_to`."
)


def read_region_table(
    path: str | Path, table: Table, electrodes: Electrodes, columns: Mapping[str, ndarray]
) -> dict[int, str]:
    """The region that the file gives to each unit row; unknown and repeated keys are refused."""
    rows, header = _read(Path(path))
    shown = Path(path).name
    links = Links(table, electrodes, ())
    if set(DEPTHS) <= set(header):
        return _by_depth(rows, shown, links, columns)
    key = next((k for k in KEYS if k in header), None)
    if key is None:
        raise ConfigError(f"{shown} has the columns {', '.join(header)}. {FORM}", kind="bad_value")
    named = _unique(rows, key, shown)
    if key == "unit_row":
        return _checked({_whole(k, shown): v for k, v in named.items()}, range(table.count), key, shown)
    if key == "unit_id":
        rows_of = _rows_by_id(table.ids(), "unit", shown)
        return {rows_of[k]: v for k, v in _checked(named, rows_of, key, shown).items()}
    if key == "electrode_row":
        by_electrode = _checked({_whole(k, shown): v for k, v in named.items()}, range(len(electrodes)), key, shown)
    else:
        rows_of = _rows_by_id(electrodes.ids, "electrode", shown)
        by_electrode = {rows_of[k]: v for k, v in _checked(named, rows_of, key, shown).items()}
    peaks = links.best_rows.tolist()
    return {unit: by_electrode[row] for unit, row in enumerate(peaks) if row in by_electrode}


def _read(path: Path) -> tuple[list[dict[str, str]], Sequence[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            rows = [{str(k).strip(): (v or "").strip() for k, v in row.items() if k} for row in reader]
            header = [name.strip() for name in reader.fieldnames or ()]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"The table of regions {path.name} cannot be read: {error}.", kind="bad_value") from error
    if "region" not in header or not rows:
        raise ConfigError(f"The table of regions {path.name} names no regions. {FORM}", kind="bad_value")
    return rows, header


def _unique(rows: Sequence[Mapping[str, str]], key: str, shown: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for row in rows:
        if row[key] in out:
            raise ConfigError(
                f"{shown} names the {key} {row[key]!r} twice; each may have one region.", kind="bad_value"
            )
        out[row[key]] = row["region"]
    return out


def _whole(text: str, shown: str) -> int:
    try:
        return int(float(text))
    except ValueError as error:
        raise ConfigError(f"{shown} has the row {text!r}, which is no number.", kind="bad_value") from error


def _depth(text: str, shown: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{shown} has the depth {text!r}, which is no number.", kind="bad_value") from error


def _checked(named: dict[Key, str], known: Container[Key], key: str, shown: str) -> dict[Key, str]:
    unknown = [str(k) for k in named if k not in known]
    if unknown:
        raise ConfigError(
            f"{shown} names {len(unknown)} {key}s that the file does not have, the first {unknown[0]}.",
            kind="bad_value",
        )
    return named


def _rows_by_id(ids: Sequence[object], what: str, shown: str) -> dict[str, int]:
    names = [str(i) for i in ids]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"{what} ids are not unique in the file, so {shown} cannot name them; use {what}_row.", kind="bad_value"
        )
    return {name: row for row, name in enumerate(names)}


def _by_depth(
    rows: Sequence[Mapping[str, str]], shown: str, links: Links, columns: Mapping[str, ndarray]
) -> dict[int, str]:
    depth = next(
        (columns[n].astype(np.float64) for n in UNIT_DEPTHS if n in columns and columns[n].dtype.kind in "iuf"), None
    )
    if depth is None:
        depth = _electrode_depth(links)
    groups = {**links.probe_values, **links.probe_groups, **links.electrode_groups, **links.named_groups}
    known = set(groups.values()) | set(links.probe_values.values())
    out: dict[int, str] = {}
    for row in rows:
        if row["group"] not in known:
            raise ConfigError(
                f"{shown} names the group {row['group']!r}; units have: {', '.join(sorted(known))}.", kind="bad_value"
            )
        low, high = _depth(row["depth_from"], shown), _depth(row["depth_to"], shown)
        for unit, group in groups.items():
            if row["group"] in (group, links.probe_values.get(unit)) and low <= depth[unit] < high:
                if unit in out:
                    raise ConfigError(f"{shown} has overlapping depths in {row['group']!r}.", kind="bad_value")
                out[unit] = row["region"]
    return out


def _electrode_depth(links: Links) -> ndarray:
    """Depth along the probe (`rel_y`) of each unit's electrode; NaN without one."""
    table = links.electrodes.table
    along = table.flat("rel_y") if table is not None else None
    out = np.full(links.table.count, np.nan)
    if along is not None:
        known = links.best_rows >= 0
        out[known] = along.astype(np.float64)[links.best_rows[known]]
    return out
