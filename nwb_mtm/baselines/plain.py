"""Baselines without simultaneous activity: constant, PSTH, drift, and smoothing of a unit's own past."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.metrics import RATE_FLOOR, train_mean
from nwb_mtm.passes import Pass, Score, forward_bins
from nwb_mtm.windows import Windows

BLIND = ("constant", "psth", "psth-condition", "drift")  # see no simultaneous activity; the headline's rivals
PSTH_SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, np.inf)  # bins
DRIFT_TAUS = (15.0, 60.0, 240.0, 960.0)  # seconds
SMOOTHING_TAUS = (3.0, 10.0, 30.0, 100.0)  # bins
PRIORS = (1.0, 4.0, 16.0, 64.0)  # spikes that a rate is shrunk by


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a baseline may learn from, and the test windows it is asked about."""

    train: Windows
    valid: Windows
    test: Windows
    conditions: tuple[str, ...] = ()
    bin_of_forward: int = field(default=0)  # hidden bins at the end; 0 for the published tenth

    @cached_property
    def tuning(self) -> tuple[Windows, Windows]:
        """Windows to fit on and windows to choose penalties on; a seventh of training when none is given."""
        if len(self.valid):
            return self.train, self.valid
        held = np.arange(len(self.train)) // 5 % 7 == 3
        if not held.any():
            return self.train, self.train
        return self.train.take(~held), self.train.take(held)

    @cached_property
    def mean(self) -> Float[ndarray, " unit"]:
        """Mean count of every unit in a bin of training time; unknown without any."""
        if not len(self.train):
            return np.full(len(self.test.units), np.nan)
        return train_mean(self.train.counts, self.train.observed)

    @cached_property
    def psth(self) -> Float[ndarray, "bin unit"]:
        """Mean count by bin over training windows, smoothed as validation likes best."""
        fit, choose = self.tuning
        raw = {s: smooth_psth(mean_by_bin(fit, self.mean), s) for s in PSTH_SIGMAS}
        best = min(PSTH_SIGMAS, key=lambda s: loss(choose, np.broadcast_to(raw[s], choose.counts.shape)))
        return smooth_psth(mean_by_bin(self.train, self.mean), best)

    @cached_property
    def drift(self) -> Float[ndarray, "window bin unit"]:
        """The drift baseline in every bin of the test windows."""
        return drift_expectation(self)

    @property
    def hidden_bins(self) -> int:
        """Bins that `forward` hides."""
        return self.bin_of_forward or forward_bins(self.test.bins)


def loss(windows: Windows, expected: Float[ndarray, "window bin unit"]) -> float:
    """Poisson loss summed over everything observed."""
    rate = np.maximum(expected, RATE_FLOOR)
    terms = rate - windows.counts * np.log(rate)
    return float(terms.sum() if windows.observed is None else terms[windows.observed].sum())


def mean_by_bin(windows: Windows, mean: Float[ndarray, " unit"]) -> Float[ndarray, "bin unit"]:
    """Mean count by bin, drawn towards the unit's mean by the weight of one window."""
    if windows.observed is None:
        spikes, seen = (
            windows.counts.sum(axis=0, dtype=np.float64),
            np.full(windows.counts.shape[1:], len(windows)),
        )
    else:
        spikes = np.where(windows.observed, windows.counts, 0).sum(axis=0, dtype=np.float64)
        seen = windows.observed.sum(axis=0)
    return np.asarray((spikes + mean) / (seen + 1.0), np.float64)


def smooth_psth(psth: Float[ndarray, "bin unit"], sigma: float) -> Float[ndarray, "bin unit"]:
    """Smoothed along bins; an infinite width leaves the mean."""
    if np.isinf(sigma):
        return np.broadcast_to(psth.mean(axis=0), psth.shape).copy()
    return np.asarray(gaussian_filter1d(psth, sigma, axis=0, mode="nearest"))


def only_scored(
    expected: Float[ndarray, "window bin unit"], score: Score, plan: Sequence[Pass], hidden_bins: int
) -> Float[ndarray, "window bin unit"]:
    """The same expectations, with NaN wherever the score hides nothing."""
    out = np.full(expected.shape, np.nan, np.float32)
    targets = np.concatenate([step.targets for step in plan]) if plan else np.zeros(0, np.int64)
    first = expected.shape[1] - hidden_bins if score == "forward" else 0
    out[:, first:, targets] = expected[:, first:, targets]
    return out


def constant(evidence: Evidence, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """The unit's mean count over training time."""
    expected = np.broadcast_to(evidence.mean, evidence.test.counts.shape)
    return only_scored(expected, score, plan, evidence.hidden_bins)


def psth(evidence: Evidence, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """The unit's mean count by bin over training windows."""
    expected = np.broadcast_to(evidence.psth, evidence.test.counts.shape)
    return only_scored(expected, score, plan, evidence.hidden_bins)


def condition_numbers(windows: Windows, columns: Sequence[str]) -> Int[ndarray, " window"]:
    """A hash-free number for every combination of the named trial columns."""
    labels = [np.asarray(windows.trial_column(name)).astype(str) for name in columns]
    joined = np.array(["\x1f".join(row) for row in zip(*labels)])
    names = np.unique(np.asarray(windows_labels(windows, columns)))
    return np.searchsorted(names, joined)


def windows_labels(windows: Windows, columns: Sequence[str]) -> list[str]:
    """All combinations that the trial table holds."""
    assert windows.trials is not None
    rows = [np.asarray(windows.trials.columns[name]).astype(str) for name in columns]
    return ["\x1f".join(row) for row in zip(*rows)]


def conditional_psth(evidence: Evidence, asked: Windows, fit: Windows) -> Float[ndarray, "window bin unit"]:
    """The PSTH of each window's condition, drawn towards the common one by the weight of five windows."""
    if not evidence.conditions:
        return np.broadcast_to(evidence.psth, asked.counts.shape)
    known, wanted = condition_numbers(fit, evidence.conditions), condition_numbers(asked, evidence.conditions)
    out = np.empty(asked.counts.shape, np.float64)
    common = evidence.psth
    for number in np.unique(wanted):
        rows = np.flatnonzero(known == number)
        own = fit.counts[rows].sum(axis=0, dtype=np.float64)
        blend = (own + 5.0 * common) / (len(rows) + 5.0)
        out[wanted == number] = gaussian_filter1d(blend, 2.0, axis=0, mode="nearest")
    return out


def psth_condition(evidence: Evidence, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """The PSTH of the window's condition, over training windows."""
    expected = conditional_psth(evidence, evidence.test, evidence.train)
    return only_scored(expected, score, plan, evidence.hidden_bins)


@dataclass(frozen=True, eq=False)
class Totals:
    """Spikes of every window, and what the PSTH expects there."""

    time: Float[ndarray, " window"]
    spikes: Float[ndarray, "window unit"]
    expected: Float[ndarray, "window unit"]

    @classmethod
    def of(cls, windows: Windows, expected: Float[ndarray, "window bin unit"]) -> "Totals":
        """The sums over observed bins."""
        seen = windows.valid
        spikes = np.where(seen, windows.counts, 0).sum(axis=1, dtype=np.float64)
        return cls(windows.start, spikes, np.where(seen, expected, 0.0).sum(axis=1))

    def loss(self, ratio: Float[ndarray, "window unit"]) -> float:
        """Poisson loss of the PSTH times a ratio (up to what no ratio changes)."""
        return float((ratio * self.expected - self.spikes * np.log(ratio)).sum())


def shrunk(spikes: ndarray, expected: ndarray, prior: float) -> ndarray:
    """A rate relative to what was expected, drawn towards 1 by a prior worth some spikes."""
    return np.asarray((prior + spikes) / (prior + expected))


def nearby(totals: Totals, time: Float[ndarray, " window"], tau: float, prior: float) -> ndarray:
    """Every unit's rate beside the expected one, from windows around a time."""
    gap = np.abs(time[:, None] - totals.time[None])
    weight = np.exp(-(gap - gap.min(axis=1, keepdims=True)) / tau)
    return shrunk(weight @ totals.spikes, weight @ totals.expected, prior)


def memory(learned: Totals, asked: Totals) -> tuple[float, float]:
    """How long and how much neighbouring windows count: what explains other windows best."""
    grid = [(tau, prior) for tau in DRIFT_TAUS for prior in (*PRIORS, 1e6)]
    return min(grid, key=lambda g: asked.loss(nearby(learned, asked.time, *g)))


def drift(evidence: Evidence, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """The PSTH times the unit's rate in neighbouring training windows."""
    return only_scored(evidence.drift, score, plan, evidence.hidden_bins)


def drift_expectation(evidence: Evidence) -> Float[ndarray, "window bin unit"]:
    """The drift baseline in every bin of the test windows."""
    fit, choose = evidence.tuning
    learned = Totals.of(fit, conditional_psth(evidence, fit, fit))
    asked = Totals.of(choose, conditional_psth(evidence, choose, fit))
    tau, prior = memory(learned, asked)
    everything = Totals.of(evidence.train, conditional_psth(evidence, evidence.train, evidence.train))
    ratio = nearby(everything, evidence.test.start, tau, prior)
    base = conditional_psth(evidence, evidence.test, evidence.train)
    return np.asarray(base * ratio[:, None], np.float32)


def smoothing(evidence: Evidence, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """Forward only: the PSTH times the unit's own rate before the hidden bins, exponentially weighted."""
    _, choose = evidence.tuning
    origin = evidence.test.bins - evidence.hidden_bins
    base = evidence.psth
    grid = [(tau, prior) for tau in SMOOTHING_TAUS for prior in (*PRIORS, 1e6)]

    def tail_loss(setting: tuple[float, float]) -> float:
        tail = base[None, origin:] * _own_past(choose, base, origin, *setting)[:, None]
        rate, seen = np.maximum(tail, RATE_FLOOR), choose.valid[:, origin:]
        return float(np.where(seen, rate - choose.counts[:, origin:] * np.log(rate), 0.0).sum())

    best = min(grid, key=tail_loss)
    ratio = _own_past(evidence.test, base, origin, *best)
    return only_scored(base[None] * ratio[:, None], score, plan, evidence.hidden_bins)


def _own_past(windows: Windows, base: ndarray, origin: int, tau: float, prior: float) -> ndarray:
    weight = np.exp(-(origin - 1 - np.arange(origin)) / tau)
    seen = windows.valid[:, :origin]
    spikes = np.einsum("t,wtn->wn", weight, np.where(seen, windows.counts[:, :origin], 0))
    expected = np.einsum("t,wtn->wn", weight, np.where(seen, base[None, :origin], 0.0))
    return shrunk(spikes, expected, prior)


BlindBaseline = Callable[[Evidence, Score, Sequence[Pass]], Float[ndarray, "window bin unit"]]
