"""Continuous series from features of bins: in all, and beyond what the trial average and the clock tell."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray

from nwb_mtm import splits
from nwb_mtm.decoding.clock import series_clock
from nwb_mtm.decoding.fit import Products, centered, fit_ridge
from nwb_mtm.decoding.folds import FOLDS, apart, consecutive_folds
from nwb_mtm.decoding.metrics import Resamples, SeriesSums
from nwb_mtm.decoding.nulls import LEAST_RUNS, memory, p_value, window_shifts
from nwb_mtm.decoding.results import CLOCK, SeriesDecoding, SeriesScore
from nwb_mtm.intervals import Value

LEAST_BINS = 200  # valid bins in training


@dataclass(frozen=True, eq=False)
class SeriesProblem:
    """A series in windows in time order, its clock, and which windows train and test."""

    rows: Int[ndarray, " window"]
    values: Float[ndarray, "window bin dim"]  # centred on training
    valid: Bool[ndarray, "window bin"]
    fits: Bool[ndarray, " window"]
    test: Bool[ndarray, " window"]
    fold: Int[ndarray, " window"]
    average: Float[ndarray, "window bin dim"]  # what the training trial average says
    clock: Float[ndarray, "window bin dim"]  # what average and session time say
    resamples: Resamples
    shifts: Int[ndarray, " shift"]
    dropped: int
    status: str

    @classmethod
    def of(
        cls,
        values: Float[ndarray, "window bin dim"],
        valid: Bool[ndarray, "window bin"],
        part: Int[ndarray, " window"],
        start: Float[ndarray, " window"],
        stop: Float[ndarray, " window"],
        *,
        permutations: int = 200,
        draws: int = 1000,
        seed: int = 0,
    ) -> "SeriesProblem":
        """Fit average and clock on training windows; choose the shifts that make the null."""
        rows = np.flatnonzero(valid.any(axis=1))
        rows = rows[np.argsort(start[rows], kind="stable")]
        known, held = valid[rows], part[rows]
        test = held == splits.TEST
        offered = np.isin(held, (splits.TRAIN, splits.VALID))
        fits = offered & apart(start[rows], stop[rows], test)
        series = np.where(known[..., None], values[rows], 0.0).astype(np.float64)
        fold = np.full(len(rows), -1)
        fold[fits] = consecutive_folds(int(fits.sum()), FOLDS)
        status = _status(known, fits, test)
        if status == "tested":
            series = np.where(known[..., None], series - series[fits][known[fits]].mean(axis=0), 0.0)
            average, clock = _average(series, known, fits), _clock(series, known, fits, fold, start[rows])
        else:
            average, clock = np.zeros_like(series), np.zeros_like(series)
        shifts = _shifts(np.where(known[..., None], series - clock, 0.0), permutations)
        if status == "tested" and not len(shifts):
            status = "not tested: the series is slow, fewer than 8 stretches of the session are independent"
        return cls(
            rows=rows,
            values=series,
            valid=known,
            fits=fits,
            test=test,
            fold=fold,
            average=average,
            clock=clock,
            resamples=Resamples.of(start[rows][test], float(np.max(stop - start)), draws=draws, seed=seed),
            shifts=shifts,
            dropped=int((offered & ~fits).sum()),
            status=status,
        )

    @property
    def possible(self) -> bool:
        """Whether there is anything to fit and to score."""
        return not self.status.startswith("not decoded")

    @property
    def targets(self) -> Float[ndarray, "window bin target"]:
        """The series, what the average leaves of it, and what the clock leaves; zero where not measured."""
        left = [self.values, self.values - self.average, self.values - self.clock]
        return np.where(self.valid[..., None], np.concatenate(left, axis=-1), 0.0)


def _status(known: Bool[ndarray, "window bin"], fits: Bool[ndarray, " window"], test: Bool[ndarray, " window"]) -> str:
    bins = int(known[fits].sum())
    if bins < LEAST_BINS:
        return f"not decoded: {bins} training bins hold a sample, {LEAST_BINS} are needed"
    if not known[test].any():
        return "not decoded: no test window holds a sample; draw another split with --split"
    return "tested"


def _average(
    series: Float[ndarray, "window bin dim"], known: Bool[ndarray, "window bin"], fits: Bool[ndarray, " window"]
) -> Float[ndarray, "window bin dim"]:
    seen = known[fits].sum(axis=0)[:, None]
    mean = series[fits].sum(axis=0) / np.maximum(seen, 1)
    return np.broadcast_to(mean, series.shape)


def _clock(
    series: Float[ndarray, "window bin dim"],
    known: Bool[ndarray, "window bin"],
    fits: Bool[ndarray, " window"],
    fold: Int[ndarray, " window"],
    start: Float[ndarray, " window"],
) -> Float[ndarray, "window bin dim"]:
    features = series_clock(start, series.shape[1])
    folds = [_products(features, series, known & (fold == f)[:, None]) for f in np.unique(fold[fits])]
    weights, _ = fit_ridge(folds)
    return np.asarray(features @ weights)


def _products(
    features: Float32[ndarray, "window bin feature"],
    targets: Float[ndarray, "window bin target"],
    chosen: Bool[ndarray, "window bin"],
) -> Products:
    return Products.of(features[chosen], targets[chosen])


def _shifts(residuals: Float[ndarray, "window bin dim"], count: int) -> Int[ndarray, " shift"]:
    windows = len(residuals)
    if windows < LEAST_RUNS or not count:
        return np.zeros(0, np.int64)
    least = memory(residuals, windows // LEAST_RUNS)
    if least > windows // LEAST_RUNS:
        return np.zeros(0, np.int64)
    return window_shifts(windows, least, count)


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
            scores[kind] = score_series(problem, table[problem.rows])
        scores[CLOCK] = _clock_score(problem)
    return _summary(name, problem, scores, warnings), problem


def score_series(problem: SeriesProblem, features: Float[ndarray, "window bin feature"]) -> SeriesScore:
    """Fit on training and validation windows, score on test windows, compare with shifted series."""
    table = _flat_centered(features, problem)
    targets, dims = problem.targets, problem.values.shape[2]
    folds = [
        _products(table, targets, problem.valid & (problem.fold == f)[:, None]) for f in range(problem.fold.max() + 1)
    ]
    weights, penalties = fit_ridge(folds)
    decoded = table[problem.test].astype(np.float64) @ weights
    parts = [slice(k * dims, (k + 1) * dims) for k in range(3)]
    valid = problem.valid[problem.test]
    whole, average, clock = (SeriesSums.of(targets[problem.test][..., p], decoded[..., p], valid) for p in parts)
    draws, once = problem.resamples.weights, np.ones((1, int(problem.test.sum())))
    base = _clock_sums(problem)
    value = problem.resamples.value
    left = float(clock.r2_from_zero(once)[0])
    return SeriesScore(
        r2=value(float(whole.r2(once)[0]), whole.r2(draws)),
        r2_after_average=value(float(average.r2_from_zero(once)[0]), average.r2_from_zero(draws)),
        r2_after_clock=value(left, clock.r2_from_zero(draws)),
        correlation=value(float(whole.correlation(once)[0]), whole.correlation(draws)),
        p=_shift_p(problem, table, folds, float(np.median(penalties[parts[2]]))),
        gain_over_clock=value(float((whole.r2(once) - base.r2(once))[0]), whole.r2(draws) - base.r2(draws)),
    )


def _flat_centered(
    features: Float[ndarray, "window bin feature"], problem: SeriesProblem
) -> Float32[ndarray, "window bin feature"]:
    seen = problem.valid & problem.fits[:, None]
    flat = features.reshape(-1, features.shape[2])
    return centered(flat, seen.reshape(-1)).reshape(features.shape)


def _shift_p(
    problem: SeriesProblem, table: Float32[ndarray, "window bin feature"], folds: list[Products], penalty: float
) -> float | None:
    """Where the true alignment ranks among shifts by whole windows, of what the clock leaves.

    All shifts, and the true alignment, are fitted at the same penalty; bins without a sample count as zero.
    """
    if not len(problem.shifts):
        return None
    dims = problem.values.shape[2]
    left = problem.targets[..., 2 * dims :]
    moved = np.concatenate([np.roll(left, int(s), axis=0) for s in (0, *problem.shifts)], axis=-1)
    everywhere = np.ones(problem.valid.shape, bool)
    train = _products(table, moved, everywhere & problem.fits[:, None])
    test = _products(table, moved, everywhere & problem.test[:, None])
    error = test.squared_error(train.solve(penalty)).reshape(-1, dims)
    share = (1 - error / np.maximum(test.power.reshape(-1, dims), 1e-12)).mean(axis=1)
    return p_value(float(share[0]), share[1:], 1 / len(share))


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
