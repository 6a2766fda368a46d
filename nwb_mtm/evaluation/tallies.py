"""From expected counts to tables with intervals, gains and a verdict in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm.intervals import Value, block_length, interval, subject_draws
from nwb_mtm.metrics import LN2, STATISTICS, Sums, UnitScores, choose_units, pooled, unit_scores
from nwb_mtm.recording import Units
from nwb_mtm.scores import MeanScore, PerUnit, ScoreSet, Table
from nwb_mtm.vocabulary import mask_groups

MARGIN = 0.005  # bits per spike; a gain certainly below this is no gain
DISCRETE = ("share_positive",)
Draws = Mapping[str, Float[ndarray, " draw"]]


@dataclass(frozen=True, eq=False)
class Tally:
    """One predictor's sums, and the resamples of windows that all predictors of a score share."""

    sums: Sums
    train_mean: Float[ndarray, " unit"]
    weights: Float[ndarray, "draw window"]

    @cached_property
    def point(self) -> UnitScores:
        """Scores over all windows, as one row."""
        return unit_scores(self.sums.total(), self.train_mean)

    @cached_property
    def drawn(self) -> UnitScores:
        """Scores of every resample, each with its own null."""
        return unit_scores(self.sums.weighted(self.weights), self.train_mean)

    @property
    def blocks(self) -> int:
        """How many blocks of windows are resampled."""
        windows = self.weights.shape[1]
        return math.ceil(windows / block_length(windows)) if windows else 0

    def draws(self, chosen: Bool[ndarray, " unit"]) -> Draws:
        """Every statistic of every resample."""
        part = choose_units(self.drawn, chosen)
        return {name: statistic(part) for name, statistic in STATISTICS.items()}

    def table(self, chosen: Bool[ndarray, " unit"]) -> Table:
        """One row of scores over the chosen units."""
        point, drawn = choose_units(self.point, chosen), self.draws(chosen)
        entries = self.sums.entries.sum(axis=0)[chosen] > 0
        live = np.isfinite(point.bps[0])
        values = {
            name: interval(float(f(point)[0]), drawn[name], units=self.blocks, recentre=name not in DISCRETE)
            for name, f in STATISTICS.items()
        }
        values["share_positive"] = _half_a_unit_wider(values["share_positive"], int(live.sum()))
        return Table(**values, units=int(live.sum()), silent=int((entries & ~live).sum()))

    def per_unit(self) -> PerUnit:
        """Scores of every unit."""
        spikes = np.where(self.sums.entries.sum(axis=0) > 0, self.point.spikes[0], np.nan)
        rows = (self.point.bps[0], self.point.bps_train_null[0], self.point.d2[0], spikes)
        return PerUnit(*(tuple(float(v) for v in row) for row in rows))


def _half_a_unit_wider(share: Value, units: int) -> Value:
    """A share of few units moves in steps; its interval reaches half a step further, as its expectation may."""
    if not math.isfinite(share.low):
        return share
    step = 0.5 / max(1, units)
    return Value(share.value, max(0.0, share.low - step), min(1.0, share.high + step))


def score_set(tally: Tally, units: Units) -> ScoreSet:
    """Tables over the headline's units, over all, and over each region that is large enough."""
    group, names = mask_groups(units.regions)
    regions = {name: tally.table(group == row) for row, name in enumerate(names)}
    every = tally.table(np.ones(len(units), bool))
    scored = every if units.scored.all() else tally.table(units.scored)
    return ScoreSet(scored, every, tally.per_unit(), regions)


def gain_draws(one: Tally, other: Tally, chosen: Bool[ndarray, " unit"]) -> Float[ndarray, " draw"]:
    """Pooled bits per spike that one predictor has over another, in every resample (the null cancels)."""
    difference = (other.sums.loss - one.sums.loss)[:, chosen].sum(axis=1)
    spikes = one.sums.spikes[:, chosen].sum(axis=1)
    total = one.weights @ spikes
    return np.where(total > 0, one.weights @ difference / (LN2 * np.maximum(total, 1e-12)), np.nan)


def gain(one: Tally, other: Tally, chosen: Bool[ndarray, " unit"]) -> Value:
    """Pooled bits per spike that one predictor has over another, with a paired interval."""
    spikes = float(one.sums.spikes[:, chosen].sum())
    if spikes <= 0:
        return Value(math.nan)
    value = float((other.sums.loss - one.sums.loss)[:, chosen].sum()) / (LN2 * spikes)
    return interval(value, gain_draws(one, other, chosen), units=one.blocks)


def best_of(tallies: Mapping[str, Tally], names: Sequence[str], chosen: Bool[ndarray, " unit"]) -> str:
    """The named predictor with the highest pooled score; chosen on the test windows, against the model."""
    known = [name for name in names if name in tallies]
    values = {name: float(pooled(choose_units(tallies[name].point, chosen))[0]) for name in known}
    finite = [name for name in known if math.isfinite(values[name])]
    return max(finite, key=lambda name: values[name]) if finite else ""


def verdict(value: Value) -> str:
    """What a gain's interval says.

    >>> verdict(Value(0.1, 0.05, 0.2)), verdict(Value(0.0, -0.1, 0.001)), verdict(Value(0.1, -0.05, 0.2))
    ('better', 'no better', 'cannot tell')
    """
    if not math.isfinite(value.value):
        return "not scored"
    if not math.isfinite(value.low):
        return "cannot tell"
    if value.low > 0:
        return "better"
    return "no better" if value.high <= MARGIN else "cannot tell"


def windows_to_tell(value: Value, windows: int) -> int | None:
    """Test windows that would settle a gain of this size, four times in five; None when it is settled.

    >>> windows_to_tell(Value(0.1, -0.1, 0.3), 60)
    490
    """
    if verdict(value) != "cannot tell" or not math.isfinite(value.low):
        return None
    error = (value.high - value.low) / (2 * 1.96)
    effect = max(abs(value.value), MARGIN)
    return max(windows + 1, math.ceil(windows * ((1.96 + 0.84) * error / effect) ** 2))


def smallest_gain(spikes: float, overdispersion: float = 1.0) -> float:
    """The smallest gain in bits per spike that so many test spikes can show, with 80 % power.

    A predictor that gains g nats a spike has log-ratios of variance about 2 g, so the sum over n spikes has a
    standard error of sqrt(2 g / n) a spike; g is found where it is 2.8 of them above 0.

    >>> round(smallest_gain(10_000), 5)
    0.00226
    """
    return 2.0 * (1.96 + 0.84) ** 2 * overdispersion / (LN2 * max(spikes, 1.0))


@dataclass(frozen=True, eq=False)
class SessionDraws:
    """What one session gives to a mean over sessions."""

    subject: str
    table: Table
    draws: Draws


def mean_table(sessions: Sequence[SessionDraws], *, seed: int) -> Table:
    """Unweighted mean over sessions; the interval resamples subjects, their sessions, and windows within."""
    if len(sessions) == 1:
        return sessions[0].table
    values = {name: mean_value(_column(sessions, name), seed=seed) for name in STATISTICS}
    units, silent = (sum(getattr(s.table, name) for s in sessions) for name in ("units", "silent"))
    return Table(**values, units=units, silent=silent)


Entry = tuple[str, Value, Float[ndarray, " draw"]]  # subject, value, draws


def _column(sessions: Sequence[SessionDraws], name: str) -> list[Entry]:
    return [(s.subject, getattr(s.table, name), s.draws[name]) for s in sessions]


def mean_value(entries: Sequence[Entry], *, seed: int) -> Value:
    """Mean of a number over sessions, with its hierarchical interval; sessions without one are left out."""
    known = [e for e in entries if math.isfinite(e[1].value)]
    if not known:
        return Value(math.nan)
    if len(known) == 1:
        return known[0][1]
    subjects = [subject for subject, _, _ in known]
    drawn = np.stack([np.where(np.isfinite(d), d, v.value) for _, v, d in known], axis=1)
    weights = subject_draws(subjects, draws=len(drawn), seed=seed)
    means = (weights * drawn).sum(axis=1) / weights.sum(axis=1)
    number = len(set(subjects)) if len(set(subjects)) > 1 else len(known)
    return interval(float(np.mean([v.value for _, v, _ in known])), means, units=number, recentre=False)


def mean_score(
    models: Sequence[SessionDraws],
    baselines: Mapping[str, Sequence[SessionDraws]],
    gains: Sequence[Entry],
    *,
    seed: int,
) -> MeanScore:
    """One score over sessions."""
    tables = {name: mean_table(rows, seed=seed) for name, rows in baselines.items() if rows}
    everyone = models or max(baselines.values(), key=len, default=())
    return MeanScore(
        model=mean_table(models, seed=seed) if models else None,
        baselines=tables,
        gain=mean_value(gains, seed=seed),
        sessions=len(everyone),
        subjects=len({s.subject for s in everyone}),
    )
