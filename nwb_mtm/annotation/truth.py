"""Written rates beside the true ones of a simulation."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from nwb_mtm.nwb.annotations_read import open_written

STEP = 0.01  # grid of true rates (s)


def correlation_with_truth(
    file: str | Path, true: Float32[ndarray, "truebin trueunit"], t0: float
) -> Float[ndarray, " unit"]:
    """For every annotated unit, how its written rates follow the true ones over unseen time."""
    with open_written(file) as written:
        rates = written.rates().read()
        edges = written.t0 + np.arange(len(rates) + 1) * written.bin_size
        return np.array([_one(rates[:, i], true[:, row], edges - t0) for i, row in enumerate(written.rows)])


def _one(rates: ndarray, true: ndarray, edges: ndarray) -> float:
    known = np.isfinite(rates)
    if known.sum() < 2:
        return float("nan")
    summed = np.concatenate([[0.0], np.cumsum(true, dtype=np.float64)])
    expected = np.diff(np.interp(edges / STEP, np.arange(len(summed)), summed))
    if rates[known].std() == 0 or expected[known].std() == 0:
        return float("nan")
    return float(np.corrcoef(rates[known], expected[known])[0, 1])
