"""What happened when: spikes, tables of intervals, behaviour, and the time that was observed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nwb_mtm.errors import RecordingError, did_you_mean
from nwb_mtm.units import as_index, frozen, frozen_columns


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
            offered = ("start_time", "stop_time", *self.events)
            raise RecordingError(
                f"{self.path} has no column of times {column!r}; it has: {', '.join(offered)}."
                f"{did_you_mean(column, offered)}",
                kind="bad_selection",
            )
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
