"""What one NWB file says about one session: units, spikes, trials, behaviour, and when it was watched."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.errors import RecordingError, did_you_mean
from nwb_mtm.series import Behavior, Intervals, Observed, Spikes
from nwb_mtm.units import UNKNOWN, Units, as_index, frozen, unit_keys

__all__ = [
    "UNKNOWN",
    "Behavior",
    "Intervals",
    "Observed",
    "Recording",
    "Source",
    "Spikes",
    "Units",
    "as_index",
    "frozen",
    "overlap_share",
    "session_key",
    "unique_keys",
    "unit_keys",
]

FINGERPRINT_INTERVALS = 16
FINGERPRINT_GRID = 1e-3


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

    def table(self, name: str) -> Intervals:
        """A table of intervals by its path or its last name; `trials` are the recording's own trials."""
        if name == "trials" and self.trials is not None:
            return self.trials
        matches = [t for path, t in self.intervals.items() if path == name or path.rsplit("/", 1)[-1] == name]
        if len(matches) == 1:
            return matches[0]
        offered = ", ".join(self.intervals) or "none"
        cure = " Windows.tile(recording) needs no events." if name == "trials" else did_you_mean(name, self.intervals)
        if name == "trials" and self.intervals:
            cure += " Name one when reading, read(source, trials='TABLE'), or in the event, 'TABLE.start_time'."
        raise RecordingError(
            f"{self.key} has no table {name!r}; its tables: {offered}.{cure}",
            kind="bad_selection",
        )

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
                raise RecordingError(
                    f"{len(column)} {name} for {count} spike trains; pass one for each.", kind="bad_arrays"
                )
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
