"""What decoding found: frozen, and the same in Python as under `decoding` in scores.json."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nwb_mtm.intervals import Value, value_json

CLOCK, COUNTS, RATES, LATENTS = "clock", "counts", "rates", "latents"
NO_TRIALS = ("Columns of another table are decoded when windows are cut around its events: --align TABLE.COLUMN.",)
OWN = (RATES, LATENTS, COUNTS)  # whose figure stands first: the model's when there is one


def verdict(gain: Value | None) -> str:
    """Whether activity tells more than the clock, in words.

    >>> verdict(Value(0.2, 0.1, 0.3)), verdict(Value(0.2, -0.1, 0.3)), verdict(Value(-0.2, -0.3, -0.1))
    ('better than the clock', 'not shown to beat the clock', 'no better than the clock')
    """
    if gain is None or not np.isfinite(gain.low):
        return ""
    if gain.low > 0:
        return "better than the clock"
    return "no better than the clock" if gain.high <= 0 else "not shown to beat the clock"


@dataclass(frozen=True)
class LabelScore:
    """How well one kind of features tells the labels of test windows."""

    accuracy: Value  # of the likeliest label
    balanced_accuracy: Value  # of the label likeliest if all were equally frequent
    auc: Value  # each label against the rest
    confusion: tuple[tuple[int, ...], ...]  # true by decoded, the likeliest label
    confusion_balanced: tuple[tuple[int, ...], ...]
    p: float | None = None  # of the AUC among permuted labels; over all regions, for one of them
    gain_over_clock: Value | None = None  # in AUC, paired
    units: int | None = None

    @property
    def headline(self) -> Value:
        """The figure that stands first."""
        return self.balanced_accuracy

    def figures(self) -> dict[str, Value]:
        """Every figure that has an interval."""
        named = {"accuracy": self.accuracy, "balanced_accuracy": self.balanced_accuracy, "auc": self.auc}
        return named if self.gain_over_clock is None else {**named, "auc_gain_over_clock": self.gain_over_clock}

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            **{name: value_json(value) for name, value in self.figures().items()},
            "confusion": [list(row) for row in self.confusion],
            "confusion_balanced": [list(row) for row in self.confusion_balanced],
            "p": self.p,
            "units": self.units,
            "verdict": verdict(self.gain_over_clock),
        }


@dataclass(frozen=True)
class SeriesScore:
    """How well one kind of features tells a series on test windows (means over its dimensions)."""

    r2: Value  # around the mean of the test bins, as published
    r2_after_average: Value  # of what the training trial average leaves
    r2_after_clock: Value  # of what trial average and session time leave
    correlation: Value
    p: float | None = None  # of r2_after_clock among shifted series; over all regions, for one of them
    gain_over_clock: Value | None = None  # in r2, paired
    units: int | None = None
    lag: float = 0.0  # seconds by which activity is read before the series, as training windows like best

    @property
    def headline(self) -> Value:
        """The figure that stands first."""
        return self.r2

    def figures(self) -> dict[str, Value]:
        """Every figure that has an interval."""
        names = ("r2", "r2_after_average", "r2_after_clock", "correlation")
        named = {name: getattr(self, name) for name in names}
        return named if self.gain_over_clock is None else {**named, "r2_gain_over_clock": self.gain_over_clock}

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        figures = {name: value_json(value) for name, value in self.figures().items()}
        told = verdict(self.gain_over_clock)
        return {**figures, "p": self.p, "units": self.units, "lag": self.lag, "verdict": told}


Score = LabelScore | SeriesScore


def _scores_json(scores: Mapping[str, Any], regions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """All features and regions, with the figure that stands first set beside its baselines."""
    first = next((name for name in OWN if name in scores), None)
    others = {name: value_json(s.headline) for name, s in scores.items() if name != first}
    return {
        "model": None if first is None else value_json(scores[first].headline),
        "model_features": first,
        "baselines": others,
        "features": {name: score.to_json() for name, score in scores.items()},
        "regions": {region: {n: s.to_json() for n, s in inner.items()} for region, inner in regions.items()},
    }


@dataclass(frozen=True)
class Sliding:
    """Decoding from a short stretch that ends at each time: nothing later is used."""

    width: float
    time: tuple[float, ...]  # end of the stretch, seconds from the windows' event
    auc: tuple[Value, ...]
    balanced_accuracy: tuple[Value, ...]
    p: float | None = None  # of the highest AUC of all times among permuted labels
    first: float | None = None  # earliest time above chance, corrected for looking at all times

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "width": self.width,
            "time": list(self.time),
            "auc": [value_json(v) for v in self.auc],
            "balanced_accuracy": [value_json(v) for v in self.balanced_accuracy],
            "p": self.p,
            "first": self.first,
        }


@dataclass(frozen=True)
class LabelDecoding:
    """One trial column: what was decoded, from what, how well, and how far to trust it."""

    name: str
    classes: tuple[str, ...]
    train: Mapping[str, int]
    test: Mapping[str, int]
    majority: float  # accuracy of always saying the label most frequent in training
    status: str = "tested"  # or why not
    scores: Mapping[str, LabelScore] = field(default_factory=dict)
    regions: Mapping[str, Mapping[str, LabelScore]] = field(default_factory=dict)
    sliding: Mapping[str, Sliding] = field(default_factory=dict)
    events: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # share of windows, median time
    null: str = ""
    permutations: int = 0
    p_floor: float | None = None
    runs: int = 0
    missing: int = 0
    rare: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)  # training windows left out, by reason
    warnings: tuple[str, ...] = ()

    @property
    def chance(self) -> float:
        """Balanced accuracy of a guess."""
        return 1 / max(len([n for n in self.test.values() if n]), 1)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words."""
        plain = ("majority", "chance", "status", "null", "permutations", "p_floor", "runs", "missing")
        own = next((self.scores[name] for name in OWN if name in self.scores), None)
        return {
            "kind": "labels",
            "metric": "balanced accuracy",
            **{name: getattr(self, name) for name in plain},
            "classes": list(self.classes),
            "confusion": None if own is None else [list(row) for row in own.confusion],
            **{name: dict(getattr(self, name)) for name in ("train", "test", "rare", "dropped")},
            "events": {name: {"share": share, "time": time} for name, (share, time) in self.events.items()},
            "warnings": list(self.warnings),
            "sliding": {name: found.to_json() for name, found in self.sliding.items()},
            **_scores_json(self.scores, self.regions),
        }


@dataclass(frozen=True)
class SeriesDecoding:
    """One series: from what it was decoded, how well, and how far to trust it."""

    name: str
    dims: int
    train: int  # windows
    test: int
    coverage: float  # share of test bins that hold a sample
    status: str = "tested"
    scores: Mapping[str, SeriesScore] = field(default_factory=dict)
    regions: Mapping[str, Mapping[str, SeriesScore]] = field(default_factory=dict)
    null: str = ""
    permutations: int = 0
    p_floor: float | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words."""
        names = ("dims", "train", "test", "coverage", "status", "null", "permutations", "p_floor")
        return {
            "kind": "series",
            "metric": "R2",
            "chance": 0.0,
            **{name: getattr(self, name) for name in names},
            "dropped": dict(self.dropped),
            "warnings": list(self.warnings),
            **_scores_json(self.scores, self.regions),
        }


@dataclass(frozen=True)
class Decoding:
    """All targets of one session; `left` says why others were not decoded."""

    session: str
    protocol: Mapping[str, Any]
    labels: Mapping[str, LabelDecoding] = field(default_factory=dict)
    series: Mapping[str, SeriesDecoding] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        told = [f"{name} {_told(one.scores)}" for name, one in self.labels.items()]
        told += [f"{name} {_told(one.scores)}" for name, one in self.series.items()]
        return f"Decoding({self.session!r}: {'; '.join(told) or 'nothing to decode'})"

    @property
    def is_decoded(self) -> bool:
        """Whether anything was decoded at all."""
        return any(one.scores for one in self.labels.values()) or any(one.scores for one in self.series.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything worth saying aloud."""
        found: list[LabelDecoding | SeriesDecoding] = [*self.labels.values(), *self.series.values()]
        if not found:
            return ("There is nothing to decode: no trial column of two labels or more, and no series.", *NO_TRIALS)
        return tuple(warning for one in found for warning in one.warnings)

    def to_json(self) -> dict[str, Any]:
        """One entry for every target; what was left out and the protocol are lists of pairs beside them."""
        return {
            **{name: found.to_json() for name, found in self.labels.items()},
            **{name: found.to_json() for name, found in self.series.items()},
            "not_decoded": [[name, reason] for name, reason in self.left.items()],
            "decoding_protocol": [[name, value] for name, value in self.protocol.items()],
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Tidy rows: session, target, features, region, metric, value, low, high, p."""
        found: list[LabelDecoding | SeriesDecoding] = [*self.labels.values(), *self.series.values()]
        for one in found:
            yield from self._rows_of(one.name, "all", one.scores)
            for region, inner in one.regions.items():
                yield from self._rows_of(one.name, region, inner)

    def _rows_of(self, target: str, region: str, scores: Mapping[str, Score]) -> Iterator[dict[str, Any]]:
        for features, score in scores.items():
            for metric, value in score.figures().items():
                yield {
                    "session": self.session,
                    "target": target,
                    "features": features,
                    "region": region,
                    "units": score.units,
                    "metric": metric,
                    **value_json(value),
                    "p": score.p,
                }

    def to_pandas(self) -> Any:
        """A DataFrame of the tidy rows (needs the `pandas` extra)."""
        import pandas

        return pandas.DataFrame(list(self.rows()))


def _told(scores: Mapping[str, Score]) -> str:
    return ", ".join(f"{name} {score.headline.value:.2f}" for name, score in scores.items()) or "not decoded"
