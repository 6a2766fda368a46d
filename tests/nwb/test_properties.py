"""What must hold for every file: spikes come back as they were, rows may come in any order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zoo_bricks import Ragged, electrodes, start, units

from nwb_mtm.binning import bin_spikes
from nwb_mtm.recording import Recording
from nwb_mtm.sources.reading import read

TRAINS = st.lists(
    st.lists(st.floats(-1e4, 1e7, allow_nan=False, width=64), max_size=30), min_size=1, max_size=5
).filter(lambda trains: any(trains))
FAST = settings(
    derandomize=True, deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FAST
@given(TRAINS, st.sampled_from(["uint8", "int16", "uint32", "int64"]))
def test_spikes_come_back_sorted_and_complete(tmp_path: Path, trains: list[list[float]], index: str) -> None:
    path = tmp_path / "s.nwb"
    if sum(map(len, trains)) > 120:
        index = "uint32"
    with start(path) as f:
        units(f, [np.array(t, np.float64) for t in trains], index_dtype=index)
    recording = read(path)
    for unit, train in enumerate(trains):
        np.testing.assert_array_equal(recording.spikes[unit], np.sort(train))


@settings(FAST, max_examples=6)
@given(TRAINS)
def test_reading_undoes_writing(tmp_path: Path, trains: list[list[float]]) -> None:
    writer = pytest.importorskip("nwb_mtm.nwb.writer")
    kept = [t for t in trains if t]
    given = Recording.from_arrays(kept, session="s", regions=[f"R{i}" for i in range(len(kept))])
    path = writer.write_recording(given, tmp_path / "written.nwb", existing="overwrite")
    back = read(path)
    assert back.units.regions == given.units.regions
    np.testing.assert_array_equal(back.spikes.times, given.spikes.times)
    np.testing.assert_array_equal(back.spikes.offsets, given.spikes.offsets)


@FAST
@given(st.permutations(range(6)), st.permutations(range(6)))
def test_regions_never_depend_on_the_order_of_rows(tmp_path: Path, order: list[int], places: list[int]) -> None:
    labels = ["CA1", "nan", "CA1", "DG", "VISp", "void"]
    where = np.argsort(places)  # electrode e stands in row where[e]
    path = tmp_path / "s.nwb"
    with start(path) as f:
        electrodes(f, [labels[e] for e in places], ["g"] * 6)
        rows = Ragged([[int(where[e])] for e in order], region="/general/extracellular_ephys/electrodes")
        units(f, [np.arange(5.0) + e for e in order], ids=order, electrodes=rows)
    found = dict(zip(order, read(path).units.regions))
    assert [found[e] for e in range(6)] == ["CA1", "unknown", "CA1", "DG", "VISp", "unknown"]


@FAST
@given(st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=60), st.sampled_from([0.02, 0.1, 1 / 3]))
def test_every_spike_of_a_window_is_in_one_bin(times: list[float], bin_size: float) -> None:
    recording = Recording.from_arrays([times], session="s")
    bins = 15
    counts = bin_spikes(recording.spikes, np.array([2.0]), bins=bins, bin_size=bin_size)
    last = 2.0 + bins * np.float64(bin_size)
    assert counts.sum() == sum(2.0 <= t < last for t in times)
