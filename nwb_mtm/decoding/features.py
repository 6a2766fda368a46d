"""Spikes, rates or latents as the columns that a decoder reads."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.windows import Windows

POOL = 0.2  # seconds that one step of a trial's features covers
SMOOTH = 0.06  # seconds of the Gaussian that smooths counts before a series is read from them
LAG = 0.12  # a series is read from the same moment and from this much before and after
MOST_UNITS = 400  # more units are first reduced to so many principal components of their training activity
CHUNK = 64


@dataclass(frozen=True)
class TrialFeatures:
    """How a window becomes one row: counts pooled and square-rooted, or every bin as it is."""

    pool: float = POOL
    root: bool = True

    def of(self, counts: Shaped[ndarray, "window bin unit"], bin_size: float) -> Float32[ndarray, "window feature"]:
        """One row for every window.

        >>> TrialFeatures(pool=0.2).of(np.full((1, 4, 1), 2.0), 0.1).tolist()
        [[2.0, 2.0]]
        """
        step = max(1, round(self.pool / bin_size)) if self.pool else 1
        edges = np.arange(0, counts.shape[1], step)
        pooled = np.add.reduceat(counts.astype(np.float32), edges, axis=1)
        if self.root:
            pooled = np.sign(pooled) * np.sqrt(np.abs(pooled))
        return np.asarray(pooled.reshape(len(counts), -1), np.float32)


PUBLISHED = TrialFeatures(pool=0.0, root=False)  # every bin of every unit, as in the paper


def filled_counts(windows: Windows) -> Float32[ndarray, "window bin unit"]:
    """Counts, with a unit's mean where it was not observed."""
    counts = windows.counts.astype(np.float32)
    if windows.observed is None:
        return counts
    mean = (windows.rates * windows.bin_size).astype(np.float32)
    return np.where(windows.observed, counts, mean)


def series_features(
    activity: Shaped[ndarray, "window bin unit"],
    bin_size: float,
    train: Int[ndarray, " chosen"],
    *,
    smooth: float = SMOOTH,
    lag: float = LAG,
) -> Float32[ndarray, "window bin feature"]:
    """Smoothed activity at the same moment, before and after; at a window's ends the nearest bin stands in."""
    reduced = _reduced(activity, train)
    if smooth:
        reduced = gaussian_filter1d(reduced, smooth / bin_size, axis=1, mode="nearest")
    bins = np.arange(reduced.shape[1])
    step = round(lag / bin_size)
    moments = [bins] if not step else [np.clip(bins + k, 0, len(bins) - 1) for k in (-step, 0, step)]
    return np.concatenate([reduced[:, moment] for moment in moments], axis=2).astype(np.float32)


def _reduced(
    activity: Shaped[ndarray, "window bin unit"], train: Int[ndarray, " chosen"]
) -> Float32[ndarray, "window bin feature"]:
    """The activity itself, or its leading principal components when there are very many units."""
    units = activity.shape[2]
    if units <= MOST_UNITS:
        return activity.astype(np.float32)
    axes = _axes(activity, train)
    out = np.empty((*activity.shape[:2], axes.shape[1]), np.float32)
    for first in range(0, len(activity), CHUNK):
        out[first : first + CHUNK] = activity[first : first + CHUNK].astype(np.float32) @ axes
    return out


def _axes(
    activity: Shaped[ndarray, "window bin unit"], train: Int[ndarray, " chosen"]
) -> Float32[ndarray, "unit axis"]:
    gram, total, count = np.zeros((activity.shape[2],) * 2), np.zeros(activity.shape[2]), 0
    for first in range(0, len(train), CHUNK):
        part = activity[train[first : first + CHUNK]].astype(np.float32)
        edges = np.arange(0, part.shape[1], 10)
        flat = np.add.reduceat(part, edges, axis=1).reshape(-1, activity.shape[2])
        gram += flat.T @ flat
        total += flat.sum(axis=0)
        count += len(flat)
    mean = total / max(count, 1)
    values, axes = np.linalg.eigh(gram / max(count, 1) - np.outer(mean, mean))
    return np.asarray(axes[:, np.argsort(values)[::-1][:MOST_UNITS]], np.float32)


def trailing(
    activity: Shaped[ndarray, "window bin unit"], bin_size: float, *, width: float, step: float, root: bool = True
) -> tuple[Float[ndarray, " time"], list[Float32[ndarray, "window unit"]]]:
    """Sums over the stretch that ends at each time (square roots of them, for counts), and those times.

    >>> times, sums = trailing(np.ones((1, 4, 1)), 0.1, width=0.2, step=0.1, root=False)
    >>> times.round(1).tolist(), [s.item() for s in sums]
    ([0.2, 0.3, 0.4], [2.0, 2.0, 2.0])
    """
    bins = activity.shape[1]
    span, stride = max(1, round(width / bin_size)), max(1, round(step / bin_size))
    ends = np.arange(min(span, bins), bins + 1, stride)
    sums = np.concatenate([np.zeros_like(activity[:, :1]), np.cumsum(activity, axis=1)], axis=1)
    stretches = [sums[:, end] - sums[:, max(end - span, 0)] for end in ends]
    if root:
        stretches = [np.sqrt(np.maximum(stretch, 0.0)) for stretch in stretches]
    return ends * bin_size, [stretch.astype(np.float32) for stretch in stretches]
