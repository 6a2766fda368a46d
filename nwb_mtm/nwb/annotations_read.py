"""Annotations out of a file, HDF5 or Zarr, without pynwb and without the model."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from nwb_mtm.errors import RecordingError
from nwb_mtm.nwb import annotations as names
from nwb_mtm.nwb.annotations import WindowTable
from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.opening import open_source
from nwb_mtm.nwb.view import Array, Group, as_number, find_array, find_group


@dataclass(frozen=True, eq=False)
class Written:
    """What an open file holds of ours; rates are read when asked for."""

    root: Group
    facts: Mapping[str, str]
    units: Mapping[str, ndarray]
    rows: Int64[ndarray, " unit"]
    windows: WindowTable
    kind: UInt8[ndarray, " bin"]
    t0: float
    bin_size: float
    is_sidecar: bool

    def rates(self, name: str = names.RATES) -> Array:
        """The rates of one series, as stored."""
        array = find_array(self.root, f"processing/ecephys/{name}/data")
        if array is None:
            raise _missing(name)
        return array

    @property
    def has_trained(self) -> bool:
        """Whether rates of training time were written too."""
        return find_group(self.root, f"processing/ecephys/{names.TRAINED}") is not None

    def latents(self) -> ndarray | None:
        """The latents, if they were written."""
        array = find_array(self.root, f"processing/ecephys/{names.LATENTS}/data")
        return None if array is None else array.read()

    def behaviors(self) -> Mapping[str, ndarray]:
        """Every decoded series by its name."""
        group = find_group(self.root, f"processing/behavior/{names.BEHAVIOR}")
        if group is None:
            return {}
        arrays = {name: find_array(group, f"{name}/data") for name in group.names()}
        return {name: array.read() for name, array in arrays.items() if array is not None}

    def trials(self) -> Mapping[str, ndarray] | None:
        """The columns of the decoded trials."""
        group = find_group(self.root, f"processing/behavior/{names.TRIALS}")
        return None if group is None else _columns(Table(group))


@contextmanager
def open_written(path: str | Path) -> Iterator[Written]:
    """Open an annotated file (or sidecar) for reading."""
    with open_source(path) as opened:
        yield _read(opened.root, opened.name)


def _read(root: Group, name: str) -> Written:
    units = _table(root, names.UNITS, name)
    windows = _columns(_table(root, names.WINDOWS, name))
    stated = _columns(_table(root, names.FACTS, name))
    facts = dict(zip(stated["fact"].tolist(), stated["value"].tolist()))
    samples = find_array(root, f"processing/ecephys/{names.SAMPLES}/data")
    if samples is None:
        raise _missing(names.SAMPLES, name)
    columns = _columns(units)
    rows = columns.pop("unit") if "unit" in columns else columns.pop("unit_row")
    t0, bin_size = _grid(root, facts)
    return Written(
        root=root,
        facts=facts,
        units=columns,
        rows=rows.astype(np.int64),
        windows=_windows(windows),
        kind=samples.read().astype(np.uint8),
        t0=t0,
        bin_size=bin_size,
        is_sidecar="spike_hash" in columns,
    )


def _grid(root: Group, facts: Mapping[str, str]) -> tuple[float, float]:
    """The grid as stated, which is exact to the bit; else from the series' clock."""
    if "grid.t0" in facts:
        return float(facts["grid.t0"]), float(facts["grid.bin_size"])
    clock = find_array(root, f"processing/ecephys/{names.RATES}/starting_time")
    if clock is None:
        raise _missing(names.RATES)
    bin_size = 1 / as_number(clock.attrs.get("rate"))
    return as_number(clock.read()) - bin_size / 2, bin_size


def _windows(columns: Mapping[str, ndarray]) -> WindowTable:
    return WindowTable(
        start=columns["start_time"].astype(np.float64),
        stop=columns["stop_time"].astype(np.float64),
        split=tuple(columns["split"].tolist()),
        fold=columns["fold"].astype(np.int64),
        extrapolated=columns["extrapolated"].astype(bool),
    )


def _table(root: Group, table: str, name: str) -> Table:
    group = find_group(root, f"processing/ecephys/{table}")
    if group is None:
        raise _missing(table, name)
    return Table(group)


def _columns(table: Table) -> dict[str, ndarray]:
    read = {name: table.flat(name) for name in table.names}
    return {name: values for name, values in read.items() if values is not None}


def _missing(what: str, name: str = "The file") -> RecordingError:
    return RecordingError(f"{name} holds no {what}: nwb-mtm has not annotated it.", kind="not_annotated")
