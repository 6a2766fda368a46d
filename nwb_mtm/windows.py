"""Equal stretches of time cut from one recording, as counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray

from nwb_mtm import splits
from nwb_mtm.binning import bin_edges, bin_series, bin_spikes, counted, observed_sets
from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import Intervals, Recording, Units, as_index, frozen
from nwb_mtm.splits import Split

LEAST_OBSERVED = 0.9  # share of bins that must be observed, for at least half of the units


@dataclass(frozen=True, eq=False)
class BinnedBehavior:
    """One behaviour series at the windows' bins."""

    name: str
    values: Float[ndarray, "window bin dim"]
    valid: Bool[ndarray, "window bin"]
    circular: bool = False

    def take(self, index: Int[ndarray, " chosen"]) -> "BinnedBehavior":
        """The chosen windows."""
        return replace(self, values=self.values[index], valid=self.valid[index])


@dataclass(frozen=True, eq=False)
class Windows:
    """Counts of every unit in every bin of every window; `part` says train, valid, test or dropped."""

    session: str
    units: Units
    start: Float[ndarray, " window"]
    bin_size: float
    counts: Shaped[ndarray, "window bin unit"]
    observed: Bool[ndarray, "window bin unit"] | None = None
    trial: Int[ndarray, " window"] | None = None  # row of `trials`, -1 when there is none
    part: Int[ndarray, " window"] | None = None
    partition: Split | None = None
    trials: Intervals | None = None
    behaviors: Mapping[str, BinnedBehavior] = field(default_factory=dict)
    alignment: str = "tile"
    before: float = 0.0  # seconds from a window's start to its event
    fingerprint: tuple[str, ...] = ()
    left_out: int = 0  # windows not cut: no event time, or too little observed time
    weight: float = 1.0  # how often training draws the session, beside others of its length
    others: tuple["Windows", ...] = ()  # of a part: the other parts, which baselines learn from

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", frozen(self.start, np.float64))
        object.__setattr__(self, "counts", frozen(self.counts))
        count = len(self.start)
        trial = np.full(count, -1) if self.trial is None else self.trial
        part = np.full(count, splits.TEST) if self.part is None else self.part
        object.__setattr__(self, "trial", frozen(trial, np.int64))
        object.__setattr__(self, "part", frozen(part, np.int8))
        if self.observed is not None:
            object.__setattr__(self, "observed", frozen(self.observed, bool))
        object.__setattr__(self, "behaviors", MappingProxyType(dict(self.behaviors)))

    def __len__(self) -> int:
        return len(self.start)

    @property
    def bins(self) -> int:
        """Bins in each window."""
        return int(self.counts.shape[1])

    @property
    def width(self) -> float:
        """Seconds in each window."""
        return self.bins * self.bin_size

    @property
    def stop(self) -> Float[ndarray, " window"]:
        """Where each window ends."""
        return self.start + self.width

    def __repr__(self) -> str:
        held = [int(np.sum(self.part == index)) for index in range(len(splits.PARTS))]
        parts = ", ".join(f"{count} {name}" for count, name in zip(held, splits.PARTS) if count)
        shape = f"{len(self)} windows of {self.bins} bins of {self.bin_size * 1000:g} ms, {len(self.units)} units"
        return f"Windows({self.session!r}: {shape}; {self.alignment}; {parts})"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p><b>{escape(repr(self))}</b></p>"

    @classmethod
    def around(
        cls,
        recording: Recording,
        events: str | Float[ndarray, " event"] = "trials.start_time",
        *,
        before: float = 0.5,
        after: float = 1.5,
        bin_size: float = 0.02,
    ) -> "Windows":
        """One window around each event: a column (`TABLE.COLUMN`, or one of the trials) or plain times.

        >>> r = Recording.from_arrays([[0.1, 0.5], [0.2]], session="s1")
        >>> Windows.around(r, np.array([0.2]), before=0.2, after=0.8, bin_size=0.5).counts.tolist()
        [[[1, 1], [1, 0]]]
        """
        table, times, name = _event_times(recording, events)
        bins = _bin_count(before + after, bin_size)
        keep = np.flatnonzero(np.isfinite(times))
        windows = cls._cut(recording, times[keep] - before, bins=bins, bin_size=bin_size, trial=keep)
        return replace(
            windows,
            alignment=f"{name} [-{before:g}, +{after:g}] s",
            before=before,
            trials=table,
            trial=windows.trial if table is not None else None,
            left_out=windows.left_out + len(times) - len(keep),
        )

    @classmethod
    def tile(
        cls, recording: Recording, width: float = 2.0, *, bin_size: float = 0.02, step: float | None = None
    ) -> "Windows":
        """Windows one after the other (or every `step` seconds) through observed time."""
        bins = _bin_count(width, bin_size)
        low, high = recording.span
        count = max(0, int(np.floor((high - low - bins * bin_size) / (step or width) + 1e-9)) + 1)
        start = low + np.arange(count) * (step or width)
        windows = cls._cut(recording, start, bins=bins, bin_size=bin_size, trial=np.full(count, -1))
        return replace(windows, alignment=f"tiles of {width:g} s")

    @classmethod
    def at(cls, recording: Recording, start: Float[ndarray, " window"], *, bins: int, bin_size: float) -> "Windows":
        """Windows that start at the given times, where enough is observed."""
        return cls._cut(
            recording, np.asarray(start, float), bins=bins, bin_size=bin_size, trial=np.full(len(start), -1)
        )

    @classmethod
    def from_counts(
        cls,
        counts: Any,
        *,
        session: str,
        bin_size: float,
        start: Any = None,
        subject: str = "subject",
        regions: Sequence[str] | None = None,
    ) -> "Windows":
        """Windows whose spikes are already counted: (window, bin, unit); without `start`, one after the other.

        >>> Windows.from_counts(np.ones((3, 50, 4), int), session="s1", bin_size=0.02)
        Windows('subject/s1': 3 windows of 50 bins of 20 ms, 4 units; given counts; 3 test)
        """
        held, begin = counted(counts, start, bin_size)
        silent = [np.zeros(0)] * held.shape[2]
        of = Recording.from_arrays(silent, session=session, subject=subject, regions=regions)
        return cls(of.key, of.units, begin, bin_size, held, alignment="given counts")

    @classmethod
    def _cut(
        cls, recording: Recording, start: Float[ndarray, " window"], *, bins: int, bin_size: float, trial: Any
    ) -> "Windows":
        sets, index = _observation(recording, start, bins, bin_size)
        enough = np.array([s.mean(axis=-1) >= LEAST_OBSERVED - 1e-9 for s in sets])[index].mean(axis=0) >= 0.5
        keep = np.flatnonzero(enough)
        mask = None if sets[:, keep].all() else np.ascontiguousarray(np.moveaxis(sets[index][:, keep], 0, -1))
        chosen = start[keep]
        binned = {}
        for name, series in recording.behaviors.items():
            values, valid = bin_series(series, chosen, bins=bins, bin_size=bin_size)
            binned[name] = BinnedBehavior(name, values, valid, series.circular)
        return cls(
            session=recording.key,
            units=recording.units,
            start=chosen,
            bin_size=bin_size,
            counts=bin_spikes(recording.spikes, chosen, bins=bins, bin_size=bin_size),
            observed=mask,
            trial=np.asarray(trial)[keep],
            behaviors=binned,
            trials=recording.trials,
            fingerprint=recording.fingerprint,
            left_out=len(start) - len(keep),
        )

    def take(self, index: Any) -> "Windows":
        """The chosen windows."""
        chosen = as_index(index, len(self))
        assert self.trial is not None
        assert self.part is not None
        return replace(
            self,
            start=self.start[chosen],
            counts=self.counts[chosen],
            observed=None if self.observed is None else self.observed[chosen],
            trial=self.trial[chosen],
            part=self.part[chosen],
            behaviors={name: b.take(chosen) for name, b in self.behaviors.items()},
        )

    def select(self, units: Any) -> "Windows":
        """The same windows with the chosen units only."""
        chosen = as_index(units, len(self.units))
        observed = None if self.observed is None else self.observed[:, :, chosen]
        others = tuple(one.select(units) for one in self.others)
        counts = self.counts[:, :, chosen]
        return replace(self, units=self.units.take(chosen), counts=counts, observed=observed, others=others)

    def only(self, part: splits.Part) -> "Windows":
        """The windows of one part."""
        return self.take(np.flatnonzero(self.part == splits.PARTS.index(part)))

    def assigned(self, split: Split, *, reach: float = 0.0) -> "Windows":
        """The same windows with the part that the split's time intervals give each."""
        return replace(self, partition=split, part=split.parts(self.start, self.stop, reach=reach))

    def with_split(
        self, kind: str = "blocks", *, shares: Sequence[float] = (0.7, 0.1, 0.2), seed: int = 0
    ) -> "Windows":
        """Draw a split for these windows: `blocks`, `random`, `tail` or `column:NAME`."""
        if not kind.startswith("column:"):
            return self.assigned(splits.make_split(kind, self.start, self.stop, shares=shares, seed=seed))
        name = kind.removeprefix("column:")
        labels = self.trial_column(name)
        return self.assigned(splits.by_column(self.start, self.stop, list(labels), name=name, seed=seed))

    def split(
        self, train: float = 0.7, valid: float = 0.1, test: float = 0.2, *, seed: int = 0, kind: str = "blocks"
    ) -> tuple["Windows", "Windows", "Windows"]:
        """Training, validation and test windows; each part knows the others."""
        drawn = self.with_split(kind, shares=(train, valid, test), seed=seed)
        a, b, c = drawn.only("train"), drawn.only("valid"), drawn.only("test")
        return replace(a, others=(b, c)), replace(b, others=(a, c)), replace(c, others=(a, b))

    def trial_column(self, name: str) -> ndarray:
        """The value of a trial column for every window."""
        if self.trials is None or name not in self.trials.columns:
            offered = ", ".join(self.trials.columns) if self.trials is not None else "none"
            raise RecordingError(
                f"{self.session} has no trial column {name!r}; it has: {offered}.", kind="bad_selection"
            )
        return self.trials.columns[name][self.trial]

    @property
    def valid(self) -> Bool[ndarray, "window bin unit"]:
        """Where a count was observed."""
        return np.ones(self.counts.shape, bool) if self.observed is None else self.observed

    @property
    def rates(self) -> Float[ndarray, " unit"]:
        """Mean rate of every unit over these windows, in spikes/s, where observed."""
        valid = self.valid
        spikes = np.where(valid, self.counts, 0).sum(axis=(0, 1), dtype=np.float64)
        return np.asarray(spikes / np.maximum(valid.sum(axis=(0, 1)) * self.bin_size, 1e-12))


def _bin_count(width: float, bin_size: float) -> int:
    bins = round(width / bin_size)
    if bins < 1 or abs(bins * bin_size - width) > 1e-6:
        raise RecordingError(
            f"A window of {width:g} s is no whole number of bins of {bin_size:g} s; change one of them.",
            kind="no_windows",
        )
    return bins


def _event_times(
    recording: Recording, events: str | Float[ndarray, " event"]
) -> tuple[Intervals | None, Float[ndarray, " event"], str]:
    if not isinstance(events, str):
        return None, np.asarray(events, np.float64), f"{len(events)} events"
    table_name, _, column = events.rpartition(".")
    table = recording.table(table_name or "trials")
    return table, table.times(column), f"{table.path.rpartition('/')[2]}.{column}"


def _observation(
    recording: Recording, start: Float[ndarray, " window"], bins: int, bin_size: float
) -> tuple[Bool[ndarray, "sets window bin"], Int[ndarray, " unit"]]:
    edges = bin_edges(start, bins, bin_size)
    if recording.observed is not None:
        return observed_sets(recording.observed, edges), recording.observed.index
    low, high = recording.span
    inside = (edges[:, :-1] >= low - bin_size) & (edges[:, 1:] <= high + bin_size)
    return inside[None], np.zeros(len(recording.units), np.int64)
