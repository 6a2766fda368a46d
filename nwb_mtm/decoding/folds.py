"""Folds of consecutive windows, and what must stay out of training when a fold is left out."""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nwb_mtm.binning import touches

FOLDS = 5
STRETCHES = 2  # separate stretches of the session in every fold


def consecutive_folds(
    windows: int, folds: int = FOLDS, runs: Int[ndarray, " window"] | None = None
) -> Int[ndarray, " window"]:
    """A fold for every window in time order: consecutive stretches; a run is never cut in two.

    >>> consecutive_folds(6, 3).tolist()
    [0, 0, 1, 1, 2, 2]
    >>> consecutive_folds(6, 2, np.array([0, 0, 0, 0, 0, 1])).tolist()
    [0, 0, 0, 0, 0, 1]
    """
    fold = np.arange(windows) * folds // max(windows, 1)
    if runs is None:
        return fold
    middle = np.array([fold[np.flatnonzero(runs == r)].mean() for r in range(runs.max(initial=-1) + 1)])
    return np.unique(np.floor(middle + 0.5).astype(int)[runs], return_inverse=True)[1].reshape(-1)


def session_folds(
    start: Float[ndarray, " window"], folds: int = FOLDS, runs: Int[ndarray, " window"] | None = None
) -> Int[ndarray, " window"]:
    """Folds made of separate stretches of the session, so that each sees early and late time."""
    order = np.argsort(start, kind="stable")
    ordered = None if runs is None else np.unique(runs[order], return_inverse=True)[1].reshape(-1)
    out = np.empty(len(start), np.int64)
    out[order] = consecutive_folds(len(start), folds * STRETCHES, ordered) % folds
    return out


def apart(
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    left_out: Bool[ndarray, " window"],
    *,
    gap: float = 0.0,
) -> Bool[ndarray, " window"]:
    """Windows that share no time with those left out, nor come closer than `gap` seconds."""
    if not left_out.any():
        return np.ones(len(start), bool)
    spans = np.stack([start[left_out] - gap, stop[left_out] + gap], axis=1)
    return np.asarray(~left_out & ~touches(start, stop, spans))
