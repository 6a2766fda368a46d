"""By how much activity comes before a series: tried on training and validation windows only."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.decoding.fit import Products, centered, left_out_error
from nwb_mtm.decoding.problem import SeriesProblem

LAGS = (-0.2, -0.1, 0.0, 0.1, 0.2)  # seconds
PENALTIES = (1e-3, 1e-1)
STRIDE = 3  # bins
CLEARLY = 0.02  # share of the power by which a lag has to be better than none


def lagged(features: Float[ndarray, "window bin feature"], bins: int) -> Float[ndarray, "window bin feature"]:
    """Activity so many bins earlier (later, when below 0); at a window's ends the nearest bin stands in.

    >>> lagged(np.arange(4.0).reshape(1, 4, 1), 1).ravel().tolist()
    [0.0, 0.0, 1.0, 2.0]
    """
    count = features.shape[1]
    return features if not bins else features[:, np.clip(np.arange(count) - bins, 0, count - 1)]


def choose_lag(problem: SeriesProblem, features: Float[ndarray, "window bin feature"]) -> int:
    """The lag in bins under which left-out training windows are decoded best; 0 when none is clearly better.

    Every third bin and two penalties are looked at, and what the clock leaves of the series.
    """
    tried = sorted({round(lag / problem.bin_size) for lag in LAGS}, key=abs)
    if problem.fold.max(initial=0) < 1:
        return 0
    left = {lag: _left(problem, lagged(features, lag)) for lag in tried}
    best = min(tried, key=lambda lag: left[lag])
    return best if left[best] < left[0] - CLEARLY else 0


def _left(problem: SeriesProblem, features: Float[ndarray, "window bin feature"]) -> float:
    """Share of the power that is not decoded, mean over dimensions."""
    dims = problem.values.shape[2]
    targets = problem.targets[:, ::STRIDE, 2 * dims :]
    known, some = problem.valid[:, ::STRIDE], features[:, ::STRIDE]
    seen = known & problem.fits[:, None]
    table = centered(some.reshape(-1, some.shape[2]), seen.reshape(-1)).reshape(some.shape)
    parts = [known & (problem.fold == fold)[:, None] for fold in range(problem.fold.max() + 1)]
    folds = [Products.of(table[part], targets[part]) for part in parts]
    power = np.maximum(np.sum([fold.power for fold in folds], axis=0), 1e-12)
    return float((left_out_error(folds, PENALTIES).min(axis=0) / power).mean())
