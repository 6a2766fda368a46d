"""Files that cannot be read, each for a reason of its own."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from zoo_bricks import start, trains, typed, units

Expected = dict[str, Any]


def broken(kind: str) -> Expected:
    return {"status": "error", "error": {"kind": kind}, "units": None, "trials": None, "observed": None}


def no_units(path: Path) -> Expected:
    with start(path):
        pass
    return broken("no_units_table")


def zero_units(path: Path) -> Expected:
    with start(path) as f:
        units(f, [])
    return broken("zero_units")


def imaging(path: Path) -> Expected:
    with start(path) as f:
        table = typed(f.create_group("units"), "Units")
        table.attrs["colnames"] = np.array(["roi"], dtype=object)
        table.create_dataset("id", data=np.arange(3))
        table.create_dataset("roi", data=np.arange(3))
    return broken("units_without_spike_times")


def decreasing_index(path: Path) -> Expected:
    with start(path) as f:
        units(f, trains(3))
        f["units/spike_times_index"][:] = [50, 40, 153]
    return broken("corrupt_spike_index")


def index_past_the_end(path: Path) -> Expected:
    with start(path) as f:
        units(f, trains(3))
        f["units/spike_times_index"][2] = 10_000
    return broken("corrupt_spike_index")


def two_tables(path: Path) -> Expected:
    with start(path) as f:
        units(f, trains(2), path="processing/a/units")
        units(f, trains(2), path="processing/b/units")
    return broken("several_units_tables")


def empty(path: Path) -> Expected:
    path.write_bytes(b"")
    return broken("empty_file")


def annex_pointer(path: Path) -> Expected:
    path.write_text("/annex/objects/MD5E-s123--abc.nwb\n")
    return broken("git_annex_pointer")


def annex_link(path: Path) -> Expected:
    path.symlink_to(".git/annex/objects/Ab/cD/MD5E-s123--abc.nwb")
    return broken("git_annex_pointer")


def web_page(path: Path) -> Expected:
    path.write_text("<!DOCTYPE html>\n<html><body>Please log in</body></html>")
    return broken("not_hdf5")


def some_bytes(path: Path) -> Expected:
    path.write_bytes(bytes(range(256)) * 20)
    return broken("not_hdf5")


def truncated(path: Path) -> Expected:
    with start(path) as f:
        units(f, trains(3, each=5000))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    return broken("truncated_hdf5")


def no_nwb(path: Path) -> Expected:
    with h5py.File(path, "w") as f:
        f["numbers"] = np.arange(5)
    return broken("not_nwb")


def first_version(path: Path) -> Expected:
    with h5py.File(path, "w") as f:
        f["nwb_version"] = "NWB-1.0.6"
        for place in ("acquisition", "analysis", "epochs", "general", "processing", "stimulus"):
            f.create_group(place)
    return broken("nwb_version_1")


def missing(path: Path) -> Expected:
    return broken("not_found")


ANIMALS = (
    no_units,
    zero_units,
    imaging,
    decreasing_index,
    index_past_the_end,
    two_tables,
    empty,
    annex_pointer,
    annex_link,
    web_page,
    some_bytes,
    truncated,
    no_nwb,
    first_version,
    missing,
)
