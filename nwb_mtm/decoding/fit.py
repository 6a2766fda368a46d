"""The two decoders: softmax regression and ridge, each for many targets and penalties at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray
from scipy.special import expit

PENALTIES = (1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)  # times the mean squared length of a training window
RIDGE_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # times the number of training samples
STEPS = 50  # accelerated steps of the softmax solver
LEAST_SPECTRUM = 1e-6  # directions weaker than this share of the strongest are left out


def centered(
    features: Float[ndarray, "sample feature"], train: Bool[ndarray, " sample"]
) -> Float32[ndarray, "sample feature"]:
    """Minus the mean of the training samples; scales stay, so that busy units count for more."""
    mean = features[train].mean(axis=0, dtype=np.float64).astype(np.float32)
    return np.asarray(features - mean, np.float32)


@dataclass(frozen=True, eq=False)
class Basis:
    """Coordinates in which training features are orthogonal; an L2 penalty means the same in them."""

    scores: Float32[ndarray, "window dim"]
    spectrum: Float[ndarray, " dim"]

    @classmethod
    def of(cls, features: Float[ndarray, "window feature"], train: Bool[ndarray, " window"]) -> "Basis":
        """Rotate by whichever side of the feature matrix is the shorter one."""
        flat = centered(features, train)
        seen = flat[train]
        if flat.shape[1] <= len(seen):
            values, axes = np.linalg.eigh((seen.T @ seen).astype(np.float64))
            strong = values > max(values.max(initial=0.0) * LEAST_SPECTRUM, 1e-12)
            return cls((flat @ axes[:, strong]).astype(np.float32), values[strong])
        values, sides = np.linalg.eigh((seen @ seen.T).astype(np.float64))
        strong = values > max(values.max(initial=0.0) * LEAST_SPECTRUM, 1e-12)
        axes = seen.T @ (sides[:, strong] / np.sqrt(values[strong]))
        return cls((flat @ axes).astype(np.float32), values[strong])

    @property
    def scale(self) -> float:
        """Sum of the spectrum: divided by the number of training windows, their mean squared length."""
        return float(max(self.spectrum.sum(), 1e-12))


@dataclass(frozen=True, eq=False)
class Softmax:
    """Weights of several softmax regressions on the same windows; labels come first, which is quick.

    Of two labels only the first has weights: the second's are their negative, which halves the work.
    """

    weights: Float32[ndarray, "label dim problem"]
    bias: Float32[ndarray, "label 1 problem"]

    def chances(self, scores: Float32[ndarray, "window dim"]) -> Float32[ndarray, "label window problem"]:
        """The probability of every label that has weights."""
        logits = np.matmul(scores, self.weights)
        logits += self.bias
        if len(logits) == 1:
            logits *= np.float32(2.0)
            return np.asarray(expit(logits, out=logits))
        logits -= np.maximum.reduce(logits, axis=0)
        np.exp(logits, out=logits)
        logits /= np.add.reduce(logits, axis=0)
        return np.asarray(logits)

    def probabilities(self, scores: Float32[ndarray, "window dim"]) -> Float32[ndarray, "window problem label"]:
        """The probability of all labels, which come last."""
        first = self.chances(scores)
        every = first if len(first) > 1 else np.concatenate([first, 1.0 - first])
        return np.moveaxis(every, 0, -1)


def fit_softmax(
    basis: Basis,
    rows: Int[ndarray, " row"],
    targets: Float[ndarray, "row problem label"],
    weights: Float[ndarray, "row problem"],
    penalties: Float[ndarray, " problem"],
) -> Softmax:
    """Minimise cross-entropy plus half a penalty on the squared weights, all problems side by side.

    Accelerated steps under Böhning's bound on the curvature (half of the rows' products), which is diagonal here.
    """
    scores, weights = basis.scores[rows], weights.astype(np.float32)
    wanted = np.ascontiguousarray(np.moveaxis(targets, -1, 0), np.float32)
    penalty = penalties.astype(np.float32)
    step = 1.0 / (0.5 * basis.spectrum.astype(np.float32)[:, None] + penalty)
    total = weights.sum(axis=0)
    bias = np.log(np.clip((wanted * weights).sum(axis=1, keepdims=True) / total, 1e-3, None))
    if len(wanted) == 2:
        wanted, bias = wanted[:1], 0.5 * (bias[:1] - bias[1:])
    slope = np.zeros((len(wanted), len(basis.spectrum), len(penalty)), np.float32)
    now = ahead = Softmax(slope, bias)
    pace = 1.0
    for _ in range(STEPS):
        error = ahead.chances(scores)
        error -= wanted
        error *= weights
        pull = np.matmul(scores.T, error) + penalty * ahead.weights
        new = Softmax(ahead.weights - step * pull, ahead.bias - 2.0 / total * error.sum(axis=1, keepdims=True))
        quicker = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        lead = np.float32((pace - 1) / quicker)
        slope, bias = (new.weights - now.weights) * lead, (new.bias - now.bias) * lead
        now, ahead, pace = new, Softmax(new.weights + slope, new.bias + bias), quicker
    return now


def choose_penalty(
    basis: Basis,
    rows: Int[ndarray, " row"],
    targets: Float[ndarray, "row label"],
    fold: Int[ndarray, " row"],
    grid: Sequence[float] = PENALTIES,
) -> float:
    """The penalty with the smallest cross-entropy on folds left out one at a time."""
    penalties = np.asarray(grid) * basis.scale / max(len(rows), 1)
    folds = np.unique(fold)
    if len(folds) < 2:
        return float(penalties[len(penalties) // 2])
    problem_fold, problem_penalty = (a.ravel() for a in np.meshgrid(folds, penalties, indexing="ij"))
    inside = fold[:, None] != problem_fold[None, :]
    repeated = np.repeat(targets[:, None, :], len(problem_fold), axis=1)
    fitted = fit_softmax(basis, rows, repeated, inside.astype(float), problem_penalty)
    chance = np.clip(fitted.probabilities(basis.scores[rows]), 1e-6, 1.0)
    loss = -(np.log(chance) * repeated).sum(axis=-1) * ~inside
    total = loss.sum(axis=0).reshape(len(folds), len(penalties)).sum(axis=0)
    return float(penalties[int(np.argmin(total))])


@dataclass(frozen=True, eq=False)
class Products:
    """Sums of products of features and targets over one set of samples: all that ridge needs."""

    gram: Float[ndarray, "feature feature"]
    cross: Float[ndarray, "feature target"]
    power: Float[ndarray, " target"]
    count: int

    @classmethod
    def of(cls, features: Float[ndarray, "sample feature"], targets: Float[ndarray, "sample target"]) -> "Products":
        """Accumulate in single precision, keep in double."""
        wide = targets.astype(np.float32)
        gram, cross = (features.T @ features).astype(np.float64), (features.T @ wide).astype(np.float64)
        return cls(gram, cross, (wide.astype(np.float64) ** 2).sum(axis=0), len(features))

    def __add__(self, other: "Products") -> "Products":
        return Products(
            self.gram + other.gram, self.cross + other.cross, self.power + other.power, self.count + other.count
        )

    def __sub__(self, other: "Products") -> "Products":
        return Products(
            self.gram - other.gram, self.cross - other.cross, self.power - other.power, self.count - other.count
        )

    def solve(self, penalty: float) -> Float[ndarray, "feature target"]:
        """Ridge weights; the penalty is multiplied by the number of samples."""
        size = len(self.gram)
        return np.asarray(np.linalg.solve(self.gram + max(penalty * self.count, 1e-9) * np.eye(size), self.cross))

    def squared_error(self, weights: Float[ndarray, "feature target"]) -> Float[ndarray, " target"]:
        """What is left of every target's power after subtracting the prediction of these weights."""
        fitted = np.einsum("ft,ft->t", weights, self.gram @ weights - 2 * self.cross)
        return np.asarray(self.power + fitted)


def choose_ridge(folds: Sequence[Products], grid: Sequence[float] = RIDGE_PENALTIES) -> Int[ndarray, " target"]:
    """For every target, the index of the penalty with the smallest squared error on folds left out."""
    if len(folds) < 2:
        return np.full(folds[0].cross.shape[1], len(grid) // 2)
    return np.asarray(left_out_error(folds, grid).argmin(axis=0))


def left_out_error(folds: Sequence[Products], grid: Sequence[float]) -> Float[ndarray, "penalty target"]:
    """Squared error on every fold by what was fitted on the others."""
    whole = folds[0]
    for one in folds[1:]:
        whole = whole + one
    error = np.zeros((len(grid), whole.cross.shape[1]))
    for left in folds:
        rest = whole - left
        for row, penalty in enumerate(grid):
            error[row] += left.squared_error(rest.solve(penalty))
    return error


def fit_ridge(
    folds: Sequence[Products], grid: Sequence[float] = RIDGE_PENALTIES
) -> tuple[Float[ndarray, "feature target"], Float[ndarray, " target"]]:
    """Ridge weights on all folds together, each target with its own penalty, and those penalties."""
    chosen = choose_ridge(folds, grid)
    whole = folds[0]
    for one in folds[1:]:
        whole = whole + one
    weights = np.empty_like(whole.cross)
    for row in np.unique(chosen):
        mine = chosen == row
        weights[:, mine] = whole.solve(grid[row])[:, mine]
    return weights, np.asarray(grid)[chosen]
