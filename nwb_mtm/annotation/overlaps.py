"""What blending does: windows scored as they were predicted, and as they lie in the series."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from nwb_mtm.annotation.blending import Grid
from nwb_mtm.binning import bin_spikes
from nwb_mtm.metrics import bits_per_spike
from nwb_mtm.nwb.annotations import WindowTable
from nwb_mtm.recording import Spikes

Predict = Callable[[Int[ndarray, " row"]], Sequence[Float[ndarray, "bin unit"]]]  # Hz, for rows of the table
COMPARED = 64  # windows at most


def before_and_after(
    spikes: Spikes, grid: Grid, windows: WindowTable, predict: Predict, rates: Float32[ndarray, "gridbin unit"]
) -> dict[str, str]:
    """Mean bits per spike of some unseen windows before and after they were blended; empty where none overlap."""
    rows = overlapping(windows, grid.bin_size)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), COMPARED)).round().astype(int))]
    if not len(rows):
        return {}
    places = [grid.position(float(start))[0] for start in windows.start[rows]]
    counts, single, blended = [], [], []
    for place, own in zip(places, predict(rows)):
        start = np.array([grid.t0 + place * grid.bin_size])
        counts.append(bin_spikes(spikes, start, bins=len(own), bin_size=grid.bin_size)[0])
        there = rates[place : place + len(own)]
        single.append(np.where(np.isfinite(there), own, np.nan))
        blended.append(np.where(np.isfinite(own), there, np.nan))
    return {
        "score.windows_compared": str(len(rows)),
        "score.bps_mean_single_windows": repr(_mean(counts, single, grid)),
        "score.bps_mean_blended_there": repr(_mean(counts, blended, grid)),
    }


def overlapping(windows: WindowTable, bin_size: float) -> Int[ndarray, " row"]:
    """Unseen windows that begin before the last one ends."""
    unseen = np.array([part == "test" for part in windows.split], bool) & ~windows.extrapolated
    rows = np.flatnonzero(unseen)
    rows = rows[np.argsort(windows.start[rows], kind="stable")]
    return rows[1:][windows.start[rows[1:]] < windows.stop[rows[:-1]] - 0.5 * bin_size]


def _mean(counts: list[ndarray], rates: list[ndarray], grid: Grid) -> float:
    bps = bits_per_spike(np.concatenate(counts), np.concatenate(rates).astype(np.float64) * grid.bin_size)
    known = bps[np.isfinite(bps)]
    return float(known.mean()) if len(known) else float("nan")
