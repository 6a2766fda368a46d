"""Scores of rates as they are written: from rates, spikes and windows alone, so that anybody can repeat them."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from nwb_mtm.annotation.blending import Grid
from nwb_mtm.annotation.rivals import rivals_of
from nwb_mtm.binning import bin_spikes, merge_intervals
from nwb_mtm.errors import RecordingError
from nwb_mtm.evaluation.guards import Pair, flag_pairs
from nwb_mtm.intervals import block_draws, tail_share
from nwb_mtm.metrics import LN2, Sums, sums, unit_scores
from nwb_mtm.nwb.annotations import WindowTable
from nwb_mtm.recording import Recording, Spikes

Slice = Callable[[int, int], Float32[ndarray, "bin unit"]]
CHUNK = 32  # blocks (or training windows) at a time


def score_units(recording: Recording, grid: Grid, rates: Slice, windows: WindowTable) -> dict[str, ndarray]:
    """All columns of the table of units; `recording` holds just these units, in the columns' order."""
    found = dict(score_rates(recording.spikes, grid, rates, windows))
    flagged = np.zeros(len(recording.units), bool)
    for pair in flagged_pairs(recording, windows):
        flagged[[pair.first, pair.second]] = True
    if found:
        found["flagged"] = flagged
        found["reliable"] = found["reliable"] & ~flagged
    return found


def flagged_pairs(recording: Recording, windows: WindowTable) -> tuple[Pair, ...]:
    """Units that share spikes in training windows, so that one gives the other away."""
    rows = windows.rows("train")
    training = merge_intervals(np.stack([windows.start[rows], windows.stop[rows]], axis=1))
    if not len(training):
        return ()
    return flag_pairs(recording, recording.units, training).pairs


def of_rows(recording: Recording, rows: Int[ndarray, " unit"]) -> Recording:
    """The units with the given rows in the source, in this order."""
    place = {int(row): i for i, row in enumerate(recording.units.rows)}
    absent = [int(row) for row in rows if int(row) not in place]
    if absent:
        raise RecordingError(
            f"{recording.source.name} has no row {absent[0]} in its units table; it is another file.",
            kind="does_not_fit",
        )
    return recording.select(np.array([place[int(row)] for row in rows], np.int64))


def score_rates(spikes: Spikes, grid: Grid, rates: Slice, windows: WindowTable) -> Mapping[str, ndarray]:
    """Every unit's scores on the samples that have a rate; empty when none has.

    Spikes are in the columns' order; `rates(first, stop)` gives a stretch of the series in Hz.
    """
    width = window_bins(windows, grid.bin_size)
    rivals = rivals_of(spikes, windows, width, grid.bin_size)
    model: list[Sums] = []
    others: tuple[list[Sums], ...] = ([], [], [])
    for first, counts, expected in _blocks(spikes, grid, rates, width):
        valid = np.isfinite(expected)
        model.append(sums(counts, expected))
        for found, told in zip(others, rivals.over(grid, first, expected.shape)):
            found.append(sums(counts, told, valid=valid))
    if not model:
        return {}
    return _columns(_joined(model), [_joined(part) for part in others])


def window_bins(windows: WindowTable, bin_size: float) -> int:
    """How many bins most windows have."""
    if not len(windows):
        return 100
    return max(1, int(round(float(np.median(windows.stop - windows.start)) / bin_size)))


def _blocks(
    spikes: Spikes, grid: Grid, rates: Slice, width: int
) -> Iterator[tuple[int, ndarray, Float32[ndarray, "block bin unit"]]]:
    """Stretches of the grid with at least one rate: their first bin, counts, and expected counts."""
    for first in range(0, grid.bins, width * CHUNK):
        stretch = rates(first, min(grid.bins, first + width * CHUNK)) * np.float32(grid.bin_size)
        if not np.isfinite(stretch).any():
            continue
        blocks = -(-len(stretch) // width)
        missing = np.full((blocks * width - len(stretch), stretch.shape[1]), np.nan, np.float32)
        expected = np.concatenate([stretch, missing]).reshape(blocks, width, -1)
        start = grid.t0 + (first + np.arange(blocks) * width) * grid.bin_size
        yield first, bin_spikes(spikes, start, bins=width, bin_size=grid.bin_size), expected


def _joined(parts: list[Sums]) -> Sums:
    names = ("loss", "spikes", "entries", "saturated", "error", "squares")
    return Sums(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _columns(model: Sums, rivals: list[Sums]) -> Mapping[str, ndarray]:
    """The columns of the table, with intervals over blocks of consecutive time; the first rival is the mean."""
    used = np.flatnonzero(model.entries.sum(axis=1) > 0)
    model, losses = model.take(used), np.stack([rival.loss[used] for rival in rivals])
    nothing = np.ones(losses.shape[2])
    whole = unit_scores(model.total(), nothing)
    best = losses.sum(axis=1).argmin(axis=0)
    gained = np.take_along_axis(losses, best[None, None], axis=0)[0] - model.loss
    spikes = model.spikes.sum(axis=0)
    scored = spikes > 0
    over_mean = (losses[0] - model.loss).sum(axis=0) / (LN2 * np.maximum(spikes, 1))
    gain = np.where(scored, gained.sum(axis=0) / (LN2 * np.maximum(spikes, 1)), np.nan)
    weights = block_draws(len(used))
    drawn = unit_scores(model.weighted(weights), nothing).bps
    drawn_gain = (weights @ gained) / (LN2 * np.maximum(weights @ model.spikes, 1))
    low, high = _ends(whole.bps[0], drawn, len(used))
    gain_low, gain_high = _ends(gain, np.where(scored, drawn_gain, np.nan), len(used))
    return {
        "spikes": spikes.astype(np.int64),
        "bps": whole.bps[0],
        "bps_low": low,
        "bps_high": high,
        "bps_train_null": np.where(scored, over_mean, np.nan),
        "d2": whole.d2[0],
        "gain": gain,
        "gain_low": gain_low,
        "gain_high": gain_high,
        "reliable": np.nan_to_num(gain_low, nan=-1.0) > 0,
    }


def _ends(value: ndarray, draws: ndarray, windows: int) -> tuple[ndarray, ndarray]:
    """Both ends of every unit's interval, moved back by the bias of the resamples."""
    blocks = max(1, windows // 5)
    tail = tail_share(blocks)
    known = np.isfinite(draws).all(axis=0) & np.isfinite(value)
    low, high = np.full(len(value), np.nan), np.full(len(value), np.nan)
    if known.any():
        ends = np.quantile(draws[:, known], [tail, 1 - tail], axis=0)
        ends -= draws[:, known].mean(axis=0) - value[known]
        low[known] = np.minimum(ends[0], value[known])
        high[known] = np.maximum(ends[1], value[known])
    return low, high
