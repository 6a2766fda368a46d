"""What is known of a unit before its row is: rate, intervals between its spikes, and depth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped
from numpy import ndarray

from nwb_mtm.spilling import release
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

NAMES = (
    "log rate",  # spikes/s
    "log interval",  # mean log of the intervals between spikes of a window, in s
    "local variation",  # of one interval and the next: 0 when even, 1 for a Poisson unit
    "short intervals",  # share of intervals shorter than a bin
    "dispersion",  # log of variance over mean of a window's spikes
    "correlation",  # of the counts of neighbouring bins
    "persistence",  # mean correlation of counts 2 to 10 bins apart
    "depth",  # micrometres along the probe, from the middle of the region's units there
)
MOST_WINDOWS = 500  # of a session, spread over its training time
FEW = 10  # intervals; with fewer nothing is said of them
LONG_LAGS = range(2, 11)


@dataclass(frozen=True, eq=False)
class Traits:
    """One row for every unit of a vocabulary (NaN where nothing is known), and where each session's were measured."""

    table: Float32[ndarray, "row trait"]
    stretches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the traits that are known of any unit."""
        return tuple(name for name, column in zip(NAMES, self.table.T) if np.isfinite(column).any())

    @classmethod
    def measured(cls, windows: Iterable[Windows], vocabulary: Vocabulary) -> "Traits":
        """From windows of training time."""
        table = np.full((len(vocabulary), len(NAMES)), np.nan, np.float32)
        stretches = {}
        for one in windows:
            some = one.take(np.unique(np.linspace(0, len(one) - 1, min(len(one), MOST_WINDOWS)).round().astype(int)))
            table[vocabulary.unit_rows(one.session, one.units.keys)] = traits_of(some)
            stretches[one.session] = stretch(some)
            release(one.counts)
        return cls(table, stretches)

    @classmethod
    def of_rates(cls, rates: Float[ndarray, " row"]) -> "Traits":
        """When only mean rates (spikes/s) are known."""
        table = np.full((len(rates), len(NAMES)), np.nan, np.float32)
        table[:, 0] = np.log(rates)
        return cls(table)

    def to_json(self) -> dict[str, Any]:
        """Names and stretches, for a checkpoint's header."""
        return {"names": list(NAMES), "stretches": {key: dict(one) for key, one in self.stretches.items()}}

    @classmethod
    def from_json(cls, header: Mapping[str, Any], table: Float32[ndarray, "row stored"]) -> "Traits":
        """What a checkpoint's header and table say; traits that it lacks are not known."""
        held = np.full((len(table), len(NAMES)), np.nan, np.float32)
        for name, column in zip(header["names"], table.T):
            if name in NAMES:
                held[:, NAMES.index(name)] = column
        return cls(held, header["stretches"])


def stretch(windows: Windows) -> dict[str, Any]:
    """How many windows, how long they are together, and from when to when."""
    first, last = float(windows.start.min()), float(windows.stop.max())
    return {"windows": len(windows), "seconds": round(len(windows) * windows.width, 6), "first": first, "last": last}


def traits_of(windows: Windows) -> Float[ndarray, "unit trait"]:
    """All traits of the units of some windows, in the order of their names."""
    counts, valid = np.ascontiguousarray(windows.counts), windows.valid
    known = valid.sum((0, 1))
    rate = (np.where(valid, counts, 0).sum((0, 1)) + 0.5) / (known + 1.0) / windows.bin_size
    intervals = np.stack([_intervals(counts[:, :, i], valid[:, :, i]) for i in range(counts.shape[2])])
    intervals[:, 0] += np.log(windows.bin_size)
    columns = [np.log(rate), *intervals.T, _dispersion(counts, valid), *_correlations(counts, valid), depths(windows)]
    return np.stack(columns, 1)


def _intervals(
    counts: Shaped[ndarray, "window bin"], valid: Bool[ndarray, "window bin"]
) -> Float[ndarray, " statistic"]:
    """Mean log interval (in bins), local variation, share below a bin; a bin's spikes are spread evenly in it."""
    window, bins = np.nonzero(np.where(valid, counts, 0))
    many = counts[window, bins].astype(np.int64)
    window, bins = window.repeat(many), bins.repeat(many)
    within = np.arange(len(bins)) - (many.cumsum() - many).repeat(many)
    time = bins + (within + 0.5) / many.repeat(many)
    gap, same = np.diff(time), np.diff(window) == 0
    if same.sum() < FEW:
        return np.full(3, np.nan)
    pairs = same[1:] & same[:-1]
    before, after = gap[:-1][pairs], gap[1:][pairs]
    local = 3 * np.mean(((before - after) / (before + after)) ** 2) if pairs.sum() >= FEW else np.nan
    return np.array([np.log(gap[same]).mean(), local, np.mean(gap[same] < 1 - 1e-9)])


def _dispersion(
    counts: Shaped[ndarray, "window bin unit"], valid: Bool[ndarray, "window bin unit"]
) -> Float[ndarray, " unit"]:
    """Log of variance over mean of a window's spikes, over windows that were watched throughout."""
    spikes = np.where(valid.all(1), counts.sum(1, dtype=np.float64), np.nan)
    enough = (np.isfinite(spikes).sum(0) > 1) & (np.nansum(spikes, 0) >= FEW)
    out = np.full(len(enough), np.nan)
    some = spikes[:, enough]
    out[enough] = np.log(np.maximum(np.nanvar(some, 0, ddof=1) / np.nanmean(some, 0), 0.1))
    return out


def _correlations(
    counts: Shaped[ndarray, "window bin unit"], valid: Bool[ndarray, "window bin unit"]
) -> tuple[Float[ndarray, " unit"], Float[ndarray, " unit"]]:
    """Of the counts of neighbouring bins, and of bins further apart, about the unit's mean."""
    spikes = np.where(valid, counts, 0).sum((0, 1), dtype=np.float64)
    mean = spikes / np.maximum(valid.sum((0, 1)), 1)
    change = np.where(valid, counts - mean, 0.0).astype(np.float32)
    variance = np.maximum((change**2).mean((0, 1)), 1e-12)
    lags = [lag for lag in (1, *LONG_LAGS) if lag < counts.shape[1]]
    found = [(change[:, :-lag] * change[:, lag:]).mean((0, 1)) / variance for lag in lags]
    unknown = np.full(len(mean), np.nan)
    near = found[0] if found else unknown
    far = np.mean(found[1:], axis=0) if len(found) > 1 else unknown
    enough = spikes >= FEW
    return np.where(enough, near, np.nan), np.where(enough, far, np.nan)


def depths(windows: Windows) -> Float[ndarray, " unit"]:
    """Micrometres along the probe from the middle of the region's units there; NaN where no place is known.

    Along is the direction in which a probe's units lie furthest apart. Probes go in differently far, so only the
    place inside a region is comparable.
    """
    units = windows.units
    out = np.full(len(units), np.nan)
    groups, regions = np.array(units.groups, dtype=str), np.array(units.regions, dtype=str)
    for group in np.unique(groups):
        rows = np.flatnonzero((groups == group) & np.isfinite(units.positions).all(1))
        if not len(rows):
            continue
        along = units.positions[rows, int(np.argmax(np.ptp(units.positions[rows], axis=0)))]
        out[rows] = along - _middles(along, regions[rows])
    return out


def _middles(along: Float[ndarray, " unit"], regions: Shaped[ndarray, " unit"]) -> Float[ndarray, " unit"]:
    index: Int[ndarray, " unit"] = np.unique(regions, return_inverse=True)[1]
    middle = np.array([(along[index == i].min() + along[index == i].max()) / 2 for i in range(index.max() + 1)])
    return np.asarray(middle[index])
