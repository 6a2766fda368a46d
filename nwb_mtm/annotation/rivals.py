"""What scores in a file are held against: means, average responses and drift, from spikes and windows alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.annotation.blending import Grid, blend
from nwb_mtm.baselines.plain import Totals, memory, nearby
from nwb_mtm.binning import bin_spikes
from nwb_mtm.nwb.annotations import WindowTable
from nwb_mtm.recording import Spikes

SMOOTH = 2.0  # of the average response, in bins
PRIOR = 3.0  # windows at the mean rate that the average response is drawn towards
CHUNK = 32  # windows at a time


@dataclass(frozen=True, eq=False)
class Learned:
    """What the training windows of one model teach without looking at other units."""

    mean: Float[ndarray, " unit"]
    response: Float[ndarray, "width unit"]
    drift: Float[ndarray, "window unit"]  # of every test window: the rate around it beside the usual one


@dataclass(frozen=True, eq=False)
class Rivals:
    """The rivals of all models of a file, laid over the windows that each of them predicted."""

    windows: WindowTable
    learned: Sequence[Learned]
    test: Sequence[ndarray]  # rows of the windows that each model was tested on

    def over(self, grid: Grid, first: int, shape: tuple[int, ...]) -> tuple[Float[ndarray, "block width unit"], ...]:
        """Expected counts in a stretch of the grid: the mean, the average response, the response with drift."""
        here = Grid(grid.t0 + first * grid.bin_size, grid.bin_size, shape[0] * shape[1])
        mean = self._means(here)
        plain = blend(here, ((start, one.response) for start, one, _ in self._inside(here)), shape[2])
        moved = blend(here, ((start, one.response * drift) for start, one, drift in self._inside(here)), shape[2])
        response, drifting = (np.where(np.isfinite(laid), laid, mean) for laid in (plain, moved))
        return mean.reshape(shape), response.reshape(shape), drifting.reshape(shape)

    def _inside(self, here: Grid) -> list[tuple[float, Learned, Float[ndarray, " unit"]]]:
        stop = here.t0 + here.bins * here.bin_size
        found = []
        for one, rows in zip(self.learned, self.test):
            touching = (self.windows.start[rows] < stop) & (self.windows.stop[rows] > here.t0)
            found += [(float(self.windows.start[rows[i]]), one, one.drift[i]) for i in np.flatnonzero(touching)]
        return found

    def _means(self, here: Grid) -> Float[ndarray, "bin unit"]:
        """The training mean of the model that predicted each bin."""
        owner = np.zeros(here.bins, np.int64)
        for number, rows in enumerate(self.test if len(self.test) > 1 else ()):
            edges = np.stack([self.windows.start[rows], self.windows.stop[rows]], axis=1) - here.t0
            for low, high in np.clip(np.round(edges / here.bin_size), 0, here.bins).astype(np.int64):
                owner[low:high] = number
        return np.stack([one.mean for one in self.learned]).astype(np.float32)[owner]


def rivals_of(spikes: Spikes, windows: WindowTable, width: int, bin_size: float) -> Rivals:
    """The rivals of every model that the table names."""
    models = windows.models or (0,)
    test = [windows.rows("test", number) for number in models]
    learned = [_learn(spikes, windows, number, width, bin_size) for number in models]
    return Rivals(windows, learned, test)


def _learn(spikes: Spikes, windows: WindowTable, fold: int, width: int, bin_size: float) -> Learned:
    train = windows.start[windows.rows("train", fold)]
    summed, each = _binned(spikes, train, width, bin_size)
    mean = np.maximum(summed.sum(axis=0), 0.5) / max(1, len(train) * width)
    smooth = gaussian_filter1d(summed, SMOOTH, axis=0, mode="nearest")
    response = (smooth + PRIOR * mean) / (len(train) + PRIOR)
    asked = windows.start[windows.rows("test", fold)]
    if not len(train):
        return Learned(mean, response, np.ones((len(asked), len(spikes))))
    expected = response.sum(axis=0)
    around = _totals(train, each, expected)
    valid = windows.start[windows.rows("valid", fold)]
    chosen = _totals(valid, _binned(spikes, valid, width, bin_size)[1], expected)
    tau, prior = memory(around, chosen) if len(valid) else (240.0, 16.0)
    return Learned(mean, response, nearby(around, asked, tau, prior) if len(asked) else np.ones((0, len(spikes))))


def _totals(start: ndarray, spikes: ndarray, expected: ndarray) -> Totals:
    return Totals(start, spikes, np.broadcast_to(expected, spikes.shape))


def _binned(
    spikes: Spikes, start: Float[ndarray, " window"], width: int, bin_size: float
) -> tuple[Float[ndarray, "width unit"], Float[ndarray, "window unit"]]:
    """Counts of windows: summed bin by bin, and over each window."""
    total, each = np.zeros((width, len(spikes))), np.zeros((len(start), len(spikes)))
    for first in range(0, len(start), CHUNK):
        counts = bin_spikes(spikes, start[first : first + CHUNK], bins=width, bin_size=bin_size)
        total += counts.sum(axis=0, dtype=np.float64)
        each[first : first + CHUNK] = counts.sum(axis=1, dtype=np.float64)
    return total, each
