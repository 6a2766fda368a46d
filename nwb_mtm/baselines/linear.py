"""Linear baselines that see other units: population coupling, ridge and reduced-rank regression.

All masks share one Gram matrix and one inverse of it: the solution without a set of units follows from the
inverse of the whole by a small solve, so that leaving out every unit in turn costs little more than one regression.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import linalg
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.baselines import forward
from nwb_mtm.baselines.plain import Evidence, only_scored
from nwb_mtm.baselines.solve import Solver, Weights
from nwb_mtm.metrics import sums, unit_scores
from nwb_mtm.passes import Pass, Score
from nwb_mtm.windows import Windows

PENALTIES = (100.0, 300.0, 1000.0, 3000.0, 10000.0, 30000.0)
RANKS = (1, 2, 4, 8, 16)
SIGMA = 1.5  # bins
LEAST_EXPECTED = 1e-3


def filled(windows: Windows, mean: Float[ndarray, " unit"]) -> Float[ndarray, "window bin unit"]:
    """Counts, with each unit's mean where nothing was observed."""
    counts = windows.counts.astype(np.float32)
    return counts if windows.observed is None else np.where(windows.observed, counts, mean).astype(np.float32)


def smoothed(counts: Float[ndarray, "window bin unit"]) -> Float[ndarray, "window bin unit"]:
    """Counts smoothed along the window, its ends reflected."""
    return np.asarray(gaussian_filter1d(counts, SIGMA, axis=1, mode="reflect"), np.float32)


@dataclass(frozen=True, eq=False)
class Design:
    """Smoothed, centred counts of training windows and what regressions share."""

    evidence: Evidence

    @cached_property
    def mean(self) -> Float[ndarray, " unit"]:
        """Mean count of every unit in training windows, silent or not."""
        return np.asarray(filled(self.evidence.train, self.evidence.mean).mean(axis=(0, 1), dtype=np.float64))

    @cached_property
    def center(self) -> Float[ndarray, " unit"]:
        """Mean of the smoothed counts in training windows."""
        return np.asarray(smoothed(filled(self.evidence.train, self.mean)).mean(axis=(0, 1), dtype=np.float64))

    def features(self, windows: Windows) -> Float[ndarray, "sample unit"]:
        """Smoothed counts less their training means."""
        values = smoothed(filled(windows, self.mean)) - self.center.astype(np.float32)
        return values.reshape(-1, values.shape[2])

    @cached_property
    def _products(self) -> tuple[ndarray, ndarray]:
        features = self.features(self.evidence.train)
        target = filled(self.evidence.train, self.mean) - self.mean.astype(np.float32)
        flat = target.reshape(-1, target.shape[2])
        return (features.T @ features).astype(np.float64), (features.T @ flat).astype(np.float64)

    @property
    def gram(self) -> Float[ndarray, "unit unit"]:
        """Products of features with features."""
        return self._products[0]

    @property
    def cross(self) -> Float[ndarray, "unit unit"]:
        """Products of features with the counts they predict."""
        return self._products[1]

    @cached_property
    def spectrum(self) -> tuple[Float[ndarray, " unit"], Float[ndarray, "unit unit"]]:
        """Eigenvalues and eigenvectors of the Gram matrix, from which every penalty's inverse follows."""
        values, vectors = linalg.eigh(self.gram)
        return np.maximum(values, 0.0), vectors

    def solver(self, plan: Sequence[Pass], penalty: float) -> Solver:
        """Regression under the masks of every pass."""
        return Solver.of(self.gram, self.spectrum, penalty, plan)

    @cached_property
    def valid_features(self) -> Float[ndarray, "sample unit"]:
        """Features of the windows on which penalties are chosen."""
        return self.features(self.evidence.tuning[1])

    @cached_property
    def test_features(self) -> Float[ndarray, "sample unit"]:
        """Features of test windows."""
        return self.features(self.evidence.test)


def mean_score(windows: Windows, expected: Float[ndarray, "window bin unit"]) -> float:
    """Published mean of bits per spike, by which penalties are chosen."""
    total = sums(windows.counts, expected, valid=windows.observed).total()
    scores = unit_scores(total, np.zeros(expected.shape[2])).bps[0]
    return float(np.mean(scores[np.isfinite(scores)])) if np.isfinite(scores).any() else -np.inf


def ridge(design: Design, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """Ridge regression on smoothed counts of the visible units; the penalty is chosen by validation."""
    if score == "forward":
        return forward.ridge(design.evidence, score, plan)
    options = (design.solver(plan, p).solve(design.cross) for p in PENALTIES)
    return best(design, score, plan, options, _linear)


Link = Callable[[ndarray, Float[ndarray, " unit"]], ndarray]


def _linear(activation: ndarray, mean: Float[ndarray, " unit"]) -> ndarray:
    return np.asarray(np.maximum(activation + mean.astype(np.float32), LEAST_EXPECTED))


def expect(features: ndarray, weights: Weights, mean: ndarray, windows: Windows, link: Link) -> ndarray:
    return link(features @ weights.astype(np.float32), mean).reshape(windows.counts.shape)


def best(
    design: Design, score: Score, plan: Sequence[Pass], options: Iterable[Weights], link: Link
) -> Float[ndarray, "window bin unit"]:
    """Expectations in test windows under the weights that do best in validation windows."""
    choose = design.evidence.tuning[1]
    top, chosen = -np.inf, None
    for weights in options:
        expected = expect(design.valid_features, weights, design.mean, choose, link)
        value = mean_score(choose, only_scored(expected, score, plan, 0))
        if chosen is None or value > top:
            top, chosen = value, weights
    assert chosen is not None
    expected = expect(design.test_features, chosen, design.mean, design.evidence.test, link)
    return only_scored(expected, score, plan, 0)


def reduced_rank(design: Design, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """Ridge regression whose targets in one pass share a few latents; rank and penalty by validation."""
    return best(design, score, plan, _low_rank_options(design, plan), _linear)


def _low_rank_options(design: Design, plan: Sequence[Pass]) -> Iterator[Weights]:
    for penalty in PENALTIES[1::2]:
        full = design.solver(plan, penalty).solve(design.cross)
        axes = [_fitted_axes(design.gram, full, step) for step in plan]
        for rank in RANKS:
            yield _project(full, plan, axes, rank)


def _fitted_axes(gram: ndarray, weights: Weights, step: Pass) -> Float[ndarray, "target target"]:
    """Principal axes of a pass's fitted values, the largest first."""
    part = weights[np.ix_(step.visible, step.targets)]
    return np.asarray(linalg.eigh(part.T @ gram[np.ix_(step.visible, step.visible)] @ part)[1][:, ::-1])


def _project(full: Weights, plan: Sequence[Pass], axes: Sequence[ndarray], rank: int) -> Weights:
    out = np.zeros_like(full)
    for step, axis in zip(plan, axes):
        few = axis[:, :rank]
        out[:, step.targets] = full[:, step.targets] @ few @ few.T
    return out


def coupling(design: Design, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """One coefficient for every unit: its dependence on the summed activity of the visible units."""
    options = (_coupled(design, plan, penalty) for penalty in PENALTIES)
    return best(design, score, plan, options, _linear)


def _coupled(design: Design, plan: Sequence[Pass], penalty: float) -> Weights:
    out = np.zeros_like(design.cross)
    for step in plan:
        seen = (~step.hidden).astype(np.float64)
        reach = seen @ design.gram @ seen + penalty
        out[:, step.targets] = np.outer(seen, seen @ design.cross[:, step.targets] / reach)
    return out
