"""What an evaluation found: frozen, without torch, and the same in Python as in scores.json."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from nwb_mtm.errors import RunError
from nwb_mtm.intervals import Value, number, read_value, value_json

FORMAT = 1
NOTHING = Value(math.nan)
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """One row of scores over some units; `units` counts those that have scored spikes."""

    bps_mean: Value = NOTHING
    bps_median: Value = NOTHING
    bps_pooled: Value = NOTHING
    bps_mean_train_null: Value = NOTHING
    d2_mean: Value = NOTHING
    share_positive: Value = NOTHING
    r2_mean: Value = NOTHING
    units: int = 0
    silent: int = 0  # units without a spike in what was scored; in no mean

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {f.name: _value_json(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Table":
        """The table that was written."""
        return cls(**{f.name: _read_value(entry.get(f.name, f.default)) for f in fields(cls)})


@dataclass(frozen=True)
class PerUnit:
    """Scores of every unit, in the session's unit order; NaN for a unit that was not scored."""

    bps: Numbers
    bps_train_null: Numbers
    d2: Numbers
    spikes: Numbers

    def to_json(self) -> dict[str, Any]:
        """Lists, with null for what is missing."""
        return {f.name: [number(v) for v in getattr(self, f.name)] for f in fields(self)}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "PerUnit":
        """The scores that were written."""
        return cls(**{f.name: tuple(math.nan if v is None else v for v in entry[f.name]) for f in fields(cls)})


@dataclass(frozen=True)
class ScoreSet:
    """One predictor's score: over the headline's units, over all, by region and by unit."""

    scored: Table
    all: Table
    per_unit: PerUnit
    per_region: Mapping[str, Table] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Nested plain values."""
        parts = {name: getattr(self, name).to_json() for name in ("scored", "all", "per_unit")}
        return {**parts, "per_region": {name: table.to_json() for name, table in self.per_region.items()}}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "ScoreSet":
        """The scores that were written."""
        regions = {name: Table.from_json(t) for name, t in entry.get("per_region", {}).items()}
        parts = (Table.from_json(entry["scored"]), Table.from_json(entry["all"]))
        return cls(*parts, PerUnit.from_json(entry["per_unit"]), regions)


@dataclass(frozen=True)
class Activity:
    """One of the four activity scores of one session."""

    model: ScoreSet | None
    baselines: Mapping[str, ScoreSet]
    gain: Value = NOTHING
    oracle: ScoreSet | None = None
    against: str = ""  # the baseline that `gain` is measured from
    verdict: str = "not scored"
    windows: int = 0  # test windows scored
    windows_to_tell: int | None = None
    guarded: Mapping[str, ScoreSet] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)  # R2s, curves, distances, classes
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Nested plain values."""
        return {
            "model": None if self.model is None else self.model.to_json(),
            "baselines": {name: s.to_json() for name, s in self.baselines.items()},
            "gain": value_json(self.gain),
            "oracle": None if self.oracle is None else self.oracle.to_json(),
            "against": self.against,
            "verdict": self.verdict,
            "windows": self.windows,
            "windows_to_tell": self.windows_to_tell,
            "guarded": {name: s.to_json() for name, s in self.guarded.items()},
            "extra": dict(self.extra),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Activity":
        """The score that was written."""
        return cls(
            model=_read_set(entry["model"]),
            baselines={name: ScoreSet.from_json(s) for name, s in entry["baselines"].items()},
            gain=read_value(entry["gain"]),
            oracle=_read_set(entry.get("oracle")),
            against=entry.get("against", ""),
            verdict=entry.get("verdict", ""),
            windows=entry.get("windows", 0),
            windows_to_tell=entry.get("windows_to_tell"),
            guarded={name: ScoreSet.from_json(s) for name, s in entry.get("guarded", {}).items()},
            extra=entry.get("extra", {}),
            notes=tuple(entry.get("notes", ())),
        )


@dataclass(frozen=True)
class SessionScores:
    """Everything found in one session."""

    units: Mapping[str, Sequence[Any]]  # columns key, id, row, region, group, rate, spikes, scored
    scores: Mapping[str, Activity]
    subject: str = ""
    windows: Mapping[str, int] = field(default_factory=dict)
    decoding: Mapping[str, Any] = field(default_factory=dict)
    regions: Mapping[str, Any] = field(default_factory=dict)
    guards: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Nested plain values."""
        return {
            "units": {name: list(column) for name, column in self.units.items()},
            "scores": {name: score.to_json() for name, score in self.scores.items()},
            "subject": self.subject,
            **{name: dict(getattr(self, name)) for name in ("windows", "decoding", "regions", "guards")},
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "SessionScores":
        """The session that was written."""
        scores = {name: Activity.from_json(a) for name, a in entry["scores"].items()}
        rest = {name: entry.get(name, {}) for name in ("windows", "decoding", "regions", "guards")}
        notes = tuple(entry.get("notes", ()))
        return cls(entry["units"], scores, subject=entry.get("subject", ""), notes=notes, **rest)


@dataclass(frozen=True)
class MeanScore:
    """One score over sessions; intervals resample subjects, and sessions within them."""

    model: Table | None
    baselines: Mapping[str, Table]
    gain: Value = NOTHING
    sessions: int = 0
    subjects: int = 0
    per_region: Mapping[str, Table] = field(default_factory=dict)  # of the model, or of ridge when there is none

    def to_json(self) -> dict[str, Any]:
        """Nested plain values."""
        return {
            "model": None if self.model is None else self.model.to_json(),
            "baselines": {name: t.to_json() for name, t in self.baselines.items()},
            "gain": value_json(self.gain),
            "sessions": self.sessions,
            "subjects": self.subjects,
            "per_region": {name: t.to_json() for name, t in self.per_region.items()},
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "MeanScore":
        """The mean that was written."""
        model = None if entry["model"] is None else Table.from_json(entry["model"])
        tables = {name: Table.from_json(t) for name, t in entry["baselines"].items()}
        counts = (entry.get("sessions", 0), entry.get("subjects", 0))
        regions = {name: Table.from_json(t) for name, t in entry.get("per_region", {}).items()}
        return cls(model, tables, read_value(entry["gain"]), *counts, regions)


@dataclass(frozen=True)
class Check:
    """One line of the box of checks."""

    name: str
    status: str  # pass, warn or fail
    message: str


@dataclass(frozen=True)
class Scores:
    """All scores of one evaluation; `protocol` says what may be compared with what."""

    model: str
    protocol: Mapping[str, Any]
    split: str
    sessions: Mapping[str, SessionScores]
    mean: Mapping[str, MeanScore]
    checks: tuple[Check, ...] = ()
    seeds: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The object that scores.json holds."""
        return {
            "format": FORMAT,
            "model": self.model,
            "protocol": dict(self.protocol),
            "split": self.split,
            "seeds": dict(self.seeds),
            "versions": dict(self.versions),
            "checks": [{"name": c.name, "status": c.status, "message": c.message} for c in self.checks],
            "sessions": {key: session.to_json() for key, session in self.sessions.items()},
            "mean": {name: score.to_json() for name, score in self.mean.items()},
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Scores":
        """Scores from the object that scores.json holds."""
        if (found := entry.get("format")) != FORMAT:
            raise RunError(f"These scores have format {found!r}; this version reads format {FORMAT}.", kind="not_a_run")
        return cls(
            model=entry["model"],
            protocol=entry["protocol"],
            split=entry["split"],
            sessions={key: SessionScores.from_json(s) for key, s in entry["sessions"].items()},
            mean={name: MeanScore.from_json(m) for name, m in entry["mean"].items()},
            checks=tuple(Check(**c) for c in entry["checks"]),
            seeds=entry["seeds"],
            versions=entry["versions"],
        )

    @classmethod
    def load(cls, path: str | Path) -> "Scores":
        """Read scores.json, or the one in a run folder."""
        file = Path(path) / "scores.json" if Path(path).is_dir() else Path(path)
        try:
            return cls.from_json(json.loads(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise RunError(f"{file.name} cannot be read: {error.strerror}.", kind="not_a_run") from error
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{file.name} holds no scores: {error}.", kind="not_a_run") from error

    def with_session(self, key: str, **parts: Any) -> "Scores":
        """The same scores with parts of one session (`decoding`, `regions`, ...) set."""
        return replace(self, sessions={**self.sessions, key: replace(self.sessions[key], **parts)})

    def __repr__(self) -> str:
        from nwb_mtm.evaluation.tables import headline

        return f"Scores({len(self.sessions)} sessions, split {self.split!r})\n" + "\n".join(headline(self))

    def _repr_html_(self) -> str:
        from nwb_mtm.evaluation.tables import to_html

        return to_html(self)

    def to_pandas(self) -> Any:
        """One row for every session, score, predictor and row of units (needs the `pandas` extra)."""
        import pandas

        from nwb_mtm.evaluation.tables import session_rows

        return pandas.DataFrame(session_rows(self))

    def units_to_pandas(self) -> Any:
        """One row for every session, unit, score, predictor, null and guard (needs the `pandas` extra)."""
        import pandas

        from nwb_mtm.evaluation.tables import unit_rows

        return pandas.DataFrame(unit_rows(self))


def _value_json(value: Any) -> Any:
    return value_json(value) if isinstance(value, Value) else value


def _read_value(entry: Any) -> Any:
    return read_value(entry) if isinstance(entry, Mapping) else entry


def _read_set(entry: Mapping[str, Any] | None) -> ScoreSet | None:
    return None if entry is None else ScoreSet.from_json(entry)
