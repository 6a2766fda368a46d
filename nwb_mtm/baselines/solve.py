"""One regularised inverse, many masks: regressions without some of the inputs, by small corrections."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nwb_mtm.passes import Pass

Weights = Float[ndarray, "unit unit"]  # from visible units to targets; 0 from what is hidden
Spectrum = tuple[Float[ndarray, " unit"], Float[ndarray, "unit unit"]]


@dataclass(frozen=True, eq=False)
class _Step:
    """One pass inside a group: what is hidden beyond what the whole group hides."""

    away: Int[ndarray, " away"]
    columns: slice
    block: Float[ndarray, "away away"]  # inverse of the inverse's own block


@dataclass(frozen=True, eq=False)
class _Group:
    """Passes that hide much in common, on the inputs that at least one of them sees."""

    kept: Int[ndarray, " kept"]
    targets: Int[ndarray, " target"]
    inverse: Float[ndarray, "kept kept"]
    steps: tuple[_Step, ...]

    def solve(self, cross: Float[ndarray, "unit unit"]) -> Float[ndarray, "kept target"]:
        """Weights of every target, without what its pass hides."""
        right = cross[np.ix_(self.kept, self.targets)]
        for step in self.steps:
            right[step.away, step.columns] = 0.0
        full = self.inverse @ right
        for step in self.steps:
            part = full[:, step.columns]
            part -= self.inverse[:, step.away] @ (step.block @ part[step.away])
            part[step.away] = 0.0
        return np.asarray(full)


@dataclass(frozen=True, eq=False)
class Solver:
    """Weights for any right-hand side, each target without the inputs its pass hides.

    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> gram, one = x.T @ x, Pass(np.array([True, False, False]), np.array([0]))
    >>> w = Solver.of(gram, np.linalg.eigh(gram), 0.5, [one]).solve(gram)
    >>> bool(np.allclose(w[1:, 0], np.linalg.solve(gram[1:, 1:] + 0.5 * np.eye(2), gram[1:, 0]))), float(w[0, 0])
    (True, 0.0)
    """

    groups: tuple[_Group, ...]
    units: int

    @classmethod
    def of(
        cls, gram: Float[ndarray, "unit unit"], spectrum: Spectrum, penalty: float, plan: Sequence[Pass]
    ) -> "Solver":
        """Inverses for every group of passes (one region's, or all)."""
        regions = dict.fromkeys(step.region for step in plan)
        members = [[step for step in plan if step.region == region] for region in regions]
        return cls(tuple(_group(gram, spectrum, penalty, passes) for passes in members), len(gram))

    def solve(self, cross: Float[ndarray, "unit unit"]) -> Weights:
        """Weights from every unit to every target."""
        weights = np.zeros((self.units, self.units))
        for group in self.groups:
            weights[np.ix_(group.kept, group.targets)] = group.solve(cross)
        return weights


def _group(gram: ndarray, spectrum: Spectrum, penalty: float, passes: Sequence[Pass]) -> _Group:
    kept = np.flatnonzero(~np.all([step.hidden for step in passes], axis=0))
    if len(kept) == len(gram):
        values, vectors = spectrum
        inverse = np.asarray((vectors / (values + penalty)) @ vectors.T, np.float64)
    else:
        inverse = np.asarray(np.linalg.inv(gram[np.ix_(kept, kept)] + penalty * np.eye(len(kept))), np.float64)
    steps, first = [], 0
    for step in passes:
        away = np.flatnonzero(step.hidden[kept])
        columns = slice(first, first + len(step.targets))
        steps.append(_Step(away, columns, np.linalg.inv(inverse[np.ix_(away, away)])))
        first = columns.stop
    targets = np.concatenate([step.targets for step in passes])
    return _Group(kept, targets, inverse, tuple(steps))
