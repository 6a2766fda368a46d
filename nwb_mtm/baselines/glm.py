"""Poisson regression with a log link, for all units in one batched solve."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.baselines.forward import origins, residuals, traces
from nwb_mtm.baselines.linear import LEAST_EXPECTED, Design, best, filled
from nwb_mtm.baselines.plain import Evidence, only_scored
from nwb_mtm.baselines.solve import Weights
from nwb_mtm.passes import Pass, Score
from nwb_mtm.windows import Windows

PENALTIES = (3000.0, 300.0)
STEPS = 6
MOST_SAMPLES = 10_000
LARGEST = 3.0  # log counts are kept within these
FORWARD_TAUS = (3.0, 12.0, 60.0)
FORWARD_PENALTIES = (1000.0, 100.0, 10.0, 1.0)


def glm(design: Design, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """Poisson regression on the smoothed counts of the visible units; penalty by validation."""
    if score == "forward":
        return forward(design.evidence, score, plan)
    return best(design, score, plan, _options(design, plan), _exponential)


def _exponential(activation: ndarray, mean: Float[ndarray, " unit"]) -> ndarray:
    log_mean = np.log(np.maximum(mean, 1e-6)).astype(np.float32)
    return np.asarray(np.maximum(np.exp(np.clip(activation + log_mean, -20.0, LARGEST)), LEAST_EXPECTED))


def _options(design: Design, plan: Sequence[Pass]) -> Iterator[Weights]:
    """Solutions for falling penalties, each started from the one before."""
    features = design.features(design.evidence.train)
    target = filled(design.evidence.train, design.mean).reshape(len(features), -1)
    stride = max(1, len(features) // MOST_SAMPLES)
    features, target = features[::stride], target[::stride]
    weights = np.zeros(design.gram.shape)
    for penalty in PENALTIES:
        weights = _descend(design, features, target, plan, weights, penalty, stride)
        yield weights


def _descend(
    design: Design,
    features: ndarray,
    target: ndarray,
    plan: Sequence[Pass],
    weights: Weights,
    penalty: float,
    stride: int,
) -> Weights:
    """Newton steps with one curvature for all units, shortened unit by unit when they overshoot."""
    rate = np.maximum(design.mean, 1e-6)
    solver = design.solver(plan, penalty)
    length = np.ones(len(rate))
    loss, slope = _objective(features, target, weights, rate, penalty, stride)
    for _ in range(STEPS):
        move = solver.solve(-slope)
        trial = weights + length * move
        new_loss, new_slope = _objective(features, target, trial, rate, penalty, stride)
        better = new_loss <= loss
        weights = np.where(better, trial, weights)
        slope, loss = np.where(better, new_slope, slope), np.where(better, new_loss, loss)
        length = np.where(better, np.minimum(1.0, length * 1.5), length * 0.3)
    return weights


def _objective(
    features: ndarray, target: ndarray, weights: Weights, rate: ndarray, penalty: float, stride: int
) -> tuple[Float[ndarray, " unit"], Float[ndarray, "unit unit"]]:
    """Each unit's penalised loss over its mean rate, and its slope."""
    activation = features @ weights.astype(np.float32)
    log_mean = np.log(rate).astype(np.float32)
    np.clip(activation, -20.0, LARGEST - log_mean, out=activation)
    expected = np.exp(activation + log_mean)
    loss = (expected.sum(axis=0) - np.einsum("sn,sn->n", target, activation)) * stride / rate
    loss = loss + 0.5 * penalty * (weights**2).sum(axis=0)
    slope = (features.T @ (expected - target)).astype(np.float64) * stride / rate + penalty * weights
    return loss, slope


def forward(evidence: Evidence, score: Score, plan: Sequence[Pass]) -> Float[ndarray, "window bin unit"]:
    """Every unit from its own past and the population's, at the hidden bins, over its PSTH."""
    bins, hidden = evidence.test.bins, evidence.hidden_bins
    psth = evidence.psth
    scale = _scales(evidence)
    at = origins(bins, hidden)
    past = np.concatenate([_own_and_all(evidence.train, psth, int(o), scale) for o in at])
    spikes = np.concatenate([_ahead(evidence.train.counts, int(o), hidden) for o in at])
    offset = np.concatenate([_ahead(np.broadcast_to(psth, evidence.train.counts.shape), int(o), hidden) for o in at])
    choose = evidence.tuning[1]
    asked = _own_and_all(choose, psth, bins - hidden, scale)
    tail = _ahead(choose.counts, bins - hidden, hidden)
    base = psth[bins - hidden :].sum(axis=0)

    def cost(weights: ndarray) -> float:
        log_ratio = _ratio(asked, weights)
        return float((base * np.exp(log_ratio) - tail * log_ratio).sum())

    chosen = min((_newton(past, spikes, offset, p) for p in FORWARD_PENALTIES), key=cost)
    ratio = np.exp(_ratio(_own_and_all(evidence.test, psth, bins - hidden, scale), chosen))
    return only_scored(psth[None] * ratio[:, None], score, plan, hidden)


def _scales(evidence: Evidence) -> Float[ndarray, " unit"]:
    """A unit's spread of counts in a bin, if it were Poisson."""
    return np.asarray(np.sqrt(np.maximum(evidence.mean, 1e-6)))


def _own_and_all(windows: Windows, psth: ndarray, origin: int, scale: ndarray) -> Float[ndarray, "sample unit trace"]:
    """Traces of each unit's past and of the population's, and a 1."""
    left = residuals(windows, psth) / scale.astype(np.float32)
    own = traces(left, origin, FORWARD_TAUS).reshape(len(left), len(FORWARD_TAUS), -1)
    everyone = np.broadcast_to(own.mean(axis=2, keepdims=True) * np.sqrt(own.shape[2]), own.shape)
    ones = np.ones((len(left), 1, own.shape[2]))
    return np.moveaxis(np.concatenate([ones, own, everyone], axis=1), 1, 2)


def _ahead(counts: ndarray, origin: int, hidden: int) -> Float[ndarray, "sample unit"]:
    return np.asarray(counts[:, origin : origin + hidden].sum(axis=1, dtype=np.float64))


def _ratio(past: Float[ndarray, "sample unit trace"], weights: Float[ndarray, "unit trace"]) -> ndarray:
    return np.asarray(np.clip(np.einsum("snk,nk->sn", past, weights), -4.0, 3.0))


def _newton(past: ndarray, spikes: ndarray, offset: ndarray, penalty: float) -> Float[ndarray, "unit trace"]:
    """All units' small Poisson regressions together, by damped Newton steps."""
    weights = np.zeros((past.shape[1], past.shape[2]))
    diagonal = penalty * np.eye(past.shape[2])
    diagonal[0, 0] *= 0.1
    for _ in range(10):
        expected = offset * np.exp(_ratio(past, weights))
        slope = np.einsum("snk,sn->nk", past, expected - spikes) + weights @ diagonal
        curve = np.einsum("snk,sn,snl->nkl", past, expected, past, optimize=True) + diagonal
        move = np.linalg.solve(curve, slope[..., None])[..., 0]
        weights = weights - move * np.minimum(1.0, 1.0 / np.maximum(np.abs(move).max(axis=1, keepdims=True), 1e-9))
    return weights
