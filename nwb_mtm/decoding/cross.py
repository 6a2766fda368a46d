"""Decoding every window by a decoder that was not fitted on it, for what is written into files."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray

from nwb_mtm.decoding.features import SMOOTH, TrialFeatures, series_features
from nwb_mtm.decoding.fit import Basis, Products, centered, choose_penalty, fit_ridge, fit_softmax
from nwb_mtm.decoding.folds import FOLDS, apart, consecutive_folds, session_folds
from nwb_mtm.decoding.nulls import run_numbers, runs_matter
from nwb_mtm.decoding.targets import Labels, labels_of, targets_for
from nwb_mtm.threads import threads_for
from nwb_mtm.windows import Windows

LEAST_TRAIN = 10  # windows a decoder is fitted on


@dataclass(frozen=True, eq=False)
class CrossLabels:
    """The label decoded for every window, by the fold that left it out; -1 where there was none."""

    name: str
    classes: tuple[str, ...]
    codes: Int[ndarray, " window"]
    chance: Float[ndarray, "window label"]  # NaN where not decoded
    fold: Int[ndarray, " window"]
    true: Int[ndarray, " window"]

    @property
    def accuracy(self) -> float:
        """Share of windows with a label that were decoded rightly."""
        known = (self.true >= 0) & (self.codes >= 0)
        return float((self.true == self.codes)[known].mean()) if known.any() else float("nan")


@dataclass(frozen=True, eq=False)
class CrossSeries:
    """A series decoded in every bin by the fold that left the window out; NaN where there was none."""

    name: str
    values: Float[ndarray, "window bin dim"]
    fold: Int[ndarray, " window"]
    valid: Bool[ndarray, "window bin"]  # bins in which the true series is known
    true: Float[ndarray, "window bin dim"]

    @property
    def r2(self) -> float:
        """Variance explained over the bins both are known in, mean over dimensions."""
        known = self.valid & np.isfinite(self.values).all(axis=2)
        y, p = self.true[known].astype(np.float64), self.values[known].astype(np.float64)
        total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
        return float((1 - ((y - p) ** 2).sum(axis=0) / np.maximum(total, 1e-12)).mean()) if len(y) else float("nan")


def cross_fit(
    windows: Windows,
    activity: Shaped[ndarray, "window bin feature"],
    target: str,
    *,
    counts: bool = True,
    folds: int = FOLDS,
) -> CrossLabels | CrossSeries:
    """Decode a trial column or a behaviour series out of fold; `activity` is counts (or rates, latents) of all windows.

    `counts=False` says that the activity is smooth and may be negative (latents).
    """
    if windows.trials is not None and target in windows.trials.columns:
        how = TrialFeatures(root=counts)
        table, labels = how.of(activity, windows.bin_size), labels_of(windows, target)
        with threads_for():
            return cross_fit_labels(table, labels, windows.start, windows.stop, folds=folds)
    series = windows.behaviors[target]
    everything = np.arange(len(windows))
    with threads_for(activity.shape[2]):
        columns = series_features(activity, windows.bin_size, everything, smooth=SMOOTH if counts else 0.0)
        return cross_fit_series(
            columns, target, targets_for(series), series.valid, windows.start, windows.stop, folds=folds
        )


def decode_left_out(
    windows: Windows,
    activity: Shaped[ndarray, "window bin feature"],
    target: str,
    *,
    fits: Bool[ndarray, " window"],
    left: Bool[ndarray, " window"],
    counts: bool = True,
) -> Float[ndarray, "left ..."] | None:
    """Decode some windows by one decoder fitted on others: chances of labels, or a series; None without enough."""
    if windows.trials is not None and target in windows.trials.columns:
        labels = labels_of(windows, target)
        known = fits & labels.known
        if known.sum() < LEAST_TRAIN or len(np.unique(labels.codes[known])) < 2:
            return None
        table = TrialFeatures(root=counts).of(activity, windows.bin_size)
        return np.asarray(_label_chances(table, labels, known, windows.start)[left])
    series = windows.behaviors[target]
    known = fits & series.valid.any(axis=1)
    if known.sum() < LEAST_TRAIN:
        return None
    columns = series_features(activity, windows.bin_size, np.arange(len(windows)), smooth=SMOOTH if counts else 0.0)
    return _series_values(columns, targets_for(series), series.valid, known, windows.start, left)


def cross_fit_labels(
    features: Float[ndarray, "window feature"],
    labels: Labels,
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    *,
    folds: int = FOLDS,
) -> CrossLabels:
    """Leave out stretches of time one after the other, with all windows that overlap them.

    Windows without a label are decoded too, by the fold of their time.
    """
    long = labels.known.any() and runs_matter(labels.codes[labels.known][np.argsort(start[labels.known])])
    fold = session_folds(start, folds, _runs(labels, start) if long else None)
    chance = np.full((len(start), len(labels.classes)), np.nan)
    for one in np.unique(fold):
        left = fold == one
        fits = apart(start, stop, left) & labels.known
        if fits.sum() >= LEAST_TRAIN and len(np.unique(labels.codes[fits])) > 1:
            chance[left] = _label_chances(features, labels, fits, start)[left]
    codes = np.where(np.isfinite(chance).all(axis=1), np.nan_to_num(chance).argmax(axis=1), -1)
    return CrossLabels(labels.name, labels.classes, codes, chance, fold, labels.codes)


def _runs(labels: Labels, start: Float[ndarray, " window"]) -> Int[ndarray, " window"]:
    """Runs of labels; a window without a label belongs to the run before it."""
    order = np.argsort(start, kind="stable")
    codes = labels.codes[order]
    last = np.maximum.accumulate(np.where(codes >= 0, np.arange(len(codes)), 0))
    out = np.empty(len(codes), np.int64)
    out[order] = run_numbers(codes[last])
    return out


def _label_chances(
    features: Float[ndarray, "window feature"], labels: Labels, fits: Bool[ndarray, " window"], start: ndarray
) -> Float[ndarray, "window label"]:
    basis, rows = Basis.of(features, fits), np.flatnonzero(fits)
    rows = rows[np.argsort(start[rows], kind="stable")]
    targets = np.eye(len(labels.classes))[labels.codes[rows]]
    penalty = choose_penalty(basis, rows, targets, consecutive_folds(len(rows)))
    model = fit_softmax(basis, rows, targets[:, None], np.ones((len(rows), 1)), np.array([penalty]))
    return model.probabilities(basis.scores)[:, 0].astype(np.float64)


def cross_fit_series(
    features: Float[ndarray, "window bin feature"],
    name: str,
    values: Float[ndarray, "window bin dim"],
    valid: Bool[ndarray, "window bin"],
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    *,
    folds: int = FOLDS,
) -> CrossSeries:
    """Leave out stretches of time one after the other; bins without a sample are decoded, but never fitted."""
    fold = session_folds(start, folds)
    decoded = np.full((*features.shape[:2], values.shape[2]), np.nan, np.float32)
    for one in np.unique(fold):
        left = fold == one
        fits = apart(start, stop, left) & valid.any(axis=1)
        if fits.sum() >= LEAST_TRAIN:
            decoded[left] = _series_values(features, values, valid, fits, start, left)
    return CrossSeries(name, decoded, fold, valid, values)


def _series_values(
    features: Float[ndarray, "window bin feature"],
    values: Float[ndarray, "window bin dim"],
    valid: Bool[ndarray, "window bin"],
    fits: Bool[ndarray, " window"],
    start: Float[ndarray, " window"],
    left: Bool[ndarray, " window"],
) -> Float[ndarray, "left bin dim"]:
    chosen = valid & fits[:, None]
    mean = values[chosen].mean(axis=0, dtype=np.float64)
    width = features.shape[2]
    table = centered(features.reshape(-1, width), chosen.reshape(-1)).reshape(features.shape)
    inner = np.full(len(start), -1)
    rows = np.flatnonzero(fits)
    inner[rows[np.argsort(start[rows], kind="stable")]] = consecutive_folds(len(rows))
    parts = [chosen & (inner == f)[:, None] for f in np.unique(inner[fits])]
    weights, _ = fit_ridge([Products.of(table[part], values[part] - mean) for part in parts])
    return np.asarray(table[left] @ weights + mean, np.float32)
