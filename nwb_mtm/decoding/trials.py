"""Labels of trials from features of windows: fitted on training and validation, scored on test windows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nwb_mtm import splits
from nwb_mtm.decoding.clock import trial_clock
from nwb_mtm.decoding.fit import Basis, choose_penalty, fit_softmax
from nwb_mtm.decoding.folds import FOLDS, apart, consecutive_folds
from nwb_mtm.decoding.metrics import Resamples, auc, confusion, weighted_accuracy, weighted_auc, weighted_balanced
from nwb_mtm.decoding.nulls import (
    LEAST_RUNS,
    LabelNull,
    p_value,
    permuted_labels,
    run_numbers,
    runs_matter,
    same_run,
    whole_runs,
)
from nwb_mtm.decoding.results import CLOCK, LabelDecoding, LabelScore
from nwb_mtm.decoding.targets import Labels

LEAST_TRAIN = 3  # windows of a label in training
LEAST_TEST = 10  # test windows that a permutation test needs


@dataclass(frozen=True, eq=False)
class LabelProblem:
    """Labelled windows in time order, which of them train and test, and the labels as they might have been."""

    labels: Labels
    rows: Int[ndarray, " labelled"]  # windows with a label, in time order
    codes: Int[ndarray, " labelled"]
    fits: Bool[ndarray, " labelled"]
    test: Bool[ndarray, " labelled"]
    fold: Int[ndarray, " labelled"]
    resamples: Resamples
    null: LabelNull | None
    clock: Float[ndarray, "labelled feature"]
    dropped: Mapping[str, int]
    status: str

    @classmethod
    def of(
        cls,
        labels: Labels,
        part: Int[ndarray, " window"],
        start: Float[ndarray, " window"],
        stop: Float[ndarray, " window"],
        *,
        permutations: int = 200,
        draws: int = 1000,
        seed: int = 0,
    ) -> "LabelProblem":
        """Sort windows out: none trains that overlaps a test window; a long run of labels is on one side."""
        rows = np.flatnonzero(labels.known)
        rows = rows[np.argsort(start[rows], kind="stable")]
        codes, test = labels.codes[rows], part[rows] == splits.TEST
        offered = np.isin(part[rows], (splits.TRAIN, splits.VALID))
        fits = offered & apart(start[rows], stop[rows], test)
        dropped = {"overlap": int((offered & ~fits).sum()), "same_run": 0}
        long = runs_matter(codes)
        if long:
            both = int(fits.sum() + test.sum())
            fits, test = whole_runs(codes, fits, test)
            dropped["same_run"] = both - int(fits.sum() + test.sum())
        null = permuted_labels(codes, permutations, np.random.default_rng(seed)) if len(codes) else None
        status = _status(codes, fits, test, null)
        return cls(
            labels=labels,
            rows=rows,
            codes=codes,
            fits=fits,
            test=test,
            fold=_inner_folds(codes, fits, long),
            resamples=Resamples.of(start[rows][test], float(np.max(stop - start)), draws=draws, seed=seed),
            null=null if status == "tested" and permutations else None,
            clock=trial_clock(codes, start[rows], len(labels.classes)) if len(rows) else np.zeros((0, 1)),
            dropped=dropped,
            status=status,
        )

    @property
    def possible(self) -> bool:
        """Whether there is anything to fit and to score."""
        return not self.status.startswith("not decoded")

    def weights(self, codes: Int[ndarray, "labelled permutation"]) -> Float[ndarray, "fit permutation"]:
        """Training weights under permuted labels: a run that reaches into test windows is left out there too.

        Where that would cost a permutation half of the training windows, it keeps them all; its AUC can only gain.
        """
        everything = np.ones((int(self.fits.sum()), codes.shape[1]))
        if not self.dropped["same_run"]:
            return everything
        apart_ = ~np.stack([same_run(column, self.test) for column in codes.T], axis=1)[self.fits]
        return np.where(apart_.mean(axis=0) >= 0.5, apart_, everything)


def _inner_folds(
    codes: Int[ndarray, " labelled"], fits: Bool[ndarray, " labelled"], long: bool
) -> Int[ndarray, " labelled"]:
    """Consecutive folds of the training windows; long runs stay whole."""
    fold = np.full(len(codes), -1)
    numbered = np.unique(run_numbers(codes)[fits], return_inverse=True)[1].reshape(-1) if long else None
    fold[fits] = consecutive_folds(int(fits.sum()), FOLDS, numbered)
    return fold


def _status(
    codes: Int[ndarray, " labelled"],
    fits: Bool[ndarray, " labelled"],
    test: Bool[ndarray, " labelled"],
    null: LabelNull | None,
) -> str:
    if len(np.unique(codes)) < 2:
        return "not decoded: fewer than two labels have enough windows"
    fewest = min(int((codes[fits] == label).sum()) for label in np.unique(codes))
    if fewest < LEAST_TRAIN:
        return f"not decoded: a label has {fewest} training windows, {LEAST_TRAIN} are needed"
    if len(np.unique(codes[test])) < 2:
        return "not decoded: test windows hold one label only"
    if null is not None and null.runs < LEAST_RUNS:
        return f"not tested: {null.runs} runs of equal labels, {LEAST_RUNS} are needed for a permutation test"
    if int(test.sum()) < LEAST_TEST:
        return f"not tested: {int(test.sum())} test windows, {LEAST_TEST} are needed for a permutation test"
    return "tested"


@dataclass(frozen=True, eq=False)
class Decoded:
    """Probabilities of the test windows' labels, and the fit behind them."""

    chance: Float[ndarray, "test label"]
    basis: Basis
    penalty: float
    share: Float[ndarray, " label"]

    @property
    def likeliest(self) -> Int[ndarray, " test"]:
        """The most probable label."""
        return np.asarray(self.chance.argmax(axis=1))

    @property
    def balanced(self) -> Int[ndarray, " test"]:
        """The label that would be most probable if all were equally frequent in training."""
        return np.asarray((self.chance / np.maximum(self.share, 1e-6)).argmax(axis=1))


def fit_labels(problem: LabelProblem, features: Float[ndarray, "labelled feature"]) -> Decoded:
    """Softmax regression; its penalty by cross-validation on training and validation windows."""
    basis = Basis.of(features, problem.fits)
    rows = np.flatnonzero(problem.fits)
    targets = np.eye(len(problem.labels.classes))[problem.codes[rows]]
    penalty = choose_penalty(basis, rows, targets, problem.fold[rows])
    model = fit_softmax(basis, rows, targets[:, None], np.ones((len(rows), 1)), np.array([penalty]))
    chance = model.probabilities(basis.scores[problem.test])[:, 0]
    return Decoded(chance.astype(np.float64), basis, penalty, targets.mean(axis=0))


def null_auc(problem: LabelProblem, decoded: Decoded) -> Float[ndarray, " permutation"]:
    """AUC on test windows with labels permuted in training and test alike.

    The penalty stays the one chosen for the true labels: under the null no penalty is better than another.
    """
    if problem.null is None:
        return np.zeros(0)
    rows, codes = np.flatnonzero(problem.fits), problem.null.codes
    targets = np.eye(len(problem.labels.classes), dtype=np.float32)[codes[rows]]
    count = codes.shape[1]
    weights = np.maximum(problem.weights(codes), 1e-9)
    model = fit_softmax(decoded.basis, rows, targets, weights, np.full(count, decoded.penalty))
    return auc(model.probabilities(decoded.basis.scores[problem.test]), codes[problem.test])


def score_labels(
    problem: LabelProblem, decoded: Decoded, clock: Decoded | None, null: Float[ndarray, " permutation"]
) -> LabelScore:
    """All figures of one kind of features; with too few runs or test windows none is held against the clock."""
    codes, count = problem.codes[problem.test], len(problem.labels.classes)
    draws, once = problem.resamples.weights, np.ones((1, len(codes)))
    right = (decoded.likeliest == codes).astype(float)
    fair = (decoded.balanced == codes).astype(float)
    area, drawn = weighted_auc(decoded.chance, codes, once)[0], weighted_auc(decoded.chance, codes, draws)
    gain = None
    if clock is not None and problem.status == "tested":
        base = weighted_auc(clock.chance, codes, once)[0]
        gain = problem.resamples.value(area - base, drawn - weighted_auc(clock.chance, codes, draws))
    return LabelScore(
        accuracy=problem.resamples.value(float(right.mean()), weighted_accuracy(right, draws)),
        balanced_accuracy=problem.resamples.value(
            float(weighted_balanced(fair, codes, once)[0]), weighted_balanced(fair, codes, draws)
        ),
        auc=problem.resamples.value(float(area), drawn),
        confusion=confusion(codes, decoded.likeliest, count),
        confusion_balanced=confusion(codes, decoded.balanced, count),
        p=p_value(float(area), null, problem.null.floor) if problem.null is not None and len(null) else None,
        gain_over_clock=gain,
    )


def decode_trials(
    features: Mapping[str, Float[ndarray, "window feature"]],
    labels: Labels,
    part: Int[ndarray, " window"],
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    *,
    permutations: int = 200,
    draws: int = 1000,
    seed: int = 0,
    warnings: tuple[str, ...] = (),
) -> tuple[LabelDecoding, LabelProblem]:
    """Decode labels from every kind of features, and from the clock; windows are told apart by `part`."""
    problem = LabelProblem.of(labels, part, start, stop, permutations=permutations, draws=draws, seed=seed)
    scores: dict[str, LabelScore] = {}
    if problem.possible:
        clock = fit_labels(problem, problem.clock)
        for name, table in features.items():
            decoded = fit_labels(problem, table[problem.rows])
            scores[name] = score_labels(problem, decoded, clock, null_auc(problem, decoded))
        scores[CLOCK] = score_labels(problem, clock, None, np.zeros(0))
    return _summary(problem, scores, warnings), problem


def _summary(problem: LabelProblem, scores: Mapping[str, LabelScore], warnings: tuple[str, ...]) -> LabelDecoding:
    labels, tests = problem.labels, problem.codes[problem.test]
    counts = np.bincount(problem.codes[problem.fits], minlength=len(labels.classes))
    test_counts = np.bincount(tests, minlength=len(labels.classes))
    return LabelDecoding(
        name=labels.name,
        classes=labels.classes,
        train={name: int(n) for name, n in zip(labels.classes, counts)},
        test={name: int(n) for name, n in zip(labels.classes, test_counts)},
        majority=float(test_counts[counts.argmax()] / max(len(tests), 1)) if len(counts) else 0.0,
        status=problem.status,
        scores=scores,
        null=problem.null.rule if problem.null is not None else "",
        permutations=problem.null.codes.shape[1] if problem.null is not None else 0,
        p_floor=problem.null.floor if problem.null is not None else None,
        runs=int(run_numbers(problem.codes)[-1]) + 1 if len(problem.codes) else 0,
        missing=labels.missing,
        rare=labels.rare,
        dropped=problem.dropped,
        warnings=warnings,
    )
