"""Reduced-rank maps from the recent past of regions to the spikes of one: what each region adds, window by window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.decoding.folds import FOLDS, session_folds

LAGS = (0.02, 0.04, 0.06, 0.08, 0.12, 0.16)  # seconds before the bin that is predicted
FACTORS = 6  # dimensions kept of every region's activity
RANK = 4  # dimensions through which regions reach a target
PENALTIES = (1e-2, 1e-1, 1.0)  # ridge, times the number of training bins
STRICT = 0  # the penalty `lead` is judged at: the weakest, so that a source has to pay for its parameters
NEAR = 5  # windows on either side that tell a unit's drift
SMOOTH = 0.04  # seconds; for the trial average and for finding the factors
FLOOR = 0.2  # least share of the baseline that a prediction may fall to
MEASURES = ("alone", "left_out", "lead")


@dataclass(frozen=True, eq=False)
class Activity:
    """Counts, what trial average and slow drift expect of them, and what is left."""

    counts: Float32[ndarray, "window bin unit"]
    expected: Float32[ndarray, "window bin unit"]
    residual: Float32[ndarray, "window bin unit"]

    @classmethod
    def of(cls, counts: Shaped[ndarray, "window bin unit"], bin_size: float) -> "Activity":
        """Subtract the smoothed trial average, then the mean of neighbouring windows (a window's own left out)."""
        wide = counts.astype(np.float32)
        average = gaussian_filter1d(wide.mean(axis=0), SMOOTH / bin_size, axis=0, mode="nearest")
        drift = neighbouring((wide - average).mean(axis=1))[:, None]
        expected = np.maximum(average + drift, 0.05 * average + 1e-4)
        return cls(wide, expected, wide - average - drift)


def neighbouring(means: Float32[ndarray, "window unit"], near: int = NEAR) -> Float32[ndarray, "window unit"]:
    """The mean over the windows just before and after each one.

    >>> neighbouring(np.array([[1], [2], [6]], np.float32), near=1).ravel().tolist()
    [2.0, 3.5, 2.0]
    """
    count = len(means)
    sums = np.concatenate([np.zeros((1, means.shape[1])), np.cumsum(means, axis=0, dtype=np.float64)])
    row = np.arange(count)
    low, high = np.maximum(0, row - near), np.minimum(count, row + near + 1)
    others = np.maximum(high - low - 1, 1)[:, None]
    return np.asarray((sums[high] - sums[low] - means) / others, np.float32)


def factors(residual: Float32[ndarray, "window bin unit"], bin_size: float) -> Float32[ndarray, "window bin factor"]:
    """The leading dimensions of a region's activity on the scale of a few bins, each with unit spread."""
    scaled = residual / (residual.std(axis=(0, 1)) + 0.02)
    smooth = gaussian_filter1d(scaled, SMOOTH / bin_size, axis=1, mode="nearest").reshape(-1, residual.shape[2])
    axes = np.linalg.eigh((smooth.T @ smooth).astype(np.float64))[1][:, ::-1][:, :FACTORS].astype(np.float32)
    found = scaled @ axes
    return np.asarray(found / (found.std(axis=(0, 1)) + 1e-6), np.float32)


def lag_bins(bin_size: float, bins: int) -> tuple[int, ...]:
    """The lags in whole bins, each once, and none longer than half a window.

    >>> lag_bins(0.02, 100), lag_bins(0.05, 100)
    ((1, 2, 3, 4, 6, 8), (1, 2, 3))
    """
    found = sorted({max(1, round(lag / bin_size)) for lag in LAGS})
    return tuple(lag for lag in found if lag <= max(1, bins // 2))


@dataclass(frozen=True, eq=False)
class Design:
    """The past of every source region side by side, and the targets' activity at the bins it can tell."""

    past: Float32[ndarray, "window bin feature"]
    columns: tuple[Int[ndarray, " _"], ...]  # of each source region
    targets: Activity
    units: tuple[Int[ndarray, " _"], ...]  # of each target region
    fold: Int[ndarray, " window"]

    @classmethod
    def of(
        cls,
        sources: Activity,
        targets: Activity,
        members: Sequence[Int[ndarray, " _"]],
        chosen: Sequence[Int[ndarray, " _"]],
        start: Float[ndarray, " window"],
        bin_size: float,
    ) -> "Design":
        """`chosen` are the units of every region that act as sources, `members` those that are targets."""
        bins = sources.counts.shape[1]
        lags = lag_bins(bin_size, bins)
        first, blocks, columns, at = max(lags), [], [], 0
        for rows in chosen:
            dims = factors(sources.residual[:, :, rows], bin_size)
            block = np.concatenate([dims[:, first - lag : bins - lag] for lag in lags], axis=2)
            blocks.append(block)
            columns.append(np.arange(at, at + block.shape[2]))
            at += block.shape[2]
        rest = Activity(*(part[:, first:] for part in (targets.counts, targets.expected, targets.residual)))
        fold = session_folds(start, FOLDS)
        return cls(np.concatenate(blocks, axis=2), tuple(columns), rest, tuple(members), fold)

    def spikes(self) -> Float[ndarray, "region window"]:
        """Spikes of every target region in the bins that are predicted."""
        return np.array([self.targets.counts[:, :, rows].sum(axis=(1, 2), dtype=np.float64) for rows in self.units])


@dataclass(frozen=True, eq=False)
class Maps:
    """Ridge maps to all units at once; leaving regions out needs no new fit, only the inverse's blocks."""

    gram: Float[ndarray, "feature feature"]
    inverse: Float[ndarray, "feature feature"]
    weights: Float[ndarray, "feature unit"]

    @classmethod
    def fitted(cls, design: Design, train: Bool[ndarray, " window"]) -> tuple["Maps", ...]:
        """From all sources to all units, one for each penalty."""
        past = design.past[train].reshape(-1, design.past.shape[2])
        left = design.targets.residual[train].reshape(len(past), -1)
        gram, cross = (past.T @ past).astype(np.float64), (past.T @ left).astype(np.float64)
        size = len(past) * np.eye(len(gram))
        inverses = [np.linalg.inv(gram + penalty * size) for penalty in PENALTIES]
        return tuple(cls(gram, inverse, inverse @ cross) for inverse in inverses)

    def without(self, columns: Int[ndarray, " gone"], units: Int[ndarray, " _"]) -> "Reduced":
        """The map to some units from all other columns, brought down to a few dimensions."""
        weights = self.weights[:, units]
        if len(columns):
            weights = weights - self.inverse[:, columns] @ np.linalg.solve(
                self.inverse[np.ix_(columns, columns)], weights[columns]
            )
            weights[columns] = 0.0
        axes = np.linalg.eigh(weights.T @ self.gram @ weights)[1][:, ::-1][:, :RANK]
        return Reduced((weights @ axes).astype(np.float32), axes.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Reduced:
    """A map of low rank: into a few dimensions, and from there to the units."""

    into: Float32[ndarray, "feature rank"]
    out: Float32[ndarray, "unit rank"]


@dataclass(frozen=True, eq=False)
class Held:
    """Test windows of one target region; logarithms are taken only where there are spikes."""

    past: Float32[ndarray, "held bin feature"]
    expected: Float32[ndarray, "held bin unit"]
    spikes: Float32[ndarray, " _"]
    place: tuple[Int[ndarray, " _"], Int[ndarray, " _"], Int[ndarray, " _"]]  # window, bin and unit of the spikes

    @classmethod
    def of(cls, design: Design, test: Bool[ndarray, " window"], target: int) -> "Held":
        """The windows that a fold leaves out."""
        rows = design.units[target]
        counts, expected = design.targets.counts[test][:, :, rows], design.targets.expected[test][:, :, rows]
        window, at, unit = np.nonzero(counts)
        return cls(design.past[test], expected, counts[window, at, unit], (window, at, unit))

    def loss(self, map_: Reduced | None) -> Float[ndarray, " held"]:
        """Poisson loss in every window; without a map, of the baseline."""
        rate = self.expected
        if map_ is not None:
            rate = (self.past @ map_.into) @ map_.out.T
            rate += self.expected
            np.maximum(rate, np.float32(FLOOR) * self.expected, out=rate)
        told = self.spikes * np.log(rate[self.place])
        gained = np.bincount(self.place[0], told, minlength=len(rate))
        return np.asarray(rate.sum(axis=(1, 2), dtype=np.float64) - gained)


Fitted = tuple[Maps, ...]


def gains(design: Design) -> dict[str, Float[ndarray, "source target window"]]:
    """Nats by which each source helps to predict each target in every window, by maps fitted on other stretches.

    `alone`: the source's past against none. `left_out`: all others' past against all others but the source.
    `lead`: the same with the target's own past kept, at a fixed weak penalty. Indirect paths, through regions that
    are seen imperfectly, gain a little there, but less than their parameters cost.
    """
    regions = len(design.columns)
    out = {name: np.zeros((regions, regions, len(design.fold))) for name in MEASURES}
    folds = [int(fold) for fold in np.unique(design.fold)]
    maps = {fold: Maps.fitted(design, design.fold != fold) for fold in folds}
    for target in range(regions):
        held = {fold: Held.of(design, design.fold == fold, target) for fold in folds}
        chosen = _penalties(design, maps, held, target)
        for fold in folds:
            for name, table in _target_gains(design, maps[fold], chosen[fold], held[fold], target).items():
                out[name][:, target, design.fold == fold] = table
    return out


def _penalties(design: Design, maps: Mapping[int, Fitted], held: Mapping[int, Held], target: int) -> dict[int, int]:
    """For every fold, the penalty under which the map from all sources is best on the other folds."""
    none = np.zeros(0, np.int64)
    loss = {
        fold: np.array([held[fold].loss(one.without(none, design.units[target])).sum() for one in some])
        for fold, some in maps.items()
    }
    total = sum(loss.values(), np.zeros(len(PENALTIES)))
    return {fold: int(np.argmin(total - own)) for fold, own in loss.items()}


def _target_gains(
    design: Design, maps: Fitted, chosen: int, held: Held, target: int
) -> dict[str, Float[ndarray, "source held"]]:
    regions = range(len(design.columns))
    none = np.zeros(0, np.int64)

    def loss(gone: Sequence[int], penalty: int = chosen) -> Float[ndarray, " held"]:
        columns = np.concatenate([none, *(design.columns[r] for r in gone)])
        return held.loss(maps[penalty].without(columns, design.units[target]))

    empty, whole, others = held.loss(None), loss([], STRICT), loss([target])
    out = {name: np.zeros((len(regions), len(empty))) for name in MEASURES}
    for source in regions:
        if source == target:
            continue
        out["alone"][source] = empty - loss([r for r in regions if r != source])
        out["left_out"][source] = loss([target, source]) - others
        out["lead"][source] = loss([source], STRICT) - whole
    return out


def matched(
    counts: Shaped[ndarray, "window bin unit"], members: Sequence[Int[ndarray, " _"]], rng: np.random.Generator
) -> tuple[Shaped[ndarray, "window bin unit"], tuple[Int[ndarray, " _"], ...]]:
    """As many units in every region, and their spikes thinned until every region has as many."""
    least = min(len(rows) for rows in members)
    chosen = tuple(np.sort(rng.choice(rows, least, replace=False)) for rows in members)
    totals = np.array([counts[:, :, rows].sum(dtype=np.float64) for rows in chosen])
    thinned = np.array(counts)
    for rows, total in zip(chosen, totals):
        keep = float(totals.min() / max(total, 1.0))
        if keep < 1.0:
            thinned[:, :, rows] = rng.binomial(thinned[:, :, rows], keep)
    return thinned, chosen
