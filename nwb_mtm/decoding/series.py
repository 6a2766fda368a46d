"""Continuous series from features of bins: in all, and beyond what the trial average and the clock tell."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray

from nwb_mtm.decoding.fit import centered, fit_ridge
from nwb_mtm.decoding.lags import choose_lag, lagged
from nwb_mtm.decoding.metrics import SeriesSums
from nwb_mtm.decoding.nulls import p_value
from nwb_mtm.decoding.problem import SeriesProblem, products_of
from nwb_mtm.decoding.results import CLOCK, SeriesDecoding, SeriesScore
from nwb_mtm.intervals import Value


def decode_series(
    features: Mapping[str, Float[ndarray, "window bin feature"]],
    name: str,
    values: Float[ndarray, "window bin dim"],
    valid: Bool[ndarray, "window bin"],
    part: Int[ndarray, " window"],
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    *,
    permutations: int = 200,
    draws: int = 1000,
    seed: int = 0,
    warnings: tuple[str, ...] = (),
) -> tuple[SeriesDecoding, SeriesProblem]:
    """Decode a series from every kind of features, and from the clock."""
    problem = SeriesProblem.of(values, valid, part, start, stop, permutations=permutations, draws=draws, seed=seed)
    scores: dict[str, SeriesScore] = {}
    if problem.possible:
        for kind, table in features.items():
            ordered = table[problem.rows]
            scores[kind] = score_series(problem, ordered, lag=choose_lag(problem, ordered))
        scores[CLOCK] = _clock_score(problem)
    return _summary(name, problem, scores, warnings), problem


@dataclass(frozen=True, eq=False)
class DecodedSeries:
    """Ridge weights for a series, its rests after average and clock, and what they say of the test windows."""

    table: Float32[ndarray, "window bin feature"]  # without a lag
    decoded: Float[ndarray, "test bin target"]
    penalty: float  # of what the clock leaves
    lag: int  # bins


def score_series(
    problem: SeriesProblem, features: Float[ndarray, "window bin feature"], *, lag: int = 0
) -> SeriesScore:
    """Fit on training and validation windows, score on test windows, compare with shifted series."""
    fitted = fit_series(problem, features, lag=lag)
    shares = shift_shares(problem, fitted)
    return replace(
        describe(problem, fitted), p=p_value(shares[0], shares[1:], 1 / len(shares)) if len(shares) else None
    )


def fit_series(
    problem: SeriesProblem, features: Float[ndarray, "window bin feature"], *, lag: int = 0
) -> DecodedSeries:
    """Ridge regression from activity so many bins earlier, each target with its own penalty."""
    table, targets = _flat_centered(lagged(features, lag), problem), problem.targets
    parts = [problem.valid & (problem.fold == f)[:, None] for f in range(problem.fold.max() + 1)]
    weights, penalties = fit_ridge([products_of(table, targets, part) for part in parts])
    decoded = table[problem.test].astype(np.float64) @ weights
    penalty = float(np.median(penalties[2 * problem.values.shape[2] :]))
    return DecodedSeries(_flat_centered(features, problem) if lag else table, decoded, penalty, lag)


def describe(problem: SeriesProblem, fitted: DecodedSeries) -> SeriesScore:
    """All figures of one kind of features; what cannot be tested is not held against the clock."""
    targets, dims = problem.targets, problem.values.shape[2]
    parts = [slice(k * dims, (k + 1) * dims) for k in range(3)]
    valid = problem.valid[problem.test]
    whole, average, clock = (SeriesSums.of(targets[problem.test][..., p], fitted.decoded[..., p], valid) for p in parts)
    draws, once = problem.resamples.weights, np.ones((1, int(problem.test.sum())))
    base, value = _clock_sums(problem), problem.resamples.value
    gained = value(float((whole.r2(once) - base.r2(once))[0]), whole.r2(draws) - base.r2(draws))
    return SeriesScore(
        r2=value(float(whole.r2(once)[0]), whole.r2(draws)),
        r2_after_average=value(float(average.r2_from_zero(once)[0]), average.r2_from_zero(draws)),
        r2_after_clock=value(float(clock.r2_from_zero(once)[0]), clock.r2_from_zero(draws)),
        correlation=value(float(whole.correlation(once)[0]), whole.correlation(draws)),
        gain_over_clock=gained if problem.status == "tested" else None,
        lag=round(fitted.lag * problem.bin_size, 9),
    )


def _flat_centered(
    features: Float[ndarray, "window bin feature"], problem: SeriesProblem
) -> Float32[ndarray, "window bin feature"]:
    seen = problem.valid & problem.fits[:, None]
    flat = features.reshape(-1, features.shape[2])
    return centered(flat, seen.reshape(-1)).reshape(features.shape)


def shift_shares(problem: SeriesProblem, fitted: DecodedSeries) -> Float[ndarray, " shift"]:
    """What is decoded of what the clock leaves, under the true alignment (first) and under shifts by whole windows.

    All are fitted at the same penalty and without a lag, so that nothing is chosen for the true alignment alone; bins
    without a sample count as zero.
    """
    if not len(problem.shifts):
        return np.zeros(0)
    dims = problem.values.shape[2]
    left = problem.targets[..., 2 * dims :]
    moved = np.concatenate([np.roll(left, int(s), axis=0) for s in (0, *problem.shifts)], axis=-1)
    everywhere = np.ones(problem.valid.shape, bool)
    train = products_of(fitted.table, moved, everywhere & problem.fits[:, None])
    test = products_of(fitted.table, moved, everywhere & problem.test[:, None])
    error = test.squared_error(train.solve(fitted.penalty)).reshape(-1, dims)
    return np.asarray((1 - error / np.maximum(test.power.reshape(-1, dims), 1e-12)).mean(axis=1))


def _clock_sums(problem: SeriesProblem) -> SeriesSums:
    return SeriesSums.of(problem.values[problem.test], problem.clock[problem.test], problem.valid[problem.test])


def _clock_score(problem: SeriesProblem) -> SeriesScore:
    """The clock's own figures: nothing is left after itself."""
    base = _clock_sums(problem)
    left = SeriesSums.of(
        (problem.values - problem.average)[problem.test],
        (problem.clock - problem.average)[problem.test],
        problem.valid[problem.test],
    )
    draws, once = problem.resamples.weights, np.ones((1, int(problem.test.sum())))
    value = problem.resamples.value
    return SeriesScore(
        r2=value(float(base.r2(once)[0]), base.r2(draws)),
        r2_after_average=value(float(left.r2_from_zero(once)[0]), left.r2_from_zero(draws)),
        r2_after_clock=Value(0.0, 0.0, 0.0),
        correlation=value(float(base.correlation(once)[0]), base.correlation(draws)),
    )


def _summary(
    name: str, problem: SeriesProblem, scores: Mapping[str, SeriesScore], warnings: tuple[str, ...]
) -> SeriesDecoding:
    shifts = len(problem.shifts)
    return SeriesDecoding(
        name=name,
        dims=problem.values.shape[2],
        train=int(problem.fits.sum()),
        test=int(problem.test.sum()),
        coverage=float(problem.valid[problem.test].mean()) if problem.test.any() else 0.0,
        status=problem.status,
        scores=scores,
        null=f"cyclic shifts by {problem.shifts.min()} to {problem.shifts.max()} windows" if shifts else "",
        permutations=shifts,
        p_floor=1 / (shifts + 1) if shifts else None,
        dropped={"overlap": problem.dropped},
        warnings=warnings,
    )
