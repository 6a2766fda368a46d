"""What can be told without a single spike: time in the session, time in the trial, labels just before."""

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray
from scipy.interpolate import BSpline

KNOTS = 6  # pieces of the cubic spline through the session
REMEMBERED = 2  # labels just before, one by one
RECENT = 8  # and how often each label came among the last so many


def session_splines(time: Float[ndarray, " window"], *, knots: int = KNOTS) -> Float[ndarray, "window spline"]:
    """Cubic splines of time in the session, scaled to unit spread.

    >>> session_splines(np.arange(100.0)).shape
    (100, 8)
    """
    low, high = float(time.min()), float(time.max())
    share = (time - low) / max(high - low, 1e-9)
    inner = np.linspace(0, 1, knots + 1)
    edges = np.concatenate([np.zeros(3), inner, np.ones(3)])
    columns = BSpline.design_matrix(np.clip(share, 0, 1 - 1e-9), edges, 3).toarray()
    return _scaled(columns[:, 1:])


def previous_labels(
    codes: Int[ndarray, " window"], time: Float[ndarray, " window"], labels: int
) -> Float[ndarray, "window before"]:
    """The labels of the windows just before each one (zero where there is none), and recent shares."""
    order = np.argsort(time, kind="stable")
    known = np.zeros((len(codes), labels))
    known[np.flatnonzero(codes[order] >= 0), codes[order][codes[order] >= 0]] = 1.0
    shifted = [np.concatenate([np.zeros((back, labels)), known[:-back]])[: len(codes)] for back in range(1, RECENT + 1)]
    before = np.concatenate([*shifted[:REMEMBERED], np.mean(shifted, axis=0)], axis=1)
    out = np.empty_like(before)
    out[order] = before
    return out


def trial_clock(
    codes: Int[ndarray, " window"], time: Float[ndarray, " window"], labels: int
) -> Float[ndarray, "window feature"]:
    """What a decoder of trial labels can use without neural activity."""
    return np.concatenate([session_splines(time), _scaled(previous_labels(codes, time, labels))], axis=1)


def series_clock(time: Float[ndarray, " window"], bins: int) -> Float32[ndarray, "window bin feature"]:
    """What a decoder of a series can use without neural activity: the bin in the window, and the session's time."""
    splines = session_splines(time)
    out = np.zeros((len(time), bins, bins + splines.shape[1]), np.float32)
    out[:, :, :bins] = np.eye(bins) * np.sqrt(bins)
    out[:, :, bins:] = splines[:, None, :]
    return out


def _scaled(columns: Float[ndarray, "window feature"]) -> Float[ndarray, "window feature"]:
    return np.asarray(columns / np.maximum(columns.std(axis=0), 1e-9))
