"""Bits per spike and its relatives, from sums over bins kept for every window.

With counts x and expected counts r over the scored entries, NLL(r) = sum[r - x ln r] (the factorial
cancels in every difference). Everything here is a function of a few sums over bins, so that a bootstrap over
windows is one matrix product.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray

RATE_FLOOR = 1e-9  # expected counts below this count as this (as in the Neural Latents Benchmark)
BLOCK = 5  # consecutive test windows that are resampled together
DRAWS = 1000
LN2 = float(np.log(2.0))
CHUNK = 64  # windows at a time


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over scored bins for every window and unit."""

    loss: Float[ndarray, "window unit"]  # r - x ln r
    spikes: Float[ndarray, "window unit"]
    entries: Float[ndarray, "window unit"]
    saturated: Float[ndarray, "window unit"]  # the least possible loss, x - x ln x
    error: Float[ndarray, "window unit"]  # (x - r)^2
    squares: Float[ndarray, "window unit"]  # x^2

    def take(self, windows: ndarray) -> "Sums":
        """The chosen windows."""
        return Sums(*(part[windows] for part in self._parts()))

    def weighted(self, weights: Float[ndarray, "draw window"]) -> "Sums":
        """Sums over windows, each counted as often as a draw says; rows are draws then."""
        return Sums(*(weights @ part for part in self._parts()))

    def total(self) -> "Sums":
        """Sums over all windows, as one row."""
        return Sums(*(part.sum(axis=0, keepdims=True) for part in self._parts()))

    def _parts(self) -> tuple[ndarray, ...]:
        return (self.loss, self.spikes, self.entries, self.saturated, self.error, self.squares)


def sums(
    counts: Shaped[ndarray, "window bin unit"],
    expected: Float[ndarray, "window bin unit"],
    *,
    valid: Bool[ndarray, "window bin unit"] | None = None,
) -> Sums:
    """Sum over the bins where something is expected (not NaN) and a count was observed."""
    windows, _, units = counts.shape
    out = np.zeros((6, windows, units))
    for first in range(0, windows, CHUNK):
        part = slice(first, first + CHUNK)
        out[:, part] = _chunk(counts[part], expected[part], None if valid is None else valid[part])
    return Sums(*out)


def _chunk(counts: ndarray, expected: ndarray, valid: ndarray | None) -> Float[ndarray, "sum window unit"]:
    scored = np.isfinite(expected) if valid is None else np.isfinite(expected) & valid
    x = np.where(scored, counts, 0).astype(np.float64)
    r = np.where(scored, np.maximum(expected, RATE_FLOOR), 1.0).astype(np.float64)
    loss = np.where(scored, r - x * np.log(r), 0.0)
    saturated = x - x * np.log(np.maximum(x, 1.0))
    error = np.where(scored, (x - r) ** 2, 0.0)
    return np.stack([part.sum(axis=1) for part in (loss, x, scored.astype(float), saturated, error, x * x)])


@dataclass(frozen=True, eq=False)
class UnitScores:
    """Scores of every unit (one row for every draw); NaN where a score is not defined."""

    bps: Float[ndarray, "draw unit"]
    bps_train_null: Float[ndarray, "draw unit"]
    d2: Float[ndarray, "draw unit"]
    r2: Float[ndarray, "draw unit"]
    spikes: Float[ndarray, "draw unit"]
    gained: Float[ndarray, "draw unit"]  # nats over the test-mean null


def constant_loss(
    spikes: Float[ndarray, "draw unit"], entries: Float[ndarray, "draw unit"], mean: ndarray
) -> Float[ndarray, "draw unit"]:
    """The loss of expecting the same count everywhere."""
    rate = np.maximum(mean, RATE_FLOOR)
    return np.asarray(entries * rate - spikes * np.log(rate))


def unit_scores(total: Sums, train_mean: Float[ndarray, " unit"]) -> UnitScores:
    """Every unit's scores against both nulls, from sums over windows.

    A unit without scored spikes has no score; one whose counts never vary has no share explained.
    """
    spikes, entries = total.spikes, total.entries
    mean = spikes / np.maximum(entries, 1.0)
    null = constant_loss(spikes, entries, mean)
    honest = constant_loss(spikes, entries, np.broadcast_to(train_mean, spikes.shape))
    deviance, variance = null - total.saturated, total.squares - spikes * mean
    with np.errstate(divide="ignore", invalid="ignore"):
        bps = (null - total.loss) / (LN2 * spikes)
        bps_train = (honest - total.loss) / (LN2 * spikes)
        d2 = (null - total.loss) / np.where(deviance > 1e-9, deviance, np.nan)
        r2 = 1.0 - total.error / np.where(variance > 1e-9, variance, np.nan)
    silent = spikes <= 0
    bps, bps_train, d2, r2 = (np.where(silent, np.nan, part) for part in (bps, bps_train, d2, r2))
    return UnitScores(bps, bps_train, d2, r2, spikes, np.where(silent, 0.0, null - total.loss))


def bits_per_spike(
    counts: Shaped[ndarray, "*entries unit"], expected: Float[ndarray, "*entries unit"]
) -> Float[ndarray, " unit"]:
    """Published bits per spike of every unit from counts and expected counts (not rates); units come last.

    Entries without an expectation (NaN) do not count; a unit without spikes has no score (NaN).

    >>> x = np.array([[1.0], [0.0]])
    >>> bits_per_spike(x, np.full((2, 1), 0.5)).tolist()
    [0.0]
    """
    units = counts.shape[-1]
    total = sums(counts.reshape(1, -1, units), expected.reshape(1, -1, units)).total()
    return np.asarray(unit_scores(total, np.zeros(units)).bps[0], np.float64)


def train_mean(
    counts: Shaped[ndarray, "window bin unit"], valid: Bool[ndarray, "window bin unit"] | None = None
) -> Float[ndarray, " unit"]:
    """Mean count of every unit in a bin of training time; a silent unit counts as half a spike."""
    if valid is None:
        spikes = counts.sum(axis=(0, 1), dtype=np.float64)
        entries = np.full(counts.shape[2], float(counts.shape[0] * counts.shape[1]))
    else:
        spikes = np.where(valid, counts, 0).sum(axis=(0, 1), dtype=np.float64)
        entries = valid.sum(axis=(0, 1)).astype(np.float64)
    return np.asarray(np.maximum(spikes, 0.5) / np.maximum(entries, 1.0))


Statistic = Callable[[UnitScores], Float[ndarray, " draw"]]


def _nanmean(values: ndarray) -> ndarray:
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _nanmedian(values: ndarray) -> ndarray:
    ordered = np.sort(values, axis=1)  # NaN goes to the end
    count = np.isfinite(values).sum(axis=1)
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    rows = np.arange(len(values))
    middle = (ordered[rows, low] + ordered[rows, np.minimum(high, values.shape[1] - 1)]) / 2
    return np.where(count > 0, middle, np.nan)


def _share(values: ndarray) -> ndarray:
    known = np.isfinite(values)
    count = known.sum(axis=1)
    return np.where(count > 0, (np.where(known, values, -1.0) > 0).sum(axis=1) / np.maximum(count, 1), np.nan)


def pooled(scores: UnitScores) -> Float[ndarray, " draw"]:
    """Bits gained by all units together, over all their spikes."""
    spikes = scores.spikes.sum(axis=1)
    return np.where(spikes > 0, scores.gained.sum(axis=1) / (LN2 * np.maximum(spikes, 1e-12)), np.nan)


STATISTICS: dict[str, Statistic] = {
    "bps_mean": lambda s: _nanmean(s.bps),
    "bps_median": lambda s: _nanmedian(s.bps),
    "bps_pooled": pooled,
    "bps_mean_train_null": lambda s: _nanmean(s.bps_train_null),
    "d2_mean": lambda s: _nanmean(s.d2),
    "share_positive": lambda s: _share(s.bps),
    "r2_mean": lambda s: _nanmean(s.r2),
}


def choose_units(scores: UnitScores, units: Bool[ndarray, " unit"]) -> UnitScores:
    """The scores of the chosen units."""
    parts = (scores.bps, scores.bps_train_null, scores.d2, scores.r2, scores.spikes, scores.gained)
    return UnitScores(*(part[:, units] for part in parts))
