"""A series in windows, what trial average and clock say of it, and the shifts that make its null."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray

from nwb_mtm import splits
from nwb_mtm.decoding.clock import series_clock
from nwb_mtm.decoding.fit import Products, fit_ridge
from nwb_mtm.decoding.folds import FOLDS, apart, consecutive_folds
from nwb_mtm.decoding.metrics import Resamples
from nwb_mtm.decoding.nulls import LEAST_RUNS, memory, window_shifts

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
    bin_size: float

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
            bin_size=float(np.max(stop - start)) / values.shape[1],
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
    folds = [products_of(features, series, known & (fold == f)[:, None]) for f in np.unique(fold[fits])]
    weights, _ = fit_ridge(folds)
    return np.asarray(features @ weights)


def products_of(
    features: Float32[ndarray, "window bin feature"],
    targets: Float[ndarray, "window bin target"],
    chosen: Bool[ndarray, "window bin"],
) -> Products:
    """Products over the chosen bins."""
    return Products.of(features[chosen], targets[chosen])


def _shifts(residuals: Float[ndarray, "window bin dim"], count: int) -> Int[ndarray, " shift"]:
    windows = len(residuals)
    if windows < LEAST_RUNS or not count:
        return np.zeros(0, np.int64)
    least = memory(residuals, windows // LEAST_RUNS)
    if least > windows // LEAST_RUNS:
        return np.zeros(0, np.int64)
    return window_shifts(windows, least, count)
