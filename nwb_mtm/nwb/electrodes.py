"""The electrodes table and the electrode groups: labels, groups and places by row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.view import Group, find_array, find_group, is_array, text_at
from nwb_mtm.recording import UNKNOWN
from nwb_mtm.regions import clean

PLACE = "general/extracellular_ephys"
LABELS = ("location", "brain_region", "region", "brain_area", "area", "structure", "acronym", "ccf_acronym")
HUMAN_MM = 200.0  # no human brain coordinate in micrometres stays below this, all in millimetres do
PROBE_APART = 1e6  # micrometres between probes whose places are known only along each probe


@dataclass(frozen=True, eq=False)
class Electrodes:
    """What is known of every electrode, by row; empty when the file has no such table."""

    ids: tuple[int | float | str, ...] = ()
    labels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    positions: Float[ndarray, "electrode 3"] = field(default_factory=lambda: np.zeros((0, 3)))
    group_labels: Mapping[str, str] = field(default_factory=dict)
    table: Table | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """The cleaned label of every electrode."""
        names = {label: clean(label) for label in set(self.labels)}
        return tuple(names[label] for label in self.labels)

    def rows_of(self, group: str) -> tuple[int, ...]:
        """The electrodes of a group."""
        return tuple(row for row, name in enumerate(self.groups) if name == group)

    def label_of_group(self, group: str) -> str:
        """The group's own location, or the one that all its electrodes share, or an empty string."""
        own = self.group_labels.get(group, "")
        if clean(own) != UNKNOWN:
            return own
        shared = {self.labels[row] for row in self.rows_of(group)}
        return next(iter(shared)) if len({clean(label) for label in shared}) == 1 else ""


def read_electrodes(root: Group) -> Electrodes:
    """Read the columns that place a unit; nothing else of the table is touched."""
    group_labels = _group_labels(root)
    group = find_group(root, f"{PLACE}/electrodes")
    if group is None:
        return Electrodes(group_labels=group_labels)
    table = Table(group)
    if not table.count:
        return Electrodes(group_labels=group_labels)
    groups = _groups(table, group_labels)
    return Electrodes(
        ids=table.ids(),
        labels=_labels(root, table),
        groups=groups,
        positions=_positions(table, groups, text_at(root, "general/subject/species") or ""),
        group_labels=group_labels,
        table=table,
    )


def _group_labels(root: Group) -> dict[str, str]:
    place = find_group(root, PLACE)
    out: dict[str, str] = {}
    for name in place.names() if place is not None else ():
        child = None if name == "electrodes" or place is None else place.get(name)
        if child is not None and not is_array(child):
            out[name] = text_at(child, "location") or ""  # type: ignore[arg-type]
    return out


def _labels(root: Group, table: Table) -> tuple[str, ...]:
    """The first column of names that says anything; else the localization tables beside the electrodes."""
    for name in LABELS:
        values = table.text(name)
        if values is not None and any(clean(v) != UNKNOWN for v in values):
            return values
    located = _localized(root, table.count)
    return located or table.text("location") or ("",) * table.count


def _localized(root: Group, count: int) -> tuple[str, ...]:
    """Labels of anatomical-localization tables, which point to electrodes by row."""
    place = find_group(root, "general/localization/anatomical_coordinates_tables") or find_group(
        root, "general/localization"
    )
    for name in place.names() if place is not None else ():
        group = find_group(place, name) if place is not None else None
        if group is None or find_array(group, "localized_entity") is None:
            continue
        table = Table(group)
        rows, values = table.flat("localized_entity"), table.text("brain_region")
        if rows is None or values is None:
            continue
        out = [""] * count
        for row, value in zip(rows.astype(int).tolist(), values):
            if 0 <= row < count:
                out[row] = value
        return tuple(out)
    return ()


def _groups(table: Table, known: Mapping[str, str]) -> tuple[str, ...]:
    named = table.text("group_name")
    if named is not None and all(name in known for name in named):
        return named
    array = table.members.get("group")
    targets = array.targets() if array is not None else None
    if targets is not None and len(targets) == table.count:
        return targets
    if named is not None:
        return named
    only = next(iter(known)) if len(known) == 1 else UNKNOWN
    return (only,) * table.count


def _positions(table: Table, groups: tuple[str, ...], species: str) -> Float[ndarray, "electrode 3"]:
    """Micrometres; NaN where the columns are missing or say nothing."""
    brain = _coordinates(table, ("x", "y", "z"))
    if brain is not None:
        if "sapiens" in species.casefold() and np.nanmax(np.abs(brain)) < HUMAN_MM:
            brain = brain * 1000.0
        return brain
    probe = _coordinates(table, ("rel_x", "rel_y"))
    if probe is None:
        return np.full((table.count, 3), np.nan)
    order = {name: index for index, name in enumerate(dict.fromkeys(groups))}
    probe[:, 2] = [order[name] * PROBE_APART for name in groups]
    return probe


def _coordinates(table: Table, names: tuple[str, ...]) -> Float[ndarray, "electrode 3"] | None:
    """Columns of coordinates; None when they are missing or the same for every electrode."""
    out = np.full((table.count, 3), np.nan)
    for axis, name in enumerate(names):
        values = table.flat(name)
        if values is not None and values.dtype.kind in "fiu":
            out[:, axis] = values
    out = np.where(np.isfinite(out) & (np.abs(out) < 1e9), out, np.nan)
    known = ~np.isnan(out).all(axis=0)
    complete = ~np.isnan(out[:, known]).any(axis=1)
    if not known.any() or len(np.unique(out[complete][:, known], axis=0)) < min(2, table.count):
        return None
    return np.where(complete[:, None], np.where(known, out, 0.0), np.nan)
