"""The view over an NWBFile in memory, written before or never; nothing is exported, nothing is changed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from hdmf.container import AbstractContainer
from numpy import ndarray

from nwb_mtm.nwb.view import Group, Node

Children = Mapping[str, Callable[[], Any]]
ROOT_TEXTS = ("identifier", "session_description", "session_start_time", "timestamps_reference_time")
SERIES_PARTS = ("description", "comments", "unit", "conversion", "offset", "resolution", "continuity")


def root_of(nwbfile: Any) -> Group:
    """The root group of an NWBFile."""
    children: dict[str, Any] = {name: getattr(nwbfile, name, None) for name in ROOT_TEXTS}
    for place in ("acquisition", "analysis", "processing", "scratch"):
        children[place] = _folder(f"/{place}", dict(getattr(nwbfile, place, None) or {}))
    children["units"] = nwbfile.units
    children["intervals"] = _folder("/intervals", _interval_tables(nwbfile))
    children["general"] = _folder("/general", _general(nwbfile))
    attrs = {"neurodata_type": "NWBFile", "nwb_version": _version(nwbfile), "object_id": nwbfile.object_id}
    return _folder("/", children, attrs)


def _version(nwbfile: Any) -> str:
    return str(getattr(nwbfile, "nwb_version", None) or "2.x")


def _interval_tables(nwbfile: Any) -> dict[str, Any]:
    tables = {name: getattr(nwbfile, name, None) for name in ("epochs", "trials", "invalid_times")}
    return {**tables, **dict(getattr(nwbfile, "intervals", None) or {})}


def _general(nwbfile: Any) -> dict[str, Any]:
    groups: dict[str, Any] = dict(nwbfile.electrode_groups or {})
    return {
        "session_id": nwbfile.session_id,
        "subject": nwbfile.subject,
        "extracellular_ephys": _folder("/general/extracellular_ephys", {**groups, "electrodes": nwbfile.electrodes}),
        **dict(getattr(nwbfile, "lab_meta_data", None) or {}),
    }


def _folder(path: str, children: Mapping[str, Any], attrs: Mapping[str, Any] | None = None) -> "MemoryGroup":
    present = {name: child for name, child in children.items() if child is not None}
    return MemoryGroup(path, present, dict(attrs or {}))


@dataclass(frozen=True, eq=False)
class MemoryGroup:
    """Named children with attributes, made from one container."""

    path: str
    children: Mapping[str, Any]
    own: Mapping[str, Any]

    @property
    def attrs(self) -> Mapping[str, Any]:
        return self.own

    def names(self) -> tuple[str, ...]:
        return tuple(self.children)

    def get(self, name: str) -> Node | None:
        child = self.children.get(name)
        path = f"{self.path.rstrip('/')}/{name}"
        if child is None or isinstance(child, MemoryGroup | MemoryArray):
            return child
        return _viewed(child, path)


@dataclass(frozen=True, eq=False)
class MemoryArray:
    """Values in memory, or a dataset of the file that the container came from."""

    path: str
    values: Any
    own: Mapping[str, Any]

    @property
    def attrs(self) -> Mapping[str, Any]:
        return self.own

    @cached_property
    def _array(self) -> Any:
        """Something with a shape that can be sliced."""
        values = _unwrapped(self.values)
        if isinstance(values, h5py.Dataset) or hasattr(values, "chunks"):
            return values
        if _is_container(values) or (isinstance(values, list | tuple) and values and _is_container(values[0])):
            out = np.empty(len(values) if isinstance(values, list | tuple) else 1, object)
            out[:] = values
            return out
        return values if isinstance(values, ndarray) else np.asarray(values)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._array.shape)

    @property
    def dtype(self) -> np.dtype:
        dtype: np.dtype = np.dtype(self._array.dtype)
        return dtype

    @property
    def holds_references(self) -> bool:
        array = self._array
        if _is_pickled(array):
            return True
        if isinstance(array, h5py.Dataset):
            return h5py.check_ref_dtype(array.dtype) is not None
        return array.dtype == object and array.ndim == 1 and len(array) > 0 and _is_container(array[0])

    def read(self, start: int = 0, stop: int | None = None) -> ndarray:
        return np.asarray(self._array[()] if self.shape == () else self._array[start:stop])

    def targets(self) -> tuple[str, ...] | None:
        if _is_pickled(self._array):
            return None
        names = [getattr(item, "name", "") for item in self._array[()]] if self.holds_references else []
        if names and all(names):
            return tuple(names)
        array = self._array
        if isinstance(array, h5py.Dataset):
            return tuple(str(array.file[ref].name).rpartition("/")[2] for ref in array[()])
        return None

    def extents(self) -> list[tuple[int, int]]:
        return []


def _is_container(value: Any) -> bool:
    return isinstance(value, AbstractContainer)


def _kind(container: Any) -> str:
    return str(getattr(container, "neurodata_type", None) or getattr(container, "data_type", type(container).__name__))


def _unwrapped(values: Any) -> Any:
    """The data behind DataIO wrappers and behind the file readers' lazy wrappers."""
    while hasattr(values, "data") and not isinstance(values, ndarray | h5py.Dataset) and not hasattr(values, "chunks"):
        values = values.data
    inner = getattr(values, "dataset", None)
    lazy = isinstance(inner, h5py.Dataset) or hasattr(inner, "chunks")
    return inner if lazy and not isinstance(values, h5py.Dataset) else values


def _is_pickled(array: Any) -> bool:
    """A zarr array whose cells only unpickling would show."""
    return any(type(codec).__name__ == "Pickle" for codec in getattr(array, "filters", None) or ())


def _viewed(child: Any, path: str) -> Node:
    if isinstance(child, dict):
        return _folder(path, child)
    if not _is_container(child):
        text = child.isoformat() if hasattr(child, "isoformat") else child
        return MemoryArray(path, text, {})
    if hasattr(child, "colnames"):
        return _folder(path, dict(_columns(child)), _attributes(child))
    if hasattr(child, "conversion") and hasattr(child, "data"):
        return _series(child, path)
    return _folder(path, dict(_parts(child)), _attributes(child))


def _attributes(container: Any) -> dict[str, Any]:
    out = {
        "neurodata_type": _kind(container),
        "namespace": str(getattr(container, "namespace", "core")),
        "object_id": container.object_id,
    }
    texts = {k: v for k, v in container.fields.items() if isinstance(v, str | int | float | tuple) and k != "name"}
    return {**texts, **out}


def _columns(table: Any) -> Iterator[tuple[str, Any]]:
    yield "id", MemoryArray("id", table.id.data, {"neurodata_type": "ElementIdentifiers"})
    for column in table.columns:
        attrs = {"neurodata_type": _kind(column), "description": getattr(column, "description", "")}
        yield column.name, MemoryArray(f"{table.name}/{column.name}", column.data, attrs)


def _series(series: Any, path: str) -> MemoryGroup:
    told = {name: getattr(series, name, None) for name in SERIES_PARTS}
    children: dict[str, Any] = {
        "data": MemoryArray(f"{path}/data", series.data, {k: v for k, v in told.items() if v is not None})
    }
    if series.rate is not None:
        start = series.starting_time if series.starting_time is not None else 0.0
        children["starting_time"] = MemoryArray(f"{path}/starting_time", start, {"rate": series.rate})
    elif series.timestamps is not None:
        children["timestamps"] = MemoryArray(f"{path}/timestamps", series.timestamps, {})
    for name in ("electrodes", "external_file", "confidence"):
        extra = getattr(series, name, None)
        if extra is not None:
            children[name] = MemoryArray(f"{path}/{name}", getattr(extra, "data", extra), {})
    return _folder(path, children, {**_attributes(series), **{k: v for k, v in told.items() if isinstance(v, str)}})


def _parts(container: Any) -> Iterator[tuple[str, Any]]:
    """Whatever a container holds: other containers by their names, arrays and texts by their fields'."""
    for child in container.children:
        yield child.name, child
    for name, value in container.fields.items():
        if isinstance(value, str | int | float | list | tuple | ndarray | h5py.Dataset):
            yield name, MemoryArray(name, value, {})
