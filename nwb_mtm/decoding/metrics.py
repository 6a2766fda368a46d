"""How well labels and series were decoded, each figure also for resampled windows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import rankdata

from nwb_mtm.intervals import Value, block_draws, block_length, interval


@dataclass(frozen=True, eq=False)
class Resamples:
    """Weights of test windows (in time order) in each resample; overlapping windows stay together."""

    weights: Float[ndarray, "draw window"]
    units: int

    @classmethod
    def of(cls, start: Float[ndarray, " window"], width: float, *, draws: int, seed: int) -> "Resamples":
        """Blocks of five consecutive windows, each block holding all windows that overlap."""
        order = np.argsort(start, kind="stable")
        fresh = np.concatenate([[True], np.diff(start[order]) >= width - 1e-9])[: len(start)]
        group = np.cumsum(fresh) - 1
        groups = int(group[-1]) + 1 if len(group) else 0
        out = np.zeros((draws, len(start)))
        out[:, order] = block_draws(groups, draws=draws, seed=seed)[:, group]
        return cls(out, -(-groups // block_length(groups)) if groups else 0)

    def value(self, figure: float, drawn: Float[ndarray, " draw"]) -> Value:
        """The figure with its interval."""
        return interval(figure, drawn, units=self.units, recentre=False)


def weighted_accuracy(
    right: Float[ndarray, " window"], weights: Float[ndarray, "draw window"]
) -> Float[ndarray, " draw"]:
    """Share of windows decoded rightly."""
    return np.asarray(weights @ right / np.maximum(weights.sum(axis=1), 1e-12))


def weighted_balanced(
    right: Float[ndarray, " window"], codes: Int[ndarray, " window"], weights: Float[ndarray, "draw window"]
) -> Float[ndarray, " draw"]:
    """Mean over the labels present of the share decoded rightly."""
    recalls = []
    for label in np.unique(codes):
        mine = weights[:, codes == label]
        with np.errstate(invalid="ignore", divide="ignore"):
            recalls.append(mine @ right[codes == label] / mine.sum(axis=1))
    return _present_mean(np.array(recalls))


def weighted_auc(
    chance: Float[ndarray, "window label"], codes: Int[ndarray, " window"], weights: Float[ndarray, "draw window"]
) -> Float[ndarray, " draw"]:
    """Area under the ROC curve, each label against the rest, mean over the labels present."""
    areas = []
    for label in np.unique(codes):
        mine, rest = chance[codes == label, label], chance[codes != label, label]
        wins = (mine[:, None] > rest) + 0.5 * (mine[:, None] == rest)
        inside, outside = weights[:, codes == label], weights[:, codes != label]
        pairs = inside.sum(axis=1) * outside.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            areas.append(((inside @ wins) * outside).sum(axis=1) / pairs)
    return _present_mean(np.array(areas).reshape(len(areas), len(weights)))


def auc(
    chance: Float[ndarray, "window problem label"], codes: Int[ndarray, "window problem"]
) -> Float[ndarray, " problem"]:
    """The same area for many problems at once, from ranks."""
    ranks = rankdata(chance, axis=0)
    areas = []
    for label in range(chance.shape[2]):
        mine = codes == label
        count = mine.sum(axis=0)
        pairs = count * (len(codes) - count)
        wins = (ranks[:, :, label] * mine).sum(axis=0) - count * (count + 1) / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            areas.append(np.where(pairs > 0, wins / pairs, np.nan))
    return _present_mean(np.array(areas))


def _present_mean(rows: Float[ndarray, "label draw"]) -> Float[ndarray, " draw"]:
    known = np.isfinite(rows)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, rows, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def confusion(
    codes: Int[ndarray, " window"], decoded: Int[ndarray, " window"], labels: int
) -> tuple[tuple[int, ...], ...]:
    """How often each label (rows) was decoded as each label (columns)."""
    table = np.bincount(codes * labels + decoded, minlength=labels * labels).reshape(labels, labels)
    return tuple(tuple(int(n) for n in row) for row in table)


@dataclass(frozen=True, eq=False)
class SeriesSums:
    """Sums over the valid bins of every window, so that any resample of windows is one product."""

    count: Float[ndarray, " window"]
    value: Float[ndarray, "window dim"]
    square: Float[ndarray, "window dim"]
    decoded: Float[ndarray, "window dim"]
    decoded_square: Float[ndarray, "window dim"]
    product: Float[ndarray, "window dim"]

    @classmethod
    def of(
        cls,
        values: Float[ndarray, "window bin dim"],
        decoded: Float[ndarray, "window bin dim"],
        valid: ndarray,
    ) -> "SeriesSums":
        """Invalid bins count for nothing."""
        y = np.where(valid[..., None], values, 0.0).astype(np.float64)
        p = np.where(valid[..., None], decoded, 0.0).astype(np.float64)
        parts = (y.sum(1), (y * y).sum(1), p.sum(1), (p * p).sum(1), (y * p).sum(1))
        return cls(valid.sum(axis=1).astype(np.float64), *parts)

    def error(self, weights: Float[ndarray, "draw window"]) -> Float[ndarray, "draw dim"]:
        """Squared error."""
        return np.asarray(weights @ (self.square - 2 * self.product + self.decoded_square))

    def r2(self, weights: Float[ndarray, "draw window"]) -> Float[ndarray, " draw"]:
        """Variance explained around the mean of the same bins, mean over dimensions."""
        total = weights @ self.square - (weights @ self.value) ** 2 / self._bins(weights)
        return self._share(self.error(weights), total)

    def r2_from_zero(self, weights: Float[ndarray, "draw window"]) -> Float[ndarray, " draw"]:
        """Power explained, for residuals from a baseline whose prediction is zero."""
        return self._share(self.error(weights), weights @ self.square)

    def correlation(self, weights: Float[ndarray, "draw window"]) -> Float[ndarray, " draw"]:
        """Correlation of series and decoded series over all bins, mean over dimensions."""
        bins = self._bins(weights)
        mean, mean_decoded = weights @ self.value / bins, weights @ self.decoded / bins
        spread = weights @ self.square / bins - mean**2
        spread_decoded = weights @ self.decoded_square / bins - mean_decoded**2
        shared = weights @ self.product / bins - mean * mean_decoded
        norm = np.sqrt(np.maximum(spread, 0) * np.maximum(spread_decoded, 0))
        return _present_mean(np.where(norm > 1e-12, shared / np.maximum(norm, 1e-12), np.nan).T)

    def _bins(self, weights: Float[ndarray, "draw window"]) -> Float[ndarray, "draw 1"]:
        return np.asarray(np.maximum(weights @ self.count, 1.0)[:, None])

    @staticmethod
    def _share(error: Float[ndarray, "draw dim"], total: Float[ndarray, "draw dim"]) -> Float[ndarray, " draw"]:
        return _present_mean(np.where(total > 1e-12, 1 - error / np.maximum(total, 1e-12), np.nan).T)
