"""Headers of a remote file are announced before HDF5 asks for them, and only those that will be read."""

import io
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
import pytest

from nwb_mtm.nwb.ahead import fetch_headers

NEAR = 512


class Announced(io.FileIO):
    """A local file that remembers what was announced, and what was read far from any of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.told: set[int] = set()
        self.surprises: list[int] = []

    def announce(self, places: Iterable[int]) -> None:
        self.told |= set(places)

    def readinto(self, buffer: object) -> int:
        at = self.tell()
        if not any(place <= at < place + NEAR for place in self.told):
            self.surprises.append(at)
        return super().readinto(buffer)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Groups of groups as the older format keeps them, their headers far apart between data."""
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for branch in ("units", "processing/behavior", "acquisition"):
            for number in range(30):
                group = file.create_group(f"{branch}/series{number}")
                group.attrs.update({f"attribute{i}": "x" * 40 for i in range(4)})
                group["data"] = rng.normal(size=5000)
                group["timestamps"] = np.arange(5000.0)
        file["units/soft"] = h5py.SoftLink("/nowhere")
        file["units/other"] = h5py.ExternalLink("missing.h5", "/x")
    return tmp_path / "a.h5"


def place_of(group: h5py.Group, name: str) -> int:
    return int(group.id.links.get_info(name.encode()).u)


def test_every_header_below_the_branches_is_announced_and_no_other(path: Path) -> None:
    with Announced(path) as stream, h5py.File(stream, "r") as file:
        fetch_headers(file, stream, ("units", "processing/behavior"))
        for branch, wanted in (("units", True), ("processing/behavior", True), ("acquisition", False)):
            for name in ("series0", "series17", "series29"):
                assert (place_of(file[branch], name) in stream.told) == wanted
                assert (place_of(file[f"{branch}/{name}"], "data") in stream.told) == wanted


def test_hdf5_finds_nearly_all_of_it_where_it_was_announced(path: Path) -> None:
    with Announced(path) as stream, h5py.File(stream, "r") as file:
        fetch_headers(file, stream, ("processing/behavior",))
        stream.surprises.clear()
        shapes = [file[f"processing/behavior/series{i}/data"].shape for i in range(30)]
        assert shapes == [(5000,)] * 30
        assert len(stream.surprises) < 10


def test_what_is_damaged_does_not_stop_the_reading(path: Path) -> None:
    with h5py.File(path) as file:
        place = place_of(file["units"], "series3")
    content = bytearray(path.read_bytes())
    content[place : place + 64] = b"\xff" * 64
    path.write_bytes(content)
    with Announced(path) as stream, h5py.File(stream, "r") as file:
        fetch_headers(file, stream, ("units", "processing"))
        assert file["processing/behavior/series1/data"].shape == (5000,)
