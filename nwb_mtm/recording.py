"""What one NWB file says about one session: units, spikes, trials, behaviour, and when it was watched."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nwb_mtm.errors import RecordingError

UNKNOWN = "unknown"
FINGERPRINT_INTERVALS = 16
FINGERPRINT_GRID = 1e-3


def frozen(array: Any, dtype: Any = None) -> Any:
    """A read-only view of an array (a copy only when the type must change)."""
    view = np.asarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


def frozen_columns(columns: Mapping[str, Any]) -> Mapping[str, ndarray]:
    """Columns as read-only arrays behind a read-only mapping."""
    return MappingProxyType({name: frozen(values) for name, values in columns.items()})


@dataclass(frozen=True, eq=False)
class Units:
    """One row for every unit, in the file's row order."""

    keys: tuple[str, ...]
    ids: tuple[int | float | str, ...]
    regions: tuple[str, ...]
    raw_regions: tuple[str, ...]
    region_rules: tuple[str, ...]
    groups: tuple[str, ...]
    rows: Int[ndarray, " unit"]
    electrodes: Int[ndarray, " unit"]  # peak electrode's row, -1 when there is none
    positions: Float[ndarray, "unit 3"]  # micrometres, NaN when unknown
    quality: tuple[bool | None, ...]
    inputs: Bool[ndarray, " unit"]  # shown to a model (not noise)
    heldout: Bool[ndarray, " unit"] | None = None
    columns: Mapping[str, ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", frozen(self.rows, np.int64))
        object.__setattr__(self, "electrodes", frozen(self.electrodes, np.int64))
        object.__setattr__(self, "positions", frozen(self.positions, np.float64))
        object.__setattr__(self, "inputs", frozen(self.inputs, bool))
        if self.heldout is not None:
            object.__setattr__(self, "heldout", frozen(self.heldout, bool))
        object.__setattr__(self, "columns", frozen_columns(self.columns))

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def scored(self) -> Bool[ndarray, " unit"]:
        """Units of the headline: inputs that pass the file's own quality rule (all inputs when it has none)."""
        return self.inputs & np.array([q is not False for q in self.quality], bool)

    def take(self, index: Int[ndarray, " chosen"] | Bool[ndarray, " unit"] | Sequence[int]) -> "Units":
        """The chosen rows, in the order given."""
        chosen = as_index(index, len(self))
        pick = [int(i) for i in chosen]
        return Units(
            keys=tuple(self.keys[i] for i in pick),
            ids=tuple(self.ids[i] for i in pick),
            regions=tuple(self.regions[i] for i in pick),
            raw_regions=tuple(self.raw_regions[i] for i in pick),
            region_rules=tuple(self.region_rules[i] for i in pick),
            groups=tuple(self.groups[i] for i in pick),
            rows=self.rows[chosen],
            electrodes=self.electrodes[chosen],
            positions=self.positions[chosen],
            quality=tuple(self.quality[i] for i in pick),
            inputs=self.inputs[chosen],
            heldout=None if self.heldout is None else self.heldout[chosen],
            columns={name: values[chosen] for name, values in self.columns.items()},
        )

    def to_pandas(self) -> Any:
        """A DataFrame with one row for every unit (needs the `pandas` extra)."""
        import pandas

        table = {
            "key": self.keys,
            "id": self.ids,
            "region": self.regions,
            "raw_region": self.raw_regions,
            "region_rule": self.region_rules,
            "group": self.groups,
            "row": self.rows,
            "electrode": self.electrodes,
            "quality": self.quality,
            "input": self.inputs,
        }
        own = {name: values for name, values in self.columns.items() if values.ndim == 1}
        return pandas.DataFrame({**own, **table})


def as_index(index: Any, count: int) -> Int[ndarray, " chosen"]:
    """Row numbers from row numbers or from a boolean mask."""
    array = np.asarray(index)
    if array.dtype == bool:
        if array.shape != (count,):
            raise RecordingError(f"The mask has shape {array.shape}; {count} rows need ({count},).", kind="bad_selection")
        return np.flatnonzero(array)
    return array.astype(np.int64).reshape(-1)


def unit_keys(ids: Sequence[int | float | str]) -> tuple[str, ...]:
    """`str(id)` when the ids are unique in the file, else `row:N`.

    >>> unit_keys([7, 9]), unit_keys([0, 0])
    (('7', '9'), ('row:0', 'row:1'))
    """
    names = tuple(str(i) for i in ids)
    if len(set(names)) == len(names):
        return names
    return tuple(f"row:{row}" for row in range(len(names)))


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spike times of all units, one run of sorted times after the other."""

    times: Float[ndarray, " spike"]
    offsets: Int[ndarray, " edge"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", frozen(self.times, np.float64))
        object.__setattr__(self, "offsets", frozen(self.offsets, np.int64))

    @classmethod
    def from_trains(cls, trains: Sequence[Any]) -> "Spikes":
        """Sort each train and drop what is not finite."""
        clean = [np.sort(t[np.isfinite(t)]) for t in (np.asarray(train, np.float64).reshape(-1) for train in trains)]
        offsets = np.concatenate([[0], np.cumsum([len(t) for t in clean])]).astype(np.int64)
        return cls(np.concatenate(clean) if clean else np.zeros(0), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, unit: int) -> Float[ndarray, " spike"]:
        return self.times[self.offsets[unit] : self.offsets[unit + 1]]

    @property
    def counts(self) -> Int[ndarray, " unit"]:
        """How many spikes each unit has."""
        return np.diff(self.offsets)

    def take(self, index: Int[ndarray, " chosen"]) -> "Spikes":
        """The trains of the chosen units."""
        trains = [self[int(i)] for i in index]
        offsets = np.concatenate([[0], np.cumsum([len(t) for t in trains])]).astype(np.int64)
        return Spikes(np.concatenate(trains) if trains else np.zeros(0), offsets)


@dataclass(frozen=True, eq=False)
class Intervals:
    """A table of intervals (trials, stimuli, epochs), sorted by time, with the row each had in the file."""

    start: Float[ndarray, " row"]
    stop: Float[ndarray, " row"]
    columns: Mapping[str, ndarray] = field(default_factory=dict)
    rows: Int[ndarray, " row"] | None = None
    path: str = "/intervals/trials"
    events: tuple[str, ...] = ()  # columns that hold times
    targets: tuple[str, ...] = ()  # columns worth decoding
    dropped: tuple[tuple[int, str], ...] = ()  # (row in the file, reason)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", frozen(self.start, np.float64))
        object.__setattr__(self, "stop", frozen(self.stop, np.float64))
        rows = np.arange(len(self.start)) if self.rows is None else self.rows
        object.__setattr__(self, "rows", frozen(rows, np.int64))
        object.__setattr__(self, "columns", frozen_columns(self.columns))

    def __len__(self) -> int:
        return len(self.start)

    def times(self, column: str) -> Float[ndarray, " row"]:
        """The times of one event; `start_time` and `stop_time` included.

        A column that is not there is an error that names those that are.
        """
        if column in ("start_time", "start"):
            return self.start
        if column in ("stop_time", "stop"):
            return self.stop
        values = self.columns.get(column)
        if values is None or values.ndim != 1 or values.dtype.kind not in "fiu":
            offered = ", ".join(("start_time", "stop_time", *self.events))
            raise RecordingError(f"{self.path} has no column of times {column!r}; it has: {offered}.", kind="bad_selection")
        return values.astype(np.float64)

    def take(self, index: Any) -> "Intervals":
        """The chosen rows."""
        assert self.rows is not None
        chosen = as_index(index, len(self))
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return replace(self, start=self.start[chosen], stop=self.stop[chosen], rows=self.rows[chosen], columns=columns)

    def to_pandas(self) -> Any:
        """A DataFrame with one row for every interval (needs the `pandas` extra)."""
        import pandas

        own = {name: list(values) for name, values in self.columns.items()}
        return pandas.DataFrame({"start_time": self.start, "stop_time": self.stop, **own}, index=self.rows)


@dataclass(frozen=True, eq=False)
class Behavior:
    """One continuous series on the session clock; NaN where it was not measured."""

    name: str  # full path in the file
    times: Float[ndarray, " sample"]
    values: Float[ndarray, "sample dim"]
    unit: str = ""
    columns: tuple[str, ...] = ()
    kind: str = "TimeSeries"  # class in the file
    container: str = ""  # class of the object around it (Position, BehavioralTimeSeries, ...)
    circular: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", frozen(self.times, np.float64))
        values = np.asarray(self.values, np.float32)
        object.__setattr__(self, "values", frozen(values.reshape(len(values), max(1, int(np.prod(values.shape[1:]))))))

    @property
    def dims(self) -> int:
        """How many columns the series has."""
        return int(self.values.shape[1])


@dataclass(frozen=True, eq=False)
class Observed:
    """When silence means silence: sets of intervals, and which set each unit has."""

    sets: tuple[Float[ndarray, "_ 2"], ...]
    index: Int[ndarray, " unit"]

    def __post_init__(self) -> None:
        sets = tuple(frozen(np.asarray(s, np.float64).reshape(-1, 2)) for s in self.sets)
        object.__setattr__(self, "sets", sets)
        object.__setattr__(self, "index", frozen(self.index, np.int64))

    @classmethod
    def everywhere(cls, start: float, stop: float, units: int) -> "Observed":
        """One interval for all units."""
        return cls((np.array([[start, stop]]),), np.zeros(units, np.int64))

    def take(self, index: Int[ndarray, " chosen"]) -> "Observed":
        """The chosen units."""
        return Observed(self.sets, self.index[index])


@dataclass(frozen=True)
class Source:
    """Where a recording came from, without anything that names a machine or a person's folder."""

    name: str  # file name, or path inside a dandiset
    identifier: str = ""
    object_id: str = ""
    etag: str = ""
    dandiset: str = ""
    version: str = ""
    url: str = ""
    doi: str = ""
    licence: str = ""
    species: str = ""
    session_start_time: str = ""
    sex: str = ""
    age: str = ""
    backend: str = ""
    warnings: tuple[tuple[str, str], ...] = ()  # (kind, message)


@dataclass(frozen=True, eq=False)
class Recording:
    """One session, frozen: what every later step starts from."""

    key: str
    session: str | None
    subject: str | None
    units: Units
    spikes: Spikes
    trials: Intervals | None = None
    intervals: Mapping[str, Intervals] = field(default_factory=dict)
    behaviors: Mapping[str, Behavior] = field(default_factory=dict)
    observed: Observed | None = None
    source: Source = field(default_factory=lambda: Source("arrays"))
    region_level: str = "raw"

    def __post_init__(self) -> None:
        if len(self.units) != len(self.spikes):
            raise RecordingError(
                f"{len(self.units)} units but {len(self.spikes)} spike trains; they must match.", kind="bad_arrays"
            )
        object.__setattr__(self, "intervals", MappingProxyType(dict(self.intervals)))
        object.__setattr__(self, "behaviors", MappingProxyType(dict(self.behaviors)))

    @property
    def span(self) -> tuple[float, float]:
        """First and last moment of interest: observed time, or first and last spike."""
        if self.observed is not None and any(len(s) for s in self.observed.sets):
            edges = np.concatenate([s for s in self.observed.sets if len(s)])
            return float(edges[:, 0].min()), float(edges[:, 1].max())
        times = self.spikes.times
        if not len(times):
            return 0.0, 0.0
        return float(times.min()), float(np.nextafter(times.max(), np.inf))

    @property
    def fingerprint(self) -> tuple[str, ...]:
        """One hash for every unit that has enough spikes, sorted; clocks and row order do not matter."""
        return tuple(sorted(h for h in map(_train_hash, (self.spikes[u] for u in range(len(self.units)))) if h))

    def select(self, units: Any) -> "Recording":
        """The same recording with the chosen units only (row numbers or a mask)."""
        chosen = as_index(units, len(self.units))
        observed = None if self.observed is None else self.observed.take(chosen)
        return replace(self, units=self.units.take(chosen), spikes=self.spikes.take(chosen), observed=observed)

    def __repr__(self) -> str:
        regions = len(set(self.units.regions) - {UNKNOWN})
        trials = "no trials" if self.trials is None else f"{len(self.trials)} trials"
        spikes = f"{len(self.spikes.times):,} spikes"
        return f"Recording({self.key!r}: {len(self.units)} units in {regions} regions, {spikes}, {trials})"

    def _repr_html_(self) -> str:
        from html import escape

        counts: dict[str, int] = {}
        for region in self.units.regions:
            counts[region] = counts.get(region, 0) + 1
        rows = "".join(f"<tr><td>{escape(r)}</td><td>{n}</td></tr>" for r, n in sorted(counts.items()))
        return f"<p><b>{escape(repr(self))}</b></p><table><tr><th>region</th><th>units</th></tr>{rows}</table>"

    @classmethod
    def from_arrays(
        cls,
        trains: Sequence[Any],
        *,
        session: str,
        subject: str = "subject",
        regions: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        ids: Sequence[int | str] | None = None,
        positions: Any = None,
        quality: Sequence[bool | None] | None = None,
        trials: Intervals | None = None,
        behaviors: Sequence[Behavior] = (),
        observed: Any = None,
        species: str = "",
    ) -> "Recording":
        """A recording from plain arrays: one array of spike times, in seconds, for every unit.

        >>> Recording.from_arrays([[0.1, 0.5], [0.2]], session="s1", regions=["CA1", "CA3"])
        Recording('subject/s1': 2 units in 2 regions, 3 spikes, no trials)
        """
        count = len(trains)
        unit_ids = tuple(ids) if ids is not None else tuple(range(count))
        labels = tuple(regions) if regions is not None else (UNKNOWN,) * count
        for name, column in (("ids", unit_ids), ("regions", labels), ("groups", groups or labels)):
            if len(column) != count:
                raise RecordingError(f"{len(column)} {name} for {count} spike trains; pass one for each.", kind="bad_arrays")
        units = Units(
            keys=unit_keys(unit_ids),
            ids=unit_ids,
            regions=labels,
            raw_regions=labels,
            region_rules=("unit_column" if regions is not None else "none",) * count,
            groups=tuple(groups) if groups is not None else (UNKNOWN,) * count,
            rows=np.arange(count),
            electrodes=np.full(count, -1),
            positions=np.full((count, 3), np.nan) if positions is None else positions,
            quality=tuple(quality) if quality is not None else (None,) * count,
            inputs=np.ones(count, bool),
        )
        return cls(
            key=f"{subject}/{session}",
            session=session,
            subject=subject,
            units=units,
            spikes=Spikes.from_trains(trains),
            trials=trials,
            intervals={} if trials is None else {trials.path: trials},
            behaviors={b.name: b for b in behaviors},
            observed=None if observed is None else Observed((np.asarray(observed),), np.zeros(count, np.int64)),
            source=Source("arrays", species=species),
        )

    def to_nwb(self, path: str | Path, *, existing: str = "error") -> Path:
        """Write the recording as a new NWB file."""
        from nwb_mtm.nwb.writer import write_recording

        return write_recording(self, Path(path), existing=existing)


def _train_hash(train: Float[ndarray, " spike"]) -> str:
    """A hash of the first interspike intervals; empty for a train that is too short to be recognised."""
    if len(train) <= FINGERPRINT_INTERVALS:
        return ""
    intervals = np.diff(train[: FINGERPRINT_INTERVALS + 1])
    grid = np.round(intervals / FINGERPRINT_GRID).astype("<i8")
    return hashlib.blake2b(grid.tobytes(), digest_size=8).hexdigest()


def overlap_share(fingerprint: Sequence[str], known: Sequence[str]) -> float:
    """Which share of one recording's recognisable units another recording holds too.

    >>> overlap_share(["a", "b"], ["b", "c"])
    0.5
    """
    return len(set(fingerprint) & set(known)) / max(1, len(set(fingerprint)))


def session_key(subject: str | None, session: str | None, identifier: str) -> str:
    """`subject/session`, with the file's identifier appended when either is missing.

    >>> session_key("m1", "a", "x"), session_key("m1", None, "x")
    ('m1/a', 'm1//x')
    """
    if subject and session:
        return f"{subject}/{session}"
    return f"{subject or ''}/{session or ''}/{identifier}"


def unique_keys(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """Append the identifier to the keys of recordings that collide."""
    keys = [r.key for r in recordings]
    return tuple(
        replace(r, key=f"{r.key}/{r.source.identifier or r.source.name}") if keys.count(r.key) > 1 else r
        for r in recordings
    )
