"""Scores of several models over all of the time: each window by the model that has not seen it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.baselines.linear import Design
from nwb_mtm.baselines.oracle import Truth
from nwb_mtm.baselines.plain import Evidence
from nwb_mtm.errors import RunError
from nwb_mtm.evaluation.activity import Bench, Options, Scored, summary
from nwb_mtm.evaluation.extras import by_class
from nwb_mtm.evaluation.finding import Finding
from nwb_mtm.evaluation.guarded import guarded_gain
from nwb_mtm.evaluation.scoring import (
    Knows,
    assembled,
    evaluate_session,
    part_counts,
    respect_training,
    unit_columns,
)
from nwb_mtm.evaluation.seen import Trained
from nwb_mtm.evaluation.tallies import Tally, score_set
from nwb_mtm.intervals import block_draws
from nwb_mtm.metrics import LN2, Sums, UnitScores, constant_loss, unit_scores
from nwb_mtm.passes import Score
from nwb_mtm.recording import Recording
from nwb_mtm.scores import Check, Scores, SessionScores
from nwb_mtm.sources.store import Store
from nwb_mtm.splits import DROPPED, TEST
from nwb_mtm.windows import Windows

POOLED = "every window by the model that was not trained on it"
Found = tuple[SessionScores, Mapping[Score, Scored]]


@dataclass(frozen=True, eq=False)
class PooledTally(Tally):
    """Sums over the windows of several models, each beside the training mean of its own model."""

    null: Float[ndarray, "window unit"] = field(default_factory=lambda: np.zeros((0, 0)))  # that mean's loss

    @cached_property
    def point(self) -> UnitScores:
        """Scores over all windows, as one row."""
        return self._scores(self.sums.total(), self.null.sum(axis=0, keepdims=True))

    @cached_property
    def drawn(self) -> UnitScores:
        """Scores of every resample, each with its own null."""
        return self._scores(self.sums.weighted(self.weights), self.weights @ self.null)

    def _scores(self, total: Sums, null: ndarray) -> UnitScores:
        found = unit_scores(total, self.train_mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            honest = (null - total.loss) / (LN2 * total.spikes)
        return replace(found, bps_train_null=np.where(total.spikes <= 0, np.nan, honest))


def evaluate_folds(
    predictors: Sequence[Knows],
    folds: Sequence[Sequence[Windows]],
    *,
    options: Options | None = None,
    truths: Mapping[str, Truth] | None = None,
    recordings: Mapping[str, Recording] | None = None,
    store: Store | None = None,
) -> tuple[Scores, tuple[Scores, ...]]:
    """Scores of all models together, and of each; `folds` holds the same sessions split as each model was."""
    chosen, known, true = options or Options(), recordings or {}, truths or {}
    parts = parts_of_folds(predictors, folds)
    found = {
        key: find_folds(predictors, one, chosen, truth=true.get(key), recording=known.get(key), store=store)
        for key, one in parts.items()
    }
    return assembled_folds(found, parts, chosen, [one.trained for one in predictors], known)


def parts_of_folds(predictors: Sequence[Knows], folds: Sequence[Sequence[Windows]]) -> dict[str, tuple[Windows, ...]]:
    """Every session as each model's training took it; no window may be tested twice."""
    parts = [
        {one.session: respect_training(one, predictor.trained) for one in windows}
        for predictor, windows in zip(predictors, folds)
    ]
    found = {key: tuple(sessions[key] for sessions in parts) for key in parts[0]}
    _refuse_windows_tested_twice(found)
    return found


def find_folds(
    predictors: Sequence[Knows],
    parts: Sequence[Windows],
    options: Options,
    *,
    truth: Truth | None = None,
    recording: Recording | None = None,
    store: Store | None = None,
) -> tuple[Finding, ...]:
    """What is found in one session: by all models together, then by each."""
    each = [
        evaluate_session(predictor, one, options, truth=truth, recording=recording, store=store)
        for predictor, one in zip(predictors, parts)
    ]
    pooled = _session(each, parts, _tested(parts), options)
    return tuple(Finding.of(*one) for one in (pooled, *each))


def assembled_folds(
    found: Mapping[str, Sequence[Finding]],
    parts: Mapping[str, Sequence[Windows]],
    options: Options,
    trained: Sequence[Trained],
    recordings: Mapping[str, Recording],
) -> tuple[Scores, tuple[Scores, ...]]:
    """The scores of all models together, and of each, from what was found in every session."""
    each = tuple(
        assembled(
            {key: one[number + 1] for key, one in found.items()},
            {key: one[number] for key, one in parts.items()},
            options,
            model,
            recordings,
        )
        for number, model in enumerate(trained)
    )
    tested = {key: _tested(one) for key, one in parts.items()}
    pooled = {key: one[0] for key, one in found.items()}
    everyone = Trained({}, trained[0].fingerprints, trained[0].name)
    scores = assembled(pooled, tested, options, everyone, recordings)
    split = f"{each[0].split}, {len(each)} rotations"
    protocol = {**scores.protocol, "split": split, "models": len(each), "pooled": POOLED}
    return replace(scores, split=split, protocol=protocol, checks=_checks(scores, each)), each


def _refuse_windows_tested_twice(parts: Mapping[str, Sequence[Windows]]) -> None:
    for key, each in parts.items():
        times = np.sum([one.part == TEST for one in each], axis=0)
        if (times > 1).any():
            raise RunError(
                f"{int((times > 1).sum())} windows of {key} are test windows of several models, so their scores cannot "
                "be pooled.",
                kind="does_not_fit",
            )


def _tested(parts: Sequence[Windows]) -> Windows:
    """All windows; those that are a test window of some model are for testing."""
    tested = np.any([one.part == TEST for one in parts], axis=0)
    return replace(parts[0], part=np.where(tested, TEST, DROPPED).astype(np.int8))


def _session(found: Sequence[Found], parts: Sequence[Windows], tested: Windows, options: Options) -> Found:
    """One session over all models."""
    start = np.concatenate([np.sort(one.only("test").start) for one in parts])
    order = np.argsort(start, kind="stable")
    first, empty = parts[0], parts[0].take(np.zeros(0, np.int64))
    test = tested.only("test")
    test = test.take(np.argsort(test.start, kind="stable"))
    evidence = Evidence(first.only("train"), empty, test, options.conditions)
    weights = block_draws(len(order), draws=options.draws, seed=options.seed)
    bench = Bench(Design(evidence), options, None, None, weights)
    scored = {score: _pool(bench, [one[score] for _, one in found], order) for score in found[0][1]}
    guards = max((session.guards for session, _ in found), key=lambda g: len(g.get("pairs", ())))
    counts = [part_counts(one) for one in parts]
    means = {name: round(np.mean([one[name] for one in counts])) for name in ("train", "valid")}
    session = replace(
        found[0][0],
        units=unit_columns(tested),
        scores={score: one.activity for score, one in scored.items()},
        windows={**part_counts(tested), **means},
        guards=guards,
    )
    return session, scored


def _pool(bench: Bench, parts: Sequence[Scored], order: ndarray) -> Scored:
    first = parts[0]
    if not all(part.tallies for part in parts):
        return next(part for part in parts if not part.tallies)
    tallies = _tallies([part.tallies for part in parts], order, bench.weights)
    guarded = _tallies([part.guarded for part in parts], order, bench.weights)
    activity = summary(bench, first.score, tallies)
    extra: dict[str, object] = {}
    scored = replace(first, activity=activity, tallies=tallies, guarded=guarded, expected={})
    if bench.options.by:
        extra["by"] = {column: by_class(bench, scored, column) for column in bench.options.by}
    extra |= guarded_gain(scored)
    sets = {name: score_set(tally, bench.test.units) for name, tally in guarded.items()}
    notes = (*activity.notes, "R2s, curves and distances stand with the scores of every model")
    return replace(scored, activity=replace(activity, extra=extra, guarded=sets, notes=notes))


def _tallies(parts: Sequence[Mapping[str, Tally]], order: ndarray, weights: ndarray) -> dict[str, Tally]:
    """What all models have, one after the other in time."""
    names = [name for name in parts[0] if all(name in one for one in parts)]
    return {name: _joined([one[name] for one in parts], order, weights) for name in names}


def _joined(parts: Sequence[Tally], order: ndarray, weights: ndarray) -> PooledTally:
    fields = ("loss", "spikes", "entries", "saturated", "error", "squares")
    sums = Sums(*(np.concatenate([getattr(one.sums, name) for one in parts])[order] for name in fields))
    null = [constant_loss(one.sums.spikes, one.sums.entries, one.train_mean) for one in parts]
    mean = np.mean([one.train_mean for one in parts], axis=0)
    return PooledTally(sums, mean, weights, np.concatenate(null)[order])


def _checks(pooled: Scores, each: Sequence[Scores]) -> tuple[Check, ...]:
    """The checks of all models together; whether test time is unseen is asked of each."""
    unseen = [next(c for c in one.checks if c.name == "unseen test time") for one in each]
    worst = next((check for check in unseen if check.status != "pass"), unseen[0])
    return tuple(worst if check.name == worst.name else check for check in pooled.checks)
