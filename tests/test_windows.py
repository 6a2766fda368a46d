"""Windows hold the counts of the right spikes, know what was observed, and keep their parts."""

import numpy as np
import pytest

from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import Behavior, Intervals, Recording
from nwb_mtm.splits import TEST, TRAIN
from nwb_mtm.windows import Windows


def recording(seconds: float = 100.0, **more: object) -> Recording:
    rng = np.random.default_rng(0)
    trains = [np.sort(rng.uniform(0, seconds, int(rate * seconds))) for rate in (2, 5, 20)]
    start = np.arange(2.0, seconds - 6, 4.0)
    trials = Intervals(start, start + 3.5, {"go": start + 0.5, "side": np.where(start % 8 < 4, "left", "right")})
    plain = {"session": "s", "regions": ["CA1", "CA1", "DG"], "trials": trials, "observed": [[0.0, seconds]]}
    return Recording.from_arrays(trains, **{**plain, **more})  # type: ignore[arg-type]


def test_around_cuts_one_window_for_each_event() -> None:
    r = recording()
    windows = Windows.around(r, "trials.go", before=0.5, after=1.0, bin_size=0.1)
    assert windows.counts.shape == (len(r.trials or ()), 15, 3)
    assert windows.before == 0.5
    np.testing.assert_allclose(windows.start, r.trials.times("go") - 0.5)  # type: ignore[union-attr]
    train = r.spikes[2]
    inside = [((train >= s) & (train < s + 1.5)).sum() for s in windows.start]
    assert windows.counts[:, :, 2].sum(axis=1).tolist() == inside


@pytest.mark.parametrize("events", ["go", "trials.go", "/intervals/trials.go"])
def test_a_bare_column_means_a_column_of_the_trials(events: str) -> None:
    r = recording()
    np.testing.assert_array_equal(Windows.around(r, events).start, Windows.around(r, "trials.go").start)


def test_events_without_a_time_are_left_out_and_counted() -> None:
    r = recording()
    times = np.array([10.0, np.nan, 30.0])
    windows = Windows.around(r, times)
    assert len(windows) == 2
    assert windows.left_out == 1


def test_windows_know_their_trial() -> None:
    windows = Windows.around(recording(), "trials.go")
    assert windows.trial_column("side")[:2].tolist() == ["left", "right"]
    assert windows.take([1, 0]).trial_column("side").tolist() == ["right", "left"]


def test_a_missing_column_names_those_that_are_there() -> None:
    with pytest.raises(RecordingError, match="it has: start_time, stop_time"):
        Windows.around(recording(), "trials.stimulus")
    with pytest.raises(RecordingError, match="no trial column 'colour'; it has: go, side"):
        Windows.around(recording(), "go").trial_column("colour")


def test_a_missing_table_names_those_that_are_there() -> None:
    with pytest.raises(RecordingError, match="no table 'epochs'; its tables: /intervals/trials"):
        recording().table("epochs")


def test_tiles_lie_end_to_end_in_the_recording() -> None:
    windows = Windows.tile(recording(), 2.0, bin_size=0.02)
    np.testing.assert_allclose(np.diff(windows.start), 2.0)
    assert len(windows) == 50
    assert windows.counts.sum() == (2 + 5 + 20) * 100


def test_tiles_may_overlap_by_a_smaller_step() -> None:
    assert len(Windows.tile(recording(), 2.0, step=1.0)) == 99


def test_a_width_that_is_no_whole_number_of_bins_is_refused() -> None:
    with pytest.raises(RecordingError, match="no whole number of bins"):
        Windows.tile(recording(), 0.05, bin_size=0.02)


def test_a_window_needs_nine_tenths_of_its_bins_observed() -> None:
    r = recording(observed=[[0.0, 50.0]])
    windows = Windows.at(r, np.array([47.0, 48.1, 48.5, 60.0]), bins=20, bin_size=0.1)
    np.testing.assert_allclose(windows.start, [47.0, 48.1])
    assert windows.left_out == 2
    assert windows.observed is not None
    assert windows.valid[0].all()
    assert not windows.valid[1, -1].any()


def test_what_is_observed_is_told_for_each_unit() -> None:
    from nwb_mtm.recording import Observed

    sets = (np.array([[0.0, 100.0]]), np.array([[0.0, 21.5]]))
    r = recording()
    r = Recording(**{**vars(r), "observed": Observed(sets, np.array([0, 0, 1]))})
    windows = Windows.at(r, np.array([20.0]), bins=2, bin_size=1.0)
    assert windows.valid[0].tolist() == [[True, True, True], [True, True, False]]
    assert windows.rates[2] == windows.counts[0, 0, 2]


def test_behaviour_comes_at_the_bins() -> None:
    times = np.arange(0, 100, 0.01)
    r = recording(behaviors=[Behavior("/ramp", times, times[:, None].astype(np.float32))])
    binned = Windows.tile(r, 2.0, bin_size=0.1).behaviors["/ramp"]
    assert binned.valid.all()
    np.testing.assert_allclose(binned.values[3, :3, 0], [6.045, 6.145, 6.245], atol=1e-3)


def test_choosing_units_and_windows_commutes() -> None:
    windows = Windows.tile(recording(), 2.0)
    one, other = windows.select([2, 0]).take([5, 1]), windows.take([5, 1]).select([2, 0])
    np.testing.assert_array_equal(one.counts, other.counts)
    assert one.units.keys == other.units.keys == ("2", "0")


def test_parts_are_those_of_the_split_however_windows_are_cut() -> None:
    r = recording(1000.0)
    windows = Windows.tile(r, 2.0).with_split("blocks", seed=1)
    assert windows.partition is not None
    finer = Windows.tile(r, 0.5, bin_size=0.01).assigned(windows.partition)
    seen = windows.start[windows.part == TRAIN]
    for start in finer.start[finer.part == TEST]:
        assert not ((seen < start + 0.5) & (start < seen + 2.0)).any()


def test_split_gives_three_sets_apart() -> None:
    train, valid, test = Windows.tile(recording(1000.0), 2.0).split(0.7, 0.1, 0.2, seed=0)
    assert len(train) > len(test) > len(valid) > 0
    assert not set(train.start) & set(test.start)


def test_a_column_of_the_trials_may_split() -> None:
    r = recording()
    labels = np.array(["train", "test"])[np.arange(len(r.trials or ())) % 2]
    trials = Intervals(r.trials.start, r.trials.stop, {"split": labels})  # type: ignore[union-attr]
    windows = Windows.around(recording(trials=trials), "start_time", before=0.0, after=1.0)
    drawn = windows.with_split("column:split")
    assert (drawn.part[1::2] == TEST).all()  # type: ignore[index]


def test_windows_cannot_be_changed() -> None:
    windows = Windows.tile(recording(), 2.0)
    with pytest.raises(ValueError, match="read-only"):
        windows.counts[0, 0, 0] = 1


def test_windows_show_what_they_are() -> None:
    windows = Windows.tile(recording(), 2.0)
    assert repr(windows) == "Windows('subject/s': 50 windows of 100 bins of 20 ms, 3 units; tiles of 2 s; 50 test)"
    assert "50 windows" in windows._repr_html_()


def test_no_windows_is_no_crash() -> None:
    windows = Windows.around(recording(), np.array([-500.0, np.nan]))
    assert len(windows) == 0
    assert windows.left_out == 2
    assert windows.counts.shape == (0, 100, 3)


def test_counts_made_elsewhere_become_windows() -> None:
    counts = np.arange(24).reshape(2, 3, 4)
    windows = Windows.from_counts(counts, session="s", bin_size=0.1, start=[0.0, 5.0], regions=["A", "A", "B", "B"])
    assert windows.counts.dtype == np.uint8
    assert windows.counts.tolist() == counts.tolist()
    assert windows.units.regions == ("A", "A", "B", "B")
    assert windows.stop.tolist() == pytest.approx([0.3, 5.3])
    assert Windows.from_counts(counts * 100, session="s", bin_size=0.1).start.tolist() == pytest.approx([0.0, 0.3])


@pytest.mark.parametrize(
    "counts", [np.ones((3, 4)), np.full((1, 2, 3), 0.5), -np.ones((1, 2, 3)), np.full((1, 2, 3), np.nan)]
)
def test_what_are_no_counts_is_said_plainly(counts: np.ndarray) -> None:
    with pytest.raises(RecordingError, match="whole numbers of spikes"):
        Windows.from_counts(counts, session="s", bin_size=0.1)


def test_a_start_is_needed_for_every_window() -> None:
    with pytest.raises(RecordingError, match="2 windows but 1 starts"):
        Windows.from_counts(np.ones((2, 3, 4)), session="s", bin_size=0.1, start=[0.0])
