"""Bricks of NWB files, laid by h5py alone, so that no fault of a writer can hide one of the reader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

TEXT = h5py.string_dtype()
CONTAINERS = ("Position", "CompassDirection", "PupilTracking", "BehavioralEvents", "BehavioralEpochs")


@dataclass(frozen=True)
class Ragged:
    """A column with a list in every row."""

    rows: Sequence[Any]
    index_dtype: str = "uint8"
    region: str = ""  # path of the table that the rows point to
    dtype: Any = None


@dataclass(frozen=True)
class Region:
    """A column of one row number of another table."""

    rows: Sequence[int]
    table: str = "/general/extracellular_ephys/electrodes"
    dtype: str = "int64"


@dataclass(frozen=True)
class Refs:
    """A column of object references."""

    paths: Sequence[str]


def start(path: Path, *, session: str | None = "s1", subject: str | None = "m1", version: str = "2.7.0") -> h5py.File:
    """A file with what every NWB file has, open for more."""
    file = h5py.File(path, "w")
    file.attrs.update({"nwb_version": version, "namespace": "core", "neurodata_type": "NWBFile", "object_id": "o-1"})
    for place in ("acquisition", "analysis", "processing", "general/devices", "intervals"):
        file.require_group(place)
    for place in ("presentation", "templates"):
        file.require_group(f"stimulus/{place}")
    text(file, "identifier", f"id-{path.stem}")
    text(file, "session_description", "a test")
    for name in ("session_start_time", "timestamps_reference_time"):
        text(file, name, "2020-01-01T00:00:00+00:00")
    file.create_dataset("file_create_date", data=np.array(["2020-01-01T00:00:00+00:00"], dtype=object), dtype=TEXT)
    if session is not None:
        text(file, "general/session_id", session)
    if subject is not None:
        text(file, "general/subject/subject_id", subject)
        typed(file["general/subject"], "Subject")
    return file


def _contain(file: h5py.File, path: str) -> None:
    """Give the groups above an object their types: processing modules, and containers by their names."""
    parts = path.strip("/").split("/")
    for depth in range(2, len(parts)):
        above = file.require_group("/".join(parts[:depth]))
        if "neurodata_type" not in above.attrs and parts[0] in ("processing", "acquisition"):
            container = parts[depth - 1] if parts[depth - 1] in CONTAINERS else "BehavioralTimeSeries"
            typed(above, "ProcessingModule" if (parts[0], depth) == ("processing", 2) else container)


def text(file: Any, path: str, value: str) -> None:
    """A scalar string."""
    file.create_dataset(path, data=value, dtype=TEXT)


def typed(node: Any, kind: str, namespace: str = "core") -> Any:
    """Mark an object with its type."""
    node.attrs.update({"neurodata_type": kind, "namespace": namespace, "object_id": f"o-{node.name}"})
    if kind not in ("ElementIdentifiers", "Device", "Subject"):
        node.attrs["description"] = "a test"
    return node


def table(file: h5py.File, path: str, kind: str, columns: Mapping[str, Any], ids: Any = None) -> h5py.Group:
    """A DynamicTable."""
    _contain(file, path)
    group = typed(file.require_group(path), kind)
    for name, column in columns.items():
        _column(file, group, name, column)
    group.attrs["colnames"] = np.array(list(columns), dtype=object)
    if ids is not None:
        typed(group.create_dataset("id", data=np.asarray(ids)), "ElementIdentifiers", "hdmf-common")
    return group


def _column(file: h5py.File, group: h5py.Group, name: str, column: Any) -> None:
    if isinstance(column, Refs):
        refs = np.array([file[path].ref for path in column.paths], dtype=h5py.ref_dtype)
        typed(group.create_dataset(name, data=refs, dtype=h5py.ref_dtype), "VectorData", "hdmf-common")
        return
    if isinstance(column, Region):
        made = group.create_dataset(name, data=np.asarray(column.rows, column.dtype))
        typed(made, "DynamicTableRegion", "hdmf-common").attrs["table"] = file[column.table].ref
        return
    if isinstance(column, Ragged):
        _ragged(file, group, name, column)
        return
    values = np.asarray(column)
    dtype = TEXT if values.dtype.kind in "UO" else None
    typed(
        group.create_dataset(name, data=values if dtype is None else values.astype(object), dtype=dtype),
        "VectorData",
        "hdmf-common",
    )


def _ragged(file: h5py.File, group: h5py.Group, name: str, column: Ragged) -> None:
    rows = [np.asarray(row) for row in column.rows]
    kind = "DynamicTableRegion" if column.region else "VectorData"
    if rows and rows[0].dtype.kind == "U":
        flat: Any = np.array([cell for row in rows for cell in row.tolist()], dtype=object)
        made = group.create_dataset(name, data=flat, dtype=TEXT)
    else:
        made = group.create_dataset(name, data=np.concatenate(rows) if rows else np.zeros(0), dtype=column.dtype)
    typed(made, kind, "hdmf-common")
    if column.region:
        made.attrs["table"] = file[column.region].ref
    ends = np.cumsum([len(row) for row in rows])
    index = group.create_dataset(f"{name}_index", data=ends.astype(column.index_dtype))
    typed(index, "VectorIndex", "hdmf-common").attrs["target"] = made.ref


def units(
    file: h5py.File,
    trains: Sequence[Any],
    *,
    ids: Any = None,
    path: str = "units",
    index_dtype: str = "uint32",
    **columns: Any,
) -> h5py.Group:
    """A Units table."""
    spikes = Ragged([np.asarray(t, dtype=None) for t in trains], index_dtype)
    made = {"spike_times": spikes, **columns}
    return table(file, path, "Units", made, np.arange(len(trains)) if ids is None else ids)


def electrode_groups(file: h5py.File, groups: Mapping[str, str]) -> None:
    """Electrode groups with their locations."""
    for name, location in groups.items():
        group = typed(file.require_group(f"general/extracellular_ephys/{name}"), "ElectrodeGroup")
        group.attrs["location"] = location
        typed(file.require_group("general/devices/device"), "Device")
        group["device"] = h5py.SoftLink("/general/devices/device")


def electrodes(
    file: h5py.File, location: Sequence[Any] | None, group: Sequence[str], *, ids: Any = None, **columns: Any
) -> None:
    """The electrodes table; its groups are made when they are not there."""
    missing = [name for name in dict.fromkeys(group) if f"general/extracellular_ephys/{name}" not in file]
    electrode_groups(file, dict.fromkeys(missing, "unknown"))
    made: dict[str, Any] = {} if location is None else {"location": list(location)}
    made |= {
        "group": Refs([f"/general/extracellular_ephys/{name}" for name in group]),
        "group_name": list(group),
        **columns,
    }
    table(
        file,
        "general/extracellular_ephys/electrodes",
        "DynamicTable",
        made,
        np.arange(len(group)) if ids is None else ids,
    )


def intervals(file: h5py.File, name: str, first: Any, last: Any, **columns: Any) -> None:
    """A TimeIntervals table; `name` may be a path."""
    path = name if "/" in name else f"intervals/{name}"
    made = {"start_time": np.asarray(first), "stop_time": np.asarray(last), **columns}
    table(file, path, "TimeIntervals", made, np.arange(len(made["start_time"])))


def series(
    file: h5py.File,
    path: str,
    data: Any,
    *,
    timestamps: Any = None,
    rate: float | None = None,
    begin: float = 0.0,
    kind: str = "TimeSeries",
    namespace: str = "core",
    unit: str = "a.u.",
    conversion: float = 1.0,
    offset: float | None = None,
    comments: str = "",
) -> h5py.Group:
    """A TimeSeries with timestamps (an array, or the path of another series' to link to) or a rate."""
    _contain(file, path)
    group = typed(file.require_group(path), kind, namespace)
    group.attrs["description"] = "a series"
    group.attrs["comments"] = comments
    made = group.create_dataset("data", data=np.asarray(data))
    made.attrs.update({"unit": unit, "conversion": conversion} | ({} if offset is None else {"offset": offset}))
    if isinstance(timestamps, str):
        group["timestamps"] = h5py.SoftLink(timestamps)
    elif timestamps is not None:
        group.create_dataset("timestamps", data=np.asarray(timestamps, np.float64)).attrs["unit"] = "seconds"
    elif rate is not None:
        group.create_dataset("starting_time", data=float(begin)).attrs.update({"rate": rate, "unit": "seconds"})
    return group


def trains(count: int, *, begin: float = 0.0, end: float = 100.0, each: int = 50, seed: int = 0) -> list[np.ndarray]:
    """Sorted spike times: `each + unit` of them for every unit, the first at the beginning, the last at the end."""
    rng = np.random.default_rng(seed)
    made = [np.sort(rng.uniform(begin, end, each + unit)) for unit in range(count)]
    made[0][0], made[0][-1] = begin, end
    return made


def counts(made: Sequence[Any]) -> list[int]:
    """How many spikes each train has."""
    return [len(t) for t in made]


def wander(samples: int, dims: int = 1, *, seed: int = 1) -> np.ndarray:
    """A random walk: something that moves."""
    walk = np.cumsum(np.random.default_rng(seed).normal(size=(samples, dims)), axis=0)
    return walk[:, 0] if dims == 1 else walk
