"""Ridge regression into the future: from traces of every unit's recent past to the counts that follow."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import linalg

from nwb_mtm.baselines.plain import Evidence, only_scored
from nwb_mtm.metrics import sums, unit_scores
from nwb_mtm.passes import Pass, Score
from nwb_mtm.windows import Windows

TAUS = (2.0, 12.0)  # bins
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
MOST_FEATURES = 1200
LEAST_EXPECTED = 1e-3


def residuals(windows: Windows, psth: Float[ndarray, "bin unit"]) -> Float[ndarray, "window bin unit"]:
    """Counts less the PSTH; 0 where nothing was observed."""
    left = windows.counts.astype(np.float32) - psth.astype(np.float32)
    return left if windows.observed is None else np.where(windows.observed, left, np.float32(0.0))


def traces(left: Float[ndarray, "window bin unit"], origin: int, taus: Sequence[float]) -> ndarray:
    """Exponentially weighted means of residuals before an origin, for one time constant after the other."""
    parts = []
    for tau in taus:
        weight = np.exp(-(origin - 1 - np.arange(origin)) / tau).astype(np.float32)
        parts.append(np.einsum("t,wtn->wn", weight / weight.sum(), left[:, :origin]))
    return np.concatenate(parts, axis=1)


def origins(bins: int, hidden: int) -> Int[ndarray, " origin"]:
    """Where the past may end in training windows: rolling, and always at the last possible bin."""
    first = max(1, min(bins - hidden, bins // 3))
    return np.unique(np.append(np.arange(bins - hidden, first - 1, -max(1, hidden // 2)), bins - hidden))


def ridge(evidence: Evidence, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """Each following bin has its own weights; training uses rolling origins; penalty by validation."""
    bins, hidden = evidence.test.bins, evidence.hidden_bins
    psth, taus = evidence.psth, TAUS if 2 * len(evidence.mean) <= MOST_FEATURES else TAUS[1:]
    left = residuals(evidence.train, psth)
    at = origins(bins, hidden)
    past = np.concatenate([traces(left, int(o), taus) for o in at])
    future = np.concatenate([left[:, o : o + hidden] for o in at]).reshape(len(past), -1)
    values, vectors = linalg.eigh((past.T @ past).astype(np.float64))
    cross = vectors.T @ (past.T @ future).astype(np.float64)
    choose = evidence.tuning[1]

    def expect(windows: Windows, penalty: float) -> Float[ndarray, "window bin unit"]:
        asked = traces(residuals(windows, psth), bins - hidden, taus) @ vectors
        change = (asked / (np.maximum(values, 0.0) + penalty)) @ cross
        out = np.full(windows.counts.shape, np.nan, np.float32)
        tail = psth[bins - hidden :] + change.reshape(len(windows), hidden, -1)
        out[:, bins - hidden :] = np.maximum(tail, LEAST_EXPECTED)
        return out

    best = max(PENALTIES, key=lambda penalty: _pooled(choose, expect(choose, penalty)))
    return only_scored(expect(evidence.test, best), score, plan, hidden)


def _pooled(windows: Windows, expected: Float[ndarray, "window bin unit"]) -> float:
    total = sums(windows.counts, expected, valid=windows.observed).total()
    return float(unit_scores(total, np.zeros(expected.shape[2])).gained.sum())
