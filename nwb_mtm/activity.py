"""The four activity scores of one session: model, baselines and truth under the same masks."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm.baselines import BLIND, Evidence
from nwb_mtm.baselines_linear import Design
from nwb_mtm.intervals import Value, block_draws
from nwb_mtm.metrics import DRAWS, sums
from nwb_mtm.passes import SCORES, Pass, Score, companions, mask_regions, passes
from nwb_mtm.rivals import NAMES, RIVALS, rivals_of
from nwb_mtm.scores import Activity
from nwb_mtm.tallies import Entry, SessionDraws, Tally, best_of, gain, gain_draws, score_set, verdict, windows_to_tell
from nwb_mtm.windows import Windows


class Predictor(Protocol):
    """Anything that can be asked for expected counts where a score hides them, and NaN elsewhere."""

    def predict(
        self,
        windows: Windows,
        *,
        score: Score,
        folds: int | None = 10,
        hide_with: Bool[ndarray, "unit unit"] | None = None,
        strict: bool = True,
    ) -> Float[ndarray, "window bin unit"]: ...


@dataclass(frozen=True)
class Options:
    """What is scored, and how."""

    scores: tuple[Score, ...] = SCORES
    baselines: tuple[str, ...] = NAMES
    folds: int | None = 10  # None leaves out one unit at a time
    strict: bool = True
    conditions: tuple[str, ...] = ()  # trial columns whose combinations are conditions
    by: tuple[str, ...] = ()  # trial columns whose classes are scored one by one
    guarded: bool = True
    horizons: tuple[float, ...] = (0.02, 0.04, 0.1, 0.2)  # seconds; forward as a curve
    variants: bool = True
    draws: int = DRAWS
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Scored:
    """An activity score with the tallies behind it, which means over sessions need."""

    score: Score
    activity: Activity
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    chosen: Bool[ndarray, " unit"] = field(default_factory=lambda: np.zeros(0, bool))

    def draws(self, name: str, subject: str) -> SessionDraws | None:
        """What one predictor gives to a mean over sessions."""
        if name not in self.tallies:
            return None
        tally = self.tallies[name]
        return SessionDraws(subject, tally.table(self.chosen), tally.draws(self.chosen))

    def gain_entry(self, subject: str) -> Entry | None:
        """What the headline gives to a mean over sessions."""
        if "model" not in self.tallies or not self.activity.against:
            return None
        against = self.tallies[self.activity.against]
        return subject, self.activity.gain, gain_draws(self.tallies["model"], against, self.chosen)


@dataclass(frozen=True, eq=False)
class Bench:
    """One session laid out for scoring: evidence, predictors, options, and the resamples all of them share."""

    design: Design
    options: Options
    predictor: Predictor | None = None
    oracle: Predictor | None = None
    weights: Float[ndarray, "draw window"] = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def of(
        cls, evidence: Evidence, options: Options, predictor: Predictor | None, oracle: Predictor | None = None
    ) -> "Bench":
        """Test windows in time order, and blocks of them to resample."""
        ordered = replace(evidence, test=evidence.test.take(np.argsort(evidence.test.start, kind="stable")))
        weights = block_draws(len(ordered.test), draws=options.draws, seed=options.seed)
        return cls(Design(ordered), options, predictor, oracle, weights)

    @property
    def evidence(self) -> Evidence:
        """Training, validation and test windows."""
        return self.design.evidence

    @property
    def test(self) -> Windows:
        """The windows that are scored."""
        return self.design.evidence.test

    def tally(self, expected: Float[ndarray, "window bin unit"]) -> Tally:
        """Sums over the scored bins of the test windows."""
        found = sums(self.test.counts, expected, valid=self.test.observed)
        return Tally(found, self.evidence.mean, self.weights)

    def ask(self, predictor: Predictor, score: Score, hide_with: ndarray | None = None) -> ndarray:
        """A predictor's expectations in the test windows."""
        options = self.options
        return predictor.predict(
            self.test, score=score, folds=options.folds, hide_with=hide_with, strict=options.strict
        )

    def plan(self, score: Score, hide_with: ndarray | None = None) -> tuple[Pass, ...]:
        """The passes of one score."""
        options = self.options
        return passes(self.test.units, score, folds=options.folds, hide_with=hide_with, strict=options.strict)


def score_activity(bench: Bench, score: Score) -> Scored:
    """One score of one session, or the reason why there is none."""
    plan = tuple(step for step in bench.plan(score) if score == "forward" or len(step.visible))
    if not plan:
        return Scored(score, Activity(None, {}, notes=(_why_not(bench.test, score),)))
    tallies = _tallies(bench, score, plan)
    chosen = np.asarray(bench.test.units.scored, bool)
    units = bench.test.units
    sets = {name: score_set(tally, units) for name, tally in tallies.items()}
    against = best_of(tallies, BLIND, chosen)
    gained = Value(float("nan"))
    if "model" in tallies and against:
        gained = gain(tallies["model"], tallies[against], chosen)
    activity = Activity(
        model=sets.pop("model", None),
        oracle=sets.pop("oracle", None),
        baselines=sets,
        gain=gained,
        against=against,
        verdict=verdict(gained),
        windows=len(bench.test),
        windows_to_tell=windows_to_tell(gained, len(bench.test)),
        notes=_notes(bench, score, tallies),
    )
    return Scored(score, activity, tallies, chosen)


def _tallies(bench: Bench, score: Score, plan: tuple[Pass, ...]) -> dict[str, Tally]:
    options = bench.options
    found: dict[str, Tally] = {}
    if bench.predictor is not None:
        found["model"] = bench.tally(bench.ask(bench.predictor, score))
    if bench.oracle is not None:
        found["oracle"] = bench.tally(bench.ask(bench.oracle, score))
    if len(bench.evidence.train):
        for name in rivals_of(score, options.baselines, conditions=options.conditions):
            found[name] = bench.tally(RIVALS[name](bench.design, score, plan))
    return found


def _why_not(windows: Windows, score: Score) -> str:
    regions = mask_regions(windows.units)
    if score == "co-smoothing":
        return f"not scored: {len(windows.units)} unit(s), and two or more are needed"
    if len(regions) and score == "inter-region":
        return f"not scored: nothing stays visible when {regions[0]} is hidden"
    return "not scored: no region has enough units (10 of 100 or more, 5 of fewer)"


def _notes(bench: Bench, score: Score, tallies: Mapping[str, Tally]) -> tuple[str, ...]:
    said = []
    any_tally = next(iter(tallies.values()), None)
    if any_tally is not None:
        entries = any_tally.sums.entries.sum(axis=0) > 0
        silent = int((entries & (any_tally.sums.spikes.sum(axis=0) == 0)).sum())
        if silent:
            said.append(f"{silent} of {int(entries.sum())} units have no spike in what is scored, and are in no mean")
    if not len(bench.evidence.train):
        said.append("no training windows: no baselines, and the train-mean null is not meaningful")
    if score in ("inter-region", "intra-region"):
        said.extend(_region_notes(bench, score))
    return tuple(said)


def _region_notes(bench: Bench, score: Score) -> list[str]:
    units = bench.test.units
    names = mask_regions(units)
    outside = sum(region not in names for region in units.regions)
    said = (
        [f"{outside} units in no region of their own (unknown, too few, or not grey) are not scored"] if outside else []
    )
    if score == "inter-region" and bench.options.strict:
        for name in names:
            away = {kind: len(rows) for kind, rows in companions(units, name).items() if len(rows)}
            if away:
                said.append(f"with {name} are hidden {' and '.join(f'{n} {kind}' for kind, n in away.items())}")
    return said
