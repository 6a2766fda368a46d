"""A recording written and read again is the same recording."""

from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest

from nwb_mtm import synthetic
from nwb_mtm.errors import RunError
from nwb_mtm.nwb.writer import clock_of, write_recording
from nwb_mtm.recording import Behavior, Intervals, Recording
from nwb_mtm.sources.reading import read


@pytest.fixture(scope="module")
def simulated() -> Recording:
    return next(synthetic.simulate(sessions=1, units=30, trials=15)).recording


@pytest.fixture(scope="module")
def written(simulated: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recording(simulated, tmp_path_factory.mktemp("written") / simulated.source.name)


def test_units_come_back(simulated: Recording, written: Path) -> None:
    back = read(written)
    assert back.key == simulated.key
    assert back.units.ids == simulated.units.ids
    assert back.units.regions == simulated.units.regions
    assert back.units.groups == simulated.units.groups
    assert np.array_equal(back.spikes.times, simulated.spikes.times)
    assert np.array_equal(back.spikes.offsets, simulated.spikes.offsets)
    assert back.units.quality == simulated.units.quality


def test_electrodes_keep_their_order(simulated: Recording, written: Path) -> None:
    back = read(written)
    assert np.array_equal(
        np.argsort(back.units.electrodes, kind="stable"), np.argsort(simulated.units.electrodes, kind="stable")
    )
    same = back.units.electrodes[:, None] == back.units.electrodes
    assert np.array_equal(same, simulated.units.electrodes[:, None] == simulated.units.electrodes)


def test_trials_come_back(simulated: Recording, written: Path) -> None:
    trials, given = read(written).trials, simulated.trials
    assert trials is not None
    assert given is not None
    assert np.array_equal(trials.start, given.start)
    for name, values in given.columns.items():
        assert trials.columns[name].tolist() == values.tolist()
    assert set(given.events) <= set(trials.events)


def test_behavior_comes_back_on_its_own_clock(simulated: Recording, written: Path) -> None:
    back = read(written).behaviors
    assert set(back) == set(simulated.behaviors)
    for name, series in simulated.behaviors.items():
        assert np.allclose(back[name].times, series.times, atol=1e-6)
        assert np.array_equal(back[name].values, series.values)
        assert back[name].unit == series.unit


def test_observed_time_comes_back(simulated: Recording, written: Path) -> None:
    assert read(written).span == simulated.span


def test_what_is_written_is_valid(written: Path) -> None:
    from nwbinspector import inspect_nwbfile, load_config

    with pynwb.NWBHDF5IO(str(written), "r") as io:
        assert pynwb.validate(io=io) == []
    found = inspect_nwbfile(nwbfile_path=str(written), config=load_config("dandi"))
    worse = [m for m in found if m is not None and m.importance.name != "BEST_PRACTICE_SUGGESTION"]
    assert worse == []


def test_arrays_are_enough_for_a_file(tmp_path: Path) -> None:
    trials = Intervals(np.array([0.0, 2.0]), np.array([1.0, 3.0]), {"side": np.array(["a", "b"])})
    walk = np.cumsum(np.random.default_rng(0).normal(size=(50, 2)), axis=0)
    series = Behavior("hand", np.arange(50) * 0.1, walk, unit="meters", columns=("x", "y"), kind="SpatialSeries")
    trains = [np.sort(np.random.default_rng(i).uniform(0, 5, 40)) for i in range(3)]
    recording = Recording.from_arrays(
        trains, session="s", subject="m", regions=["CA1", "CA1", "DG"], trials=trials, behaviors=[series]
    )
    path = recording.to_nwb(tmp_path / "arrays.nwb")
    back = read(path)
    assert back.units.regions == ("CA1", "CA1", "DG")
    assert np.array_equal(back.spikes.times, recording.spikes.times)
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        assert pynwb.validate(io=io) == []
        position = io.read().processing["behavior"]["Position"]["hand"]
        assert position.unit == "meters"
        assert position.comments == "columns=[x,y]"


def test_an_existing_file_is_kept_unless_told(simulated: Recording, tmp_path: Path) -> None:
    path = tmp_path / "there.nwb"
    path.write_text("something of the user")
    with pytest.raises(RunError) as caught:
        write_recording(simulated, path)
    assert caught.value.kind == "exists"
    write_recording(simulated, path, existing="skip")
    assert path.read_text() == "something of the user"
    write_recording(simulated, path, existing="overwrite")
    assert len(read(path).units) == 30


def test_a_failed_write_leaves_nothing(simulated: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nwb_mtm.nwb.writer.build", fail)
    with pytest.raises(RunError, match="No space left"):
        write_recording(simulated, tmp_path / "new.nwb")
    assert list(tmp_path.iterdir()) == []


def test_regular_samples_have_a_rate_and_others_have_times() -> None:
    assert clock_of(np.arange(100) / 60)["rate"] == pytest.approx(60)
    assert "timestamps" in clock_of(np.array([0.0, 1.0, 2.5]))
    assert "timestamps" in clock_of(np.array([1.0]))
