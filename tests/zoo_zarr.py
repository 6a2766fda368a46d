"""A Zarr store as hdmf-zarr lays it out, made by zarr alone: references are pickles, links are attributes."""

from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from zoo_bricks import counts, trains, wander

TEXT = numcodecs.VLenUTF8()


def make_store(path: Path) -> dict[str, Any]:
    """Three units on two electrodes, trials, a position and a speed that links to its timestamps."""
    made = trains(3)
    root = zarr.open_group(str(path), mode="w")
    root.attrs.update({"nwb_version": "2.7.0", "namespace": "core", "neurodata_type": "NWBFile", "object_id": "z-1"})
    _scalars(root, {"identifier": "z", "general/session_id": "s1", "general/subject/subject_id": "m1"})
    place = "general/extracellular_ephys"
    for name in ("p0", "p1"):
        root.create_group(f"{place}/{name}").attrs.update({"neurodata_type": "ElectrodeGroup", "location": "unknown"})
    electrodes = _table(root, f"{place}/electrodes", "DynamicTable", 2)
    _texts(electrodes, "location", ["CA1", "DG"])
    _texts(electrodes, "group_name", ["p0", "p1"])
    _pickles(electrodes, "group", [f"/{place}/p0", f"/{place}/p1"])
    units = _table(root, "units", "Units", 3)
    units.create_dataset("spike_times", data=np.concatenate(made))
    units.create_dataset("spike_times_index", data=np.cumsum(counts(made)).astype("uint8"))
    rows = units.create_dataset("electrodes", data=np.array([1, 0, 1]))
    rows.attrs.update({"neurodata_type": "DynamicTableRegion"})
    units.create_dataset("electrodes_index", data=np.array([1, 2, 3], "uint8"))
    _pickles(units, "electrode_group", [f"/{place}/p1", f"/{place}/p0", f"/{place}/p1"])
    _texts(units, "quality", ["good", "mua", "good"])
    trials = _table(root, "intervals/trials", "TimeIntervals", 12)
    trials.create_dataset("start_time", data=np.arange(12) * 8.0)
    trials.create_dataset("stop_time", data=np.arange(12) * 8.0 + 4)
    _texts(trials, "side", ["left", "right"] * 6)
    _series(root)
    zarr.consolidate_metadata(str(path))
    return {
        "backend": "zarr",
        "session": "s1",
        "subject": "m1",
        "time_range": [0.0, 100.0],
        "units": {
            "ids": [0, 1, 2],
            "spike_counts": counts(made),
            "regions": ["DG", "CA1", "DG"],
            "region_rule": ["electrodes"] * 3,
            "quality": [True, False, True],
        },
        "trials": {"valid": 12, "targets": {"side": {"classes": ["left", "right"], "counts": [6, 6]}}},
        "behaviors": {
            "/processing/behavior/Position/pos": {"shape": [1000, 2], "rate": 10.0, "usable": True},
            "/processing/behavior/speed": {"shape": [1000], "rate": 10.0, "usable": True},
        },
    }


def _series(root: Any) -> None:
    pos = root.create_group("processing/behavior/Position/pos")
    pos.attrs.update({"neurodata_type": "SpatialSeries"})
    pos.create_dataset("data", data=wander(1000, 2)).attrs.update({"unit": "m", "conversion": 1.0})
    pos.create_dataset("timestamps", data=np.arange(1000) / 10)
    speed = root.create_group("processing/behavior/speed")
    link = {"name": "timestamps", "path": "/processing/behavior/Position/pos/timestamps", "source": "."}
    speed.attrs.update({"neurodata_type": "TimeSeries", "zarr_link": [link]})
    speed.create_dataset("data", data=wander(1000))


def _table(root: Any, path: str, kind: str, rows: int) -> Any:
    group = root.create_group(path)
    group.attrs.update({"neurodata_type": kind, "namespace": "core"})
    group.create_dataset("id", data=np.arange(rows))
    return group


def _scalars(root: Any, values: dict[str, str]) -> None:
    for path, value in values.items():
        array = root.create_dataset(path, shape=(1,), dtype=object, object_codec=TEXT)
        array[0] = value
        array.attrs["zarr_dtype"] = "scalar"


def _texts(group: Any, name: str, values: list[str]) -> None:
    group.create_dataset(name, data=np.array(values, dtype=object), object_codec=TEXT)


def _pickles(group: Any, name: str, paths: list[str]) -> None:
    """References, in the codec that must never be decoded."""
    cells = np.array([{"source": ".", "path": path} for path in paths], dtype=object)
    array = group.create_dataset(name, data=cells, object_codec=numcodecs.Pickle())
    array.attrs["zarr_dtype"] = "object"
