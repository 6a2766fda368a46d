"""Intervals by resampling: windows within a session, sessions and subjects across them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import stats

from nwb_mtm.metrics import BLOCK, DRAWS

LEVEL = 0.95


@dataclass(frozen=True)
class Value:
    """A number with its interval; NaN where it is not defined."""

    value: float
    low: float = float("nan")
    high: float = float("nan")

    def __str__(self) -> str:
        if not np.isfinite(self.value):
            return "-"
        if not np.isfinite(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def number(value: float) -> float | int | None:
    """A number for JSON: null for what is missing, seven digits otherwise."""
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.7g}")


def value_json(value: Value) -> dict[str, float | int | None]:
    """A value with its interval."""
    return {"value": number(value.value), "low": number(value.low), "high": number(value.high)}


def read_value(entry: Mapping[str, Any]) -> Value:
    """The value that was written."""
    return Value(_or_nan(entry.get("value")), _or_nan(entry.get("low")), _or_nan(entry.get("high")))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def block_length(windows: int) -> int:
    """Windows resampled together: five, fewer when there would be less than four blocks."""
    return max(1, min(BLOCK, windows // 4))


def block_draws(windows: int, *, draws: int = DRAWS, seed: int = 0) -> Float[ndarray, "draw window"]:
    """How often each window (in time order) occurs in each resample of blocks of consecutive windows.

    >>> w = block_draws(60, draws=3)
    >>> w.sum(axis=1).tolist(), bool((w[:, :5] == w[:, :1]).all())
    ([60.0, 60.0, 60.0], True)
    """
    if windows == 0:
        return np.zeros((draws, 0))
    block = np.arange(windows) // block_length(windows)
    count = int(block[-1]) + 1
    chosen = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    return np.asarray(chosen[:, block], np.float64)


def interval(value: float, draws: Float[ndarray, " draw"], *, units: int | None = None, recentre: bool = True) -> Value:
    """The central share of the draws, widened when few units (blocks or sessions) are resampled.

    A resample fits its own null, as the data do theirs, so draws lie above the value by the bias the value has
    itself: the interval is moved back by it. The value always lies inside.
    """
    known = draws[np.isfinite(draws)]
    if len(known) < 2 or not np.isfinite(value):
        return Value(float(value))
    tail = tail_share(units) if units is not None else (1 - LEVEL) / 2
    bias = float(known.mean()) - value if recentre else 0.0
    low, high = np.quantile(known, [tail, 1 - tail]) - bias
    return Value(float(value), min(float(low), float(value)), max(float(high), float(value)))


def tail_share(units: int, level: float = LEVEL) -> float:
    """The share of draws cut off at each side so that few resampled units do not give too short an interval.

    Resampling n units underestimates their spread by sqrt((n - 1) / n) and ignores that it is estimated
    (Hesterberg 2015, "What teachers should know about the bootstrap", expanded percentiles).

    >>> round(tail_share(10_000), 4), tail_share(12) < 0.025
    (0.025, True)
    """
    if units < 2:
        return 0.0
    reach = stats.t.ppf(1 - (1 - level) / 2, units - 1) * np.sqrt(units / (units - 1))
    return float(stats.norm.cdf(-reach))


def subject_draws(subjects: Sequence[str], *, draws: int = DRAWS, seed: int = 0) -> Float[ndarray, "draw session"]:
    """How often each session occurs when subjects are resampled, and then sessions within them."""
    rng = np.random.default_rng(seed)
    names = sorted(set(subjects))
    members = [np.flatnonzero([s == name for s in subjects]) for name in names]
    weights = np.zeros((draws, len(subjects)))
    for draw in range(draws):
        for pick in rng.integers(len(names), size=len(names)):
            rows = members[pick]
            np.add.at(weights[draw], rng.choice(rows, size=len(rows)), 1.0)
    return weights
