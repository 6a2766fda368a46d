"""The same file through every door gives the same answer."""

import io
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from zoo import build, mismatches

from nwb_mtm.errors import NwbMtmError
from nwb_mtm.nwb import reader
from nwb_mtm.nwb.inspection import inspect
from nwb_mtm.sources.reading import read

SEVERAL = ("ibl_000409", "map_000363", "nlb_000128_train", "steinmetz_000017", "human_000207", "peyrache_000939")


@pytest.mark.parametrize("name", SEVERAL)
def test_an_open_nwbfile_says_what_its_file_says(name: str, tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    path, expected = build(name, tmp_path)
    expected.pop("backend", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pynwb.NWBHDF5IO(str(path), "r") as file:
            answer = inspect(file.read()).to_json()
    assert mismatches(answer, expected) == []
    assert answer["backend"] == "memory"


def test_a_file_object_and_an_open_h5py_file_are_read(tmp_path: Path) -> None:
    path, expected = build("map_000363", tmp_path)
    assert mismatches(inspect(io.BytesIO(path.read_bytes())).to_json(), expected) == []
    with h5py.File(path) as file:
        assert mismatches(inspect(file).to_json(), expected) == []


def test_zarr_is_read_without_its_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zarr = pytest.importorskip("zarr")
    numcodecs = pytest.importorskip("numcodecs")
    from zoo_zarr import make_store

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = make_store(tmp_path / "s.nwb.zarr")

    def refuse(*_: Any) -> None:
        raise AssertionError("a pickle was opened")

    monkeypatch.setattr(numcodecs.Pickle, "decode", refuse)
    assert mismatches(inspect(tmp_path / "s.nwb.zarr").to_json(), expected) == []
    assert mismatches(inspect(zarr.open_group(str(tmp_path / "s.nwb.zarr"), "r")).to_json(), expected) == []


def never_written() -> Any:
    from datetime import UTC, datetime

    from pynwb import NWBFile, TimeSeries
    from pynwb.file import Subject

    file = NWBFile("a test", "id", datetime(2020, 1, 1, tzinfo=UTC), session_id="s1")
    file.subject = Subject(subject_id="m1")
    device = file.create_device("probe")
    group = file.create_electrode_group("g", description="g", location="V1", device=device)
    for label in ("V1", "V2"):
        file.add_electrode(location=label, group=group)
    for row in range(2):
        file.add_unit(spike_times=np.arange(5.0) + row, electrodes=[row], electrode_group=group)
    file.add_trial(start_time=1.0, stop_time=2.0)
    module = file.create_processing_module("behavior", "b")
    module.add(TimeSeries(name="speed", data=np.sin(np.arange(100.0)), unit="m/s", rate=20.0, starting_time=0.0))
    return file


def test_an_nwbfile_that_was_never_written_is_read_and_left_as_it_was(tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    file = never_written()
    recording = read(file)
    assert recording.units.regions == ("V1", "V2")
    assert recording.units.groups == ("g", "g")
    assert recording.spikes[1].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert list(recording.behaviors) == ["/processing/behavior/speed"]
    assert recording.trials is not None
    assert len(recording.trials) == 1
    with pynwb.NWBHDF5IO(str(tmp_path / "later.nwb"), "w") as writer:
        writer.write(file)
    assert read(tmp_path / "later.nwb").units.regions == ("V1", "V2")


def test_prefetch_is_told_once_and_beforehand_what_will_be_read(tmp_path: Path) -> None:
    path, _ = build("ibl_000409", tmp_path)
    told: list[list[tuple[int, int]]] = []
    reader.read(io.BytesIO(path.read_bytes()), prefetch=lambda extents: told.append(list(extents)))
    assert len(told) == 1
    with h5py.File(path) as file:
        spikes = file["units/spike_times"]
        assert (spikes.id.get_offset(), spikes.id.get_storage_size()) in told[0]
        skipped = file["units/spike_amplitudes_uV"]
        assert (skipped.id.get_offset(), skipped.id.get_storage_size()) not in told[0]


def test_what_is_no_source_is_refused() -> None:
    with pytest.raises(NwbMtmError) as caught:
        read(17)
    assert caught.value.kind == "bad_address"


def test_an_nwbfile_read_from_zarr_keeps_its_pickles_closed(tmp_path: Path) -> None:
    zarr_io = pytest.importorskip("hdmf_zarr").NWBZarrIO
    path = str(tmp_path / "s.nwb.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zarr_io(path, "w") as writer:
            writer.write(never_written())
        with zarr_io(path, "r") as file:
            recording = read(file.read())
    assert recording.units.regions == ("V1", "V2")
    assert recording.units.groups == ("g", "g")
