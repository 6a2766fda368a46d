"""The four activity scores of one session: model, baselines and truth under the same masks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm.baselines.linear import Design
from nwb_mtm.baselines.plain import BLIND, Evidence
from nwb_mtm.baselines.rivals import NAMES, RIVALS, rivals_of
from nwb_mtm.evaluation.memory import Memory
from nwb_mtm.evaluation.tallies import (
    Entry,
    SessionDraws,
    Tally,
    best_of,
    gain,
    gain_draws,
    score_set,
    verdict,
    windows_to_tell,
)
from nwb_mtm.intervals import Value, block_draws
from nwb_mtm.metrics import DRAWS, Sums, sums
from nwb_mtm.passes import SCORES, Pass, Score, companions, mask_regions, passes
from nwb_mtm.scores import Activity
from nwb_mtm.vocabulary import mask_groups
from nwb_mtm.windows import Windows

LEADING = ("model", "ridge")  # whose expectations are kept for more than the tables


@runtime_checkable
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


@runtime_checkable
class LooksAhead(Protocol):
    """A predictor that can be asked for any number of bins at the end of a window, from what came before."""

    def predict_ahead(self, windows: Windows, *, ahead: int) -> Float[ndarray, "window bin unit"]: ...


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
    expected: Mapping[str, Float[ndarray, "window bin unit"]] = field(default_factory=dict)  # of leading ones, if made
    chosen: Bool[ndarray, " unit"] = field(default_factory=lambda: np.zeros(0, bool))
    regions: tuple[str, ...] = ()  # of every unit
    guarded: Mapping[str, Tally] = field(default_factory=dict)

    def draws(self, name: str, subject: str) -> SessionDraws | None:
        """What one predictor gives to a mean over sessions."""
        if name not in self.tallies:
            return None
        tally = self.tallies[name]
        return SessionDraws(subject, tally.table(self.chosen), tally.draws(self.chosen))

    def region_draws(self, name: str, subject: str) -> dict[str, SessionDraws]:
        """What one predictor gives to means of single regions."""
        if name not in self.tallies:
            return {}
        tally, (group, names) = self.tallies[name], mask_groups(self.regions)
        rows = {region: group == row for row, region in enumerate(names)}
        return {region: SessionDraws(subject, tally.table(r), tally.draws(r)) for region, r in rows.items()}

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
    memory: Memory = field(default_factory=Memory)  # of what no model changes

    @classmethod
    def of(
        cls,
        evidence: Evidence,
        options: Options,
        predictor: Predictor | None,
        oracle: Predictor | None = None,
        memory: Memory | None = None,
    ) -> "Bench":
        """Test windows in time order, and blocks of them to resample."""
        ordered = replace(evidence, test=evidence.test.take(np.argsort(evidence.test.start, kind="stable")))
        weights = block_draws(len(ordered.test), draws=options.draws, seed=options.seed)
        return cls(Design(ordered), options, predictor, oracle, weights, Memory() if memory is None else memory)

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
        return self.tallied(self.sums(expected))

    def sums(self, expected: Float[ndarray, "window bin unit"]) -> Sums:
        """Sums over the scored bins of every test window."""
        return sums(self.test.counts, expected, valid=self.test.observed)

    def tallied(self, found: Sums) -> Tally:
        """Sums beside the null and the resamples."""
        return Tally(found, self.evidence.mean, self.weights)

    def remembered(self, name: str, make: Callable[[], Float[ndarray, "window bin unit"]]) -> Tally:
        """The tally of expectations that no model changes; made only when their sums are not known."""
        return self.tallied(self.memory.sums(name, lambda: self.sums(make())))

    def expect(
        self, predictor: Predictor, score: Score, hide_with: Bool[ndarray, "unit unit"] | None = None
    ) -> Float[ndarray, "window bin unit"]:
        """A predictor's expectations in the test windows; units that nothing visible could tell are left out."""
        options = self.options
        expected = predictor.predict(
            self.test, score=score, folds=options.folds, hide_with=hide_with, strict=options.strict
        )
        known = [step.targets for step in self.plan(score, hide_with)]
        scored = np.zeros(expected.shape[2], bool)
        scored[np.concatenate([np.zeros(0, np.int64), *known])] = True
        return np.where(scored, expected, np.float32(np.nan))

    def plan(self, score: Score, hide_with: ndarray | None = None) -> tuple[Pass, ...]:
        """The passes of one score that leave something visible."""
        options = self.options
        plan = passes(self.test.units, score, folds=options.folds, hide_with=hide_with, strict=options.strict)
        return tuple(step for step in plan if score == "forward" or len(step.visible))


def score_activity(bench: Bench, score: Score) -> Scored:
    """One score of one session, or the reason why there is none."""
    plan = bench.plan(score)
    if not plan:
        return Scored(score, Activity(None, {}, notes=(_why_not(bench.test, score),)))
    kept = _asked(bench, score)
    tallies = {name: bench.tally(values) for name, values in kept.items()}
    if len(bench.evidence.train):
        for name in rivals_of(score, bench.options.baselines, conditions=bench.options.conditions):
            tallies[name] = bench.remembered(f"{score}/{name}", _rival(bench, score, plan, name, kept))
    kept = {name: kept[name] for name in LEADING if name in kept}
    chosen = np.asarray(bench.test.units.scored, bool)
    return Scored(score, summary(bench, score, tallies), tallies, kept, chosen, bench.test.units.regions)


def summary(bench: Bench, score: Score, tallies: Mapping[str, Tally]) -> Activity:
    """One score from everyone's sums: tables, the gain and what it says."""
    chosen = np.asarray(bench.test.units.scored, bool)
    units = bench.test.units
    sets = {name: score_set(tally, units) for name, tally in tallies.items()}
    against = best_of(tallies, BLIND, chosen)
    gained = Value(float("nan"))
    if "model" in tallies and against:
        gained = gain(tallies["model"], tallies[against], chosen)
    return Activity(
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


def _asked(bench: Bench, score: Score) -> dict[str, Float[ndarray, "window bin unit"]]:
    """What the model expects of the hidden entries, and the truth."""
    found: dict[str, ndarray] = {}
    if bench.predictor is not None:
        found["model"] = bench.expect(bench.predictor, score)
    if bench.oracle is not None:
        found["oracle"] = bench.expect(bench.oracle, score)
    return found


def _rival(
    bench: Bench, score: Score, plan: tuple[Pass, ...], name: str, kept: dict[str, ndarray]
) -> Callable[[], Float[ndarray, "window bin unit"]]:
    """How a baseline's expectations are made, when they have to be."""

    def make() -> ndarray:
        expected = RIVALS[name](bench.design, score, plan)
        if name in LEADING:
            kept[name] = expected
        return expected

    return make


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
