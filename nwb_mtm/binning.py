"""Spikes and series into bins: exact, and without a Python loop over windows or spikes."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray

from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import Behavior, Observed, Spikes

RUN_GAP = 5.0  # a gap of more than this many median steps ends a continuous run
NAN_GAP = 0.2  # a stretch of missing samples longer than this (s) ends a run


def bin_edges(start: Float[ndarray, " window"], bins: int, bin_size: float) -> Float[ndarray, "window edge"]:
    """The edges of every bin, computed once: bin k holds edges[k] <= t < edges[k + 1]."""
    return np.asarray(start, np.float64)[:, None] + np.arange(bins + 1) * np.float64(bin_size)


def bin_spikes(
    spikes: Spikes, start: Float[ndarray, " window"], *, bins: int, bin_size: float
) -> Shaped[ndarray, "window bin unit"]:
    """Counts of every unit in every bin, uint8, or uint16 when a bin holds more than 255 spikes."""
    edges = bin_edges(start, bins, bin_size)
    counts = np.zeros((len(edges), bins, len(spikes)), np.uint8)
    for unit in range(len(spikes)):
        column = _bin_train(spikes[unit], edges, bin_size)
        if counts.dtype == np.uint8 and column.size and column.max() > 255:
            counts = counts.astype(np.uint16)
        counts[:, :, unit] = column
    return counts


def counted(
    counts: Any, start: Any, bin_size: float
) -> tuple[Shaped[ndarray, "window bin unit"], Float[ndarray, " window"]]:
    """Counts made elsewhere, in as few bytes as they need, and the windows' starts: one after the other without any."""
    given = np.asarray(counts)
    whole = given.ndim == 3 and given.size and given.dtype.kind in "biuf" and bool(np.isfinite(given).all())
    if not whole or given.min() < 0 or given.max() > np.iinfo(np.uint16).max or (given != np.rint(given)).any():
        raise RecordingError(
            f"Counts are whole numbers of spikes in an array (window, bin, unit); found {given.dtype} of shape "
            f"{given.shape}. Put windows first, and pass counts, not rates.",
            kind="bad_arrays",
        )
    begin = np.arange(len(given)) * given.shape[1] * bin_size if start is None else np.asarray(start, np.float64)
    if begin.shape != given.shape[:1]:
        raise RecordingError(f"{len(given)} windows but {begin.size} starts; pass one for each.", kind="bad_arrays")
    return given.astype(np.uint8 if given.max() < 256 else np.uint16), begin


def _bin_train(
    train: Float[ndarray, " spike"], edges: Float[ndarray, "window edge"], bin_size: float
) -> Int[ndarray, "window bin"]:
    windows, bins = len(edges), edges.shape[1] - 1
    first = np.searchsorted(train, edges[:, 0], side="left")
    held = np.searchsorted(train, edges[:, -1], side="left") - first
    window = np.repeat(np.arange(windows), held)
    index = np.arange(len(window)) + np.repeat(first - (np.cumsum(held) - held), held)
    times = train[index]
    guess = ((times - edges[window, 0]) / bin_size).astype(np.int64)
    np.clip(guess, 0, bins - 1, out=guess)
    guess -= times < edges[window, guess]
    guess += times >= edges[window, guess + 1]
    return np.bincount(window * bins + guess, minlength=windows * bins).reshape(windows, bins)


def merge_intervals(intervals: Float[ndarray, "interval 2"]) -> Float[ndarray, "merged 2"]:
    """Sorted, and joined where they touch or overlap.

    >>> merge_intervals(np.array([[3.0, 4.0], [0.0, 1.0], [1.0, 2.0]])).tolist()
    [[0.0, 2.0], [3.0, 4.0]]
    """
    array = np.asarray(intervals, np.float64).reshape(-1, 2)
    array = array[np.argsort(array[:, 0], kind="stable")]
    if not len(array):
        return array
    reach = np.maximum.accumulate(array[:, 1])
    first = np.concatenate([[True], array[1:, 0] > reach[:-1]])
    last = np.concatenate([np.flatnonzero(first)[1:] - 1, [len(array) - 1]])
    return np.stack([array[first, 0], reach[last]], axis=1)


def covered(
    intervals: Float[ndarray, "interval 2"], edges: Float[ndarray, "window edge"]
) -> Float[ndarray, "window bin"]:
    """How many seconds of every bin lie inside the intervals."""
    merged = merge_intervals(intervals)
    if not len(merged):
        return np.zeros((len(edges), edges.shape[1] - 1))
    lengths = np.concatenate([[0.0], np.cumsum(merged[:, 1] - merged[:, 0])])
    index = np.searchsorted(merged[:, 0], edges, side="right") - 1
    inside = np.clip(edges - merged[np.maximum(index, 0), 0], 0.0, None)
    inside = np.minimum(inside, (merged[:, 1] - merged[:, 0])[np.maximum(index, 0)])
    total = np.where(index < 0, 0.0, lengths[np.maximum(index, 0)] + inside)
    return np.diff(total, axis=1)


def touches(
    start: Float[ndarray, " window"], stop: Float[ndarray, " window"], intervals: Float[ndarray, "interval 2"]
) -> Bool[ndarray, " window"]:
    """Which windows share time with any of the intervals (sharing an edge alone is no touch)."""
    merged = merge_intervals(intervals)
    if not len(merged):
        return np.zeros(len(start), bool)
    index = np.searchsorted(merged[:, 1], start, side="right")
    known = index < len(merged)
    shared: ndarray = known & (merged[np.minimum(index, len(merged) - 1), 0] < stop)
    return shared


def observed_sets(observed: Observed, edges: Float[ndarray, "window edge"]) -> Bool[ndarray, "sets window bin"]:
    """For every set of observed intervals, the bins that lie wholly inside it."""
    width = np.diff(edges, axis=1)
    return np.stack([covered(s, edges) >= width * (1 - 1e-6) for s in observed.sets])


def bin_series(
    series: Behavior, start: Float[ndarray, " window"], *, bins: int, bin_size: float
) -> tuple[Float[ndarray, "window bin dim"], Bool[ndarray, "window bin"]]:
    """Averages of the samples in every bin, and which bins can be trusted.

    A bin without a sample of its own is filled only when the series is faster than the bins and the bin lies
    inside a continuous run; a slower series is known only where a sample is.
    """
    finite = np.isfinite(series.values).all(axis=1) & np.isfinite(series.times)
    order = np.argsort(series.times[finite], kind="stable")
    times, values = series.times[finite][order], series.values[finite][order].astype(np.float64)
    edges = bin_edges(start, bins, bin_size)
    out = np.full((len(edges), bins, series.dims), np.nan, np.float32)
    if not len(times):
        return out, np.zeros((len(edges), bins), bool)
    first = np.searchsorted(times, edges[:, :-1], side="left")
    after = np.searchsorted(times, edges[:, 1:], side="left")
    held = after - first
    sums = np.concatenate([np.zeros((1, series.dims)), np.cumsum(values - values.mean(0), axis=0)])
    with np.errstate(invalid="ignore", divide="ignore"):
        out[:] = (sums[after] - sums[first]) / held[..., None] + values.mean(0)
    valid = held > 0
    step = float(np.median(np.diff(times))) if len(times) > 1 else np.inf
    if step <= bin_size:
        valid |= _fill_short_gaps(out, times, values, edges, valid, max(RUN_GAP * step, min(NAN_GAP, bin_size)))
    return out, valid


def _fill_short_gaps(
    out: Float[ndarray, "window bin dim"],
    times: Float[ndarray, " sample"],
    values: Float[ndarray, "sample dim"],
    edges: Float[ndarray, "window edge"],
    valid: Bool[ndarray, "window bin"],
    longest: float,
) -> Bool[ndarray, "window bin"]:
    """Interpolate empty bins whose neighbouring samples are close enough; say which were filled."""
    centre = (edges[:, :-1] + edges[:, 1:]) / 2
    after = np.searchsorted(times, centre)
    known: ndarray = ~valid & (after > 0) & (after < len(times))
    right = np.clip(after, 1, max(len(times) - 1, 1)) if len(times) > 1 else np.zeros_like(after)
    if len(times) < 2:
        return np.zeros_like(valid)
    gap = times[right] - times[right - 1]
    known &= gap <= longest
    share = np.clip((centre - times[right - 1]) / np.where(gap > 0, gap, 1.0), 0.0, 1.0)[..., None]
    between = values[right - 1] * (1 - share) + values[right] * share
    out[known] = between[known]
    return known
