"""Every spike of a window is in exactly one bin; series are averaged, and filled only where that is honest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwb_mtm.binning import (
    bin_edges,
    bin_series,
    bin_spikes,
    covered,
    merge_intervals,
    observed_sets,
    touches,
)
from nwb_mtm.recording import Behavior, Observed, Spikes

TIMES = st.lists(st.floats(-5, 40, allow_nan=False, width=64), max_size=60)
SIZES = st.sampled_from([0.001, 0.01, 0.02, 1 / 30, 0.05, 0.1, 0.3])


def slow_bins(train: np.ndarray, start: float, bins: int, bin_size: float) -> list[int]:
    """The definition, spike by spike."""
    edges = [np.float64(start) + k * np.float64(bin_size) for k in range(bins + 1)]
    return [sum(edges[k] <= t < edges[k + 1] for t in train) for k in range(bins)]


@given(
    trains=st.lists(TIMES, max_size=3),
    start=st.lists(st.floats(-6, 45), min_size=1, max_size=4),
    bin_size=SIZES,
)
def test_counts_are_those_of_the_definition(trains: list[list[float]], start: list[float], bin_size: float) -> None:
    spikes = Spikes.from_trains(trains)
    counts = bin_spikes(spikes, np.array(start), bins=7, bin_size=bin_size)
    slow = [[slow_bins(spikes[u], s, 7, bin_size) for u in range(len(trains))] for s in start]
    assert counts.transpose(0, 2, 1).tolist() == slow


@given(start=st.floats(0, 1e5), bin_size=SIZES, bins=st.integers(1, 120))
def test_a_spike_on_an_edge_belongs_to_the_bin_that_it_opens(start: float, bin_size: float, bins: int) -> None:
    edges = bin_edges(np.array([start]), bins, bin_size)
    counts = bin_spikes(Spikes.from_trains([edges[0]]), np.array([start]), bins=bins, bin_size=bin_size)
    assert counts[0, :, 0].tolist() == [1] * bins


@given(train=TIMES, bin_size=SIZES, start=st.floats(-6, 20), bins=st.integers(1, 50))
def test_every_spike_of_a_window_is_in_exactly_one_bin(
    train: list[float], bin_size: float, start: float, bins: int
) -> None:
    spikes = Spikes.from_trains([train])
    edges = bin_edges(np.array([start]), bins, bin_size)[0]
    inside = ((spikes.times >= edges[0]) & (spikes.times < edges[-1])).sum()
    assert bin_spikes(spikes, np.array([start]), bins=bins, bin_size=bin_size).sum() == inside


def test_late_sessions_lose_no_precision() -> None:
    start = np.array([86_400.0 * 3])
    train = start[0] + np.arange(100) * 0.02
    assert bin_spikes(Spikes.from_trains([train]), start, bins=100, bin_size=0.02).sum() == 100


def test_counts_are_bytes_until_a_bin_needs_more() -> None:
    few, many = Spikes.from_trains([np.full(255, 0.5)]), Spikes.from_trains([np.full(256, 0.5)])
    assert bin_spikes(few, np.zeros(1), bins=1, bin_size=1.0).dtype == np.uint8
    counts = bin_spikes(many, np.zeros(1), bins=1, bin_size=1.0)
    assert counts.dtype == np.uint16
    assert counts.item() == 256


def test_a_train_with_nan_and_disorder_is_cleaned() -> None:
    counts = bin_spikes(Spikes.from_trains([[0.9, np.nan, 0.1, np.inf]]), np.zeros(1), bins=2, bin_size=0.5)
    assert counts[0, :, 0].tolist() == [1, 1]


def test_no_spikes_and_no_windows_give_empty_counts() -> None:
    assert bin_spikes(Spikes.from_trains([[], []]), np.zeros(2), bins=3, bin_size=0.1).sum() == 0
    assert bin_spikes(Spikes.from_trains([[0.1]]), np.zeros(0), bins=3, bin_size=0.1).shape == (0, 3, 1)
    assert bin_spikes(Spikes.from_trains([]), np.zeros(2), bins=3, bin_size=0.1).shape == (2, 3, 0)


INTERVALS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda p: (min(p), max(p))), max_size=6)


@given(intervals=INTERVALS)
def test_covered_time_is_that_of_a_fine_grid(intervals: list[tuple[int, int]]) -> None:
    array = np.array(intervals, float).reshape(-1, 2)
    edges = np.array([[-1.0, 0.0, 4.0, 4.5, 17.0, 31.0]])
    grid = np.arange(-1, 31, 0.5) + 0.25
    inside = ((grid[:, None] >= array[:, 0]) & (grid[:, None] < array[:, 1])).any(axis=1)
    slow = [inside[(grid >= a) & (grid < b)].sum() * 0.5 for a, b in zip(edges[0], edges[0][1:])]
    assert covered(array, edges)[0].tolist() == slow


@given(intervals=INTERVALS, start=st.integers(-2, 31), width=st.integers(1, 5))
def test_touching_is_sharing_time_and_not_an_edge(intervals: list[tuple[int, int]], start: int, width: int) -> None:
    array = np.array([i for i in intervals if i[1] > i[0]], float).reshape(-1, 2)
    slow = any(a < start + width and start < b for a, b in array)
    assert touches(np.array([float(start)]), np.array([float(start + width)]), array)[0] == slow


@given(intervals=INTERVALS)
def test_merged_intervals_are_apart_and_sorted(intervals: list[tuple[int, int]]) -> None:
    merged = merge_intervals(np.array(intervals, float).reshape(-1, 2))
    assert (merged[1:, 0] > merged[:-1, 1]).all()


def test_a_bin_is_observed_when_all_of_it_is() -> None:
    observed = Observed((np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([[0.5, 3.0]])), np.array([0, 1]))
    sets = observed_sets(observed, bin_edges(np.array([0.0]), 3, 1.0))
    assert sets[:, 0].tolist() == [[True, True, False], [False, True, True]]


def series(times: list[float], values: list[float]) -> Behavior:
    return Behavior("/speed", np.array(times), np.array(values, np.float32)[:, None])


def test_a_fast_series_is_averaged_in_each_bin() -> None:
    values, valid = bin_series(series([0.0, 0.05, 0.1, 0.15], [1, 3, 5, 7]), np.zeros(1), bins=2, bin_size=0.1)
    assert values[0, :, 0].tolist() == [2.0, 6.0]
    assert valid.all()


def test_a_slow_series_is_known_only_where_a_sample_is() -> None:
    values, valid = bin_series(series([0.05, 0.35], [1, 4]), np.zeros(1), bins=4, bin_size=0.1)
    assert valid[0].tolist() == [True, False, False, True]
    assert np.isnan(values[0, 1:3]).all()


def test_a_gap_is_not_bridged() -> None:
    times = [*np.arange(0, 0.3, 0.01), *np.arange(2.0, 2.3, 0.01)]
    _, valid = bin_series(series(times, [1.0] * len(times)), np.zeros(1), bins=23, bin_size=0.1)
    assert valid[0, :3].all()
    assert valid[0, 20:].all()
    assert not valid[0, 4:20].any()


def test_missing_samples_are_missing_and_not_zero() -> None:
    values, valid = bin_series(
        series([0.0, 0.05, 0.1, 0.15], [1, np.nan, np.nan, np.nan]), np.zeros(1), bins=2, bin_size=0.1
    )
    assert values[0, 0, 0] == 1.0
    assert valid[0].tolist() == [True, False]


def test_a_large_offset_costs_no_precision() -> None:
    times = np.arange(0, 100, 0.001)
    wave = 1e6 + np.sin(times)
    values, _ = bin_series(series(times.tolist(), wave.tolist()), np.array([50.0]), bins=1, bin_size=0.02)
    assert values[0, 0, 0] == pytest.approx(1e6 + np.sin(50.01), abs=0.1)


@pytest.mark.parametrize("samples", [0, 1])
def test_a_series_of_none_or_one_sample_is_taken(samples: int) -> None:
    _, valid = bin_series(series([0.05][:samples], [1.0][:samples]), np.zeros(1), bins=2, bin_size=0.1)
    assert valid[0].tolist() == [bool(samples), False]
