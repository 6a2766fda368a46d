"""Guards against units that share spikes: flagged pairs, neighbours hidden with the target, and score by distance."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import stats

from nwb_mtm.binning import covered
from nwb_mtm.recording import UNKNOWN, Recording, Units

PEAK = 0.5e-3  # seconds; coincidences closer than this are suspicious
SHOULDER = 10e-3  # seconds; the lags beside the peak reach to here
REFRACTORY = 2e-3  # seconds; halves of one unit leave the lags from the peak to here empty ...
RECOVERED = 5e-3  # ... and are compared with the lags from here to the shoulder's end
EMPTY = 0.3  # of what these let expect; other pairs at one place had at least 0.69, halves of real units at most 0.09
EXCESS = 5.0  # times the shoulders
LEAST_COINCIDENCES = 10
CHANCE = 1e-3  # over all pairs of a recording
TURNS_CHANCE = 1e-2  # the same for a gap, which has to be nearly empty as well
NEAR = 100.0  # micrometres
EPOCH = 60.0  # seconds; slow rates of two halves of one unit trade off over these
TRADE_OFF = -0.5  # correlation of slow rates, after what the whole group shares
COARSE = 0.5  # share of spikes at one phase of a millisecond; such a clock cannot tell coincidences apart


@dataclass(frozen=True)
class Pair:
    """Two units that may share spikes."""

    first: int  # rows in the session's unit order
    second: int
    reason: str  # `coincidence`, `refractory` or `split`
    excess: float  # coincidences over what other lags let expect; correlation for a split
    same_group: bool
    same_region: bool
    same_place: bool


@dataclass(frozen=True)
class Flagged:
    """All flagged pairs of a recording, or why they could not be looked for."""

    pairs: tuple[Pair, ...] = ()
    note: str = ""
    tested: int = 0

    def to_json(self, units: Units) -> dict[str, Any]:
        """Pairs by unit key."""
        rows = [
            {
                "units": [units.keys[p.first], units.keys[p.second]],
                "reason": p.reason,
                "excess": float(f"{p.excess:.4g}"),
                "same_group": p.same_group,
                "same_region": p.same_region,
                "same_place": p.same_place,
            }
            for p in self.pairs
        ]
        return {"pairs": rows, "tested": self.tested, "note": self.note}


EDGES = (PEAK, REFRACTORY, RECOVERED, SHOULDER)


@dataclass(frozen=True, eq=False)
class Coincidences:
    """For every pair of units, how many pairs of spikes fall into the lags between EDGES."""

    counts: Int[ndarray, "lag unit unit"]

    @property
    def peak(self) -> Int[ndarray, "unit unit"]:
        """At zero lag."""
        return np.asarray(self.counts[0])

    @property
    def expected(self) -> Float[ndarray, "unit unit"]:
        """What the lags beside it let expect in the peak."""
        return np.asarray(self.counts[1:].sum(axis=0) * (PEAK / (SHOULDER - PEAK)))

    @property
    def gap(self) -> Int[ndarray, "unit unit"]:
        """Where halves of one unit leave a gap."""
        return np.asarray(self.counts[1])

    @property
    def beyond(self) -> Int[ndarray, "unit unit"]:
        """Where a unit has recovered."""
        return np.asarray(self.counts[3])


def flag_pairs(recording: Recording, units: Units, training: Float[ndarray, "interval 2"]) -> Flagged:
    """Pairs that share spikes, or trade them, in training time.

    A pair is flagged when spikes of both fall within half a millisecond far more often than at the lags beside it, or
    when both sit at one place and either leave each other's refractory period empty, as one unit does, or one gains
    over the session what the other loses.
    """
    times, owner = _spikes_within(recording, units, training)
    if _is_coarse(times):
        return Flagged(note="spike times are too coarse to tell coincidences apart", tested=0)
    found = coincidences(times, owner, len(units))
    pairs = [*_coincident(found, units), *_taking_turns(found, units), *_split(times, owner, units, training)]
    return Flagged(tuple(pairs), tested=len(units) * (len(units) - 1) // 2)


def _spikes_within(
    recording: Recording, units: Units, training: Float[ndarray, "interval 2"]
) -> tuple[Float[ndarray, " spike"], Int[ndarray, " spike"]]:
    row_of = {key: row for row, key in enumerate(recording.units.keys)}
    trains = [recording.spikes[row_of[key]] for key in units.keys]
    times = np.concatenate([*trains, np.zeros(0)])
    owner = np.repeat(np.arange(len(trains)), [len(t) for t in trains])
    if len(training):
        place = np.searchsorted(training[:, 0], times, side="right") - 1
        inside = (place >= 0) & (times < training[np.maximum(place, 0), 1])
        times, owner = times[inside], owner[inside]
    order = np.argsort(times, kind="stable")
    return times[order], owner[order]


def _is_coarse(times: Float[ndarray, " spike"]) -> bool:
    """Whether most spike times lie at one phase of a millisecond, as times kept in whole bins do."""
    phase = np.floor((times * 1e3 + 0.025) % 1.0 * 20).astype(np.int64)
    return bool(len(times)) and float(np.bincount(phase, minlength=20).max()) > COARSE * len(times)


def coincidences(times: Float[ndarray, " spike"], owner: Int[ndarray, " spike"], units: int) -> Coincidences:
    """Count spike pairs by lag, by walking the merged train at growing steps."""
    counts = np.zeros(len(EDGES) * units * units, np.int64)
    alive = np.arange(len(times) - 1)
    for step in range(1, len(times)):
        alive = alive[alive + step < len(times)]
        lag = times[alive + step] - times[alive]
        alive, lag = alive[lag < SHOULDER], lag[lag < SHOULDER]
        if not len(alive):
            break
        kind = np.searchsorted(EDGES, lag, side="right")
        place = (kind * units + owner[alive]) * units + owner[alive + step]
        counts += np.bincount(place, minlength=len(counts))
    table = counts.reshape(len(EDGES), units, units)
    return Coincidences(np.asarray(table + table.transpose(0, 2, 1)))


def _coincident(found: Coincidences, units: Units) -> list[Pair]:
    expected = np.maximum(found.expected, 0.5)
    count = len(units)
    level = CHANCE / max(1, count * (count - 1) // 2)
    unlikely = stats.poisson.sf(found.peak - 1, expected) < level
    many = (found.peak >= LEAST_COINCIDENCES) & (found.peak > EXCESS * expected)
    rows, columns = np.nonzero(np.triu(unlikely & many, 1))
    place = same_place(units)
    return [
        _pair(units, int(a), int(b), "coincidence", float(found.peak[a, b] / expected[a, b]), place)
        for a, b in zip(rows, columns)
    ]


def _taking_turns(found: Coincidences, units: Units) -> list[Pair]:
    """Units at one place that never follow each other within a refractory period, as halves of one unit do."""
    place = same_place(units)
    width = (REFRACTORY - PEAK) / (SHOULDER - RECOVERED)
    level = TURNS_CHANCE / max(1, int(np.triu(place).sum()))
    unlikely = stats.binom.cdf(found.gap, found.gap + found.beyond, width / (1 + width)) < level
    empty = found.gap < EMPTY * width * found.beyond
    rows, columns = np.nonzero(np.triu(place & unlikely & empty, 1))
    share = found.gap / np.maximum(width * found.beyond, 1e-9)
    return [_pair(units, int(a), int(b), "refractory", float(share[a, b]), place) for a, b in zip(rows, columns)]


def _split(
    times: Float[ndarray, " spike"], owner: Int[ndarray, " spike"], units: Units, training: ndarray
) -> list[Pair]:
    """Units at one place of which one loses, over the session, what the other gains."""
    rates = _slow_rates(times, owner, len(units), training)
    if len(rates) < 12:
        return []
    roots = np.sqrt(rates)
    left = roots - roots.mean(axis=0)
    spread = np.sqrt((left**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        related = (left.T @ left) / np.outer(spread, spread)
    needed = max(-TRADE_OFF, _critical_correlation(rates, len(units)))
    place = same_place(units)
    rows, columns = np.nonzero(np.triu(place & (related < -needed), 1))
    return [_pair(units, int(a), int(b), "split", float(related[a, b]), place) for a, b in zip(rows, columns)]


def _slow_rates(times: ndarray, owner: ndarray, units: int, training: ndarray) -> Float[ndarray, "epoch unit"]:
    """Rates in epochs of about a minute that lie mostly in training time."""
    if not len(times):
        return np.zeros((0, units))
    edges = np.arange(times[0], times[-1] + EPOCH, EPOCH)
    if len(edges) < 3:
        return np.zeros((0, units))
    known = covered(training, edges[None])[0] if len(training) else np.full(len(edges) - 1, EPOCH)
    epoch = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(epoch * units + owner, minlength=(len(edges) - 1) * units).reshape(-1, units)
    keep = known > EPOCH / 2
    return np.asarray(counts[keep] / known[keep, None])


def _critical_correlation(rates: ndarray, units: int) -> float:
    """A correlation that chance reaches in one of a thousand recordings, with slow rates half independent."""
    freedom = max(3.0, len(rates) / 2 - 2)
    t = stats.t.isf(CHANCE / max(1, units), freedom)
    return float(t / np.sqrt(freedom + t * t))


def _pair(units: Units, a: int, b: int, reason: str, excess: float, place: Bool[ndarray, "unit unit"]) -> Pair:
    group = units.groups[a] == units.groups[b] != UNKNOWN
    region = units.regions[a] == units.regions[b] != UNKNOWN
    return Pair(a, b, reason, excess, group, region, bool(place[a, b]))


def distances(units: Units) -> Float[ndarray, "unit unit"]:
    """Micrometres between units of one group; infinite across groups, NaN where a place is not known."""
    known = np.isfinite(units.positions)
    axes = known.any(axis=0)
    place = np.where(known, units.positions, 0.0)[:, axes]
    gap = np.sqrt(((place[:, None] - place[None]) ** 2).sum(axis=2))
    placed = known[:, axes].any(axis=1) if axes.any() else np.zeros(len(units), bool)
    gap[~placed] = np.nan
    gap[:, ~placed] = np.nan
    groups = np.array(units.groups, dtype=str)
    gap[groups[:, None] != groups[None]] = np.inf
    return np.asarray(gap)


def same_place(units: Units, near: float = NEAR) -> Bool[ndarray, "unit unit"]:
    """Units on one electrode or within reach; of one group when places are not known."""
    gap = distances(units)
    groups = np.array(units.groups, dtype=str)
    group = (groups[:, None] == groups[None]) & (groups != UNKNOWN)[:, None]
    wire = units.electrodes
    electrode = (wire[:, None] == wire[None]) & (wire >= 0)[:, None] & group
    with np.errstate(invalid="ignore"):
        close = np.where(np.isnan(gap), group, gap <= near)
    found = close | electrode
    np.fill_diagonal(found, False)
    return np.asarray(found)


@dataclass(frozen=True, eq=False)
class Guard:
    """Which units are hidden with every unit, and why."""

    hide_with: Bool[ndarray, "unit unit"]
    flagged: Flagged = field(default_factory=Flagged)
    rule: str = ""


def guard(units: Units, flagged: Flagged) -> Guard:
    """Neighbours and flagged partners of every unit."""
    hide_with = same_place(units)
    for pair in flagged.pairs:
        hide_with[pair.first, pair.second] = hide_with[pair.second, pair.first] = True
    placed = np.isfinite(distances(units)).any(axis=1).mean() if len(units) else 0.0
    rule = f"units on the same electrode or within {NEAR:g} um" if placed > 0.5 else "units of the same group"
    return Guard(hide_with, flagged, f"{rule}, and flagged pairs, are hidden with the target")


def other_groups(units: Units) -> Bool[ndarray, "unit unit"]:
    """All units of the target's own group: what is left is on other probes."""
    groups = np.array(units.groups, dtype=str)
    return np.asarray(groups[:, None] == groups[None])


def regions_across_groups(units: Units, regions: Sequence[str], least: int = 5) -> tuple[str, ...]:
    """Regions with enough units on two or more probes."""
    groups = np.array(units.groups, dtype=str)
    labels = np.array(units.regions, dtype=str)
    found = []
    for region in regions:
        counts = np.unique(groups[(labels == region) & (groups != UNKNOWN)], return_counts=True)[1]
        if (counts >= least).sum() >= 2:
            found.append(region)
    return tuple(found)
