"""Recordings as new NWB files: what is written is valid because pynwb builds it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from hdmf.backends.hdf5 import H5DataIO
from hdmf.common import ElementIdentifiers, VectorData, VectorIndex
from jaxtyping import Float, Int
from numpy import ndarray
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.behavior import BehavioralTimeSeries, CompassDirection, Position, SpatialSeries
from pynwb.epoch import TimeIntervals
from pynwb.file import Subject
from pynwb.misc import Units as UnitsTable

from nwb_mtm.landing import placing, settle
from nwb_mtm.recording import UNKNOWN, Behavior, Intervals, Recording

NO_START = datetime(2000, 1, 1, tzinfo=UTC)
REGULAR = 1e-6  # largest deviation of a sample from a regular clock (s)
CONTAINERS = {c.__name__: c for c in (BehavioralTimeSeries, Position, CompassDirection)}
OWN_COLUMNS = {"id", "spike_times", "electrodes", "obs_intervals", "electrode_group"}
MEANINGS = {
    "stim_on_time": "when the stimulus appeared (s)",
    "response_time": "when the choice was made (s)",
    "feedback_time": "when the outcome was given (s)",
    "stim_side": "side of the stimulus",
    "contrast": "contrast of the stimulus, 0 to 1",
    "choice": "side that was chosen",
    "feedback": "1 rewarded, -1 not",
    "probability_left": "how likely the stimulus was to appear on the left in this block",
    "laser": "light was on from the stimulus on",
}


def write_recording(recording: Recording, path: Path, *, existing: str = "error") -> Path:
    """Write one recording as a new HDF5 file; an unfinished one is never left behind."""
    if not settle(path, existing):
        return path
    with placing(path) as temporary, NWBHDF5IO(str(temporary), "w") as io:
        io.write(build(recording))
    return path


def build(recording: Recording) -> NWBFile:
    """The recording as an NWBFile in memory."""
    file = frame(recording)
    rows = _add_electrodes(file, recording)
    file.units = _units(file, recording, rows)
    tables = {table.path: table for table in recording.intervals.values()}
    if recording.trials is not None:
        tables.setdefault(recording.trials.path, recording.trials)
    for table in tables.values():
        _add_intervals(file, table)
    for series in recording.behaviors.values():
        _add_behavior(file, series)
    return file


def frame(recording: Recording, about: str = "Sorted spikes, written by nwb-mtm.") -> NWBFile:
    """A file with session and subject, and nothing in it."""
    source = recording.source
    start = datetime.fromisoformat(source.session_start_time) if source.session_start_time else NO_START
    return NWBFile(
        session_description=about,
        identifier=source.identifier or f"nwb-mtm {recording.key}",
        session_start_time=start if start.tzinfo else start.replace(tzinfo=UTC),
        session_id=recording.session,
        keywords=["spikes", "nwb-mtm"],
        subject=_subject(recording),
    )


def _subject(recording: Recording) -> Subject | None:
    if not recording.subject:
        return None
    source = recording.source
    age = {"age": source.age} if source.age else {}
    species = {"species": source.species} if source.species else {}
    return Subject(subject_id=recording.subject, sex=source.sex or "U", **age, **species)


def _add_electrodes(file: NWBFile, recording: Recording) -> Int[ndarray, " unit"]:
    """One electrode for every place that units have; returns each unit's row."""
    units = recording.units
    places = [
        (
            int(row) if row >= 0 else len(units),
            group,
            region or UNKNOWN,
            tuple(np.nan_to_num(position, nan=-1e9)),
        )
        for row, group, region, position in zip(units.electrodes, units.groups, units.raw_regions, units.positions)
    ]
    table = {place: row for row, place in enumerate(sorted(set(places)))}
    first = {place: unit for unit, place in reversed(list(enumerate(places)))}
    device = file.create_device("probes", description="What the units were recorded with.")
    made: dict[str, Any] = {}
    for place in table:
        group, region = place[1], place[2]
        if group not in made:
            about = f"Electrodes of {group}." if group != UNKNOWN else "Electrodes of which no group is known."
            made[group] = file.create_electrode_group(
                group, description=about, location=_where(units, group), device=device
            )
        place_um = _coordinates(units.positions[first[place]])
        file.add_electrode(group=made[group], location=region, **place_um)
    return np.array([table[place] for place in places], np.int64)


def _where(units: Any, group: str) -> str:
    return ", ".join(dict.fromkeys(r or UNKNOWN for r, g in zip(units.raw_regions, units.groups) if g == group))


def _coordinates(position: Float[ndarray, "3"]) -> Mapping[str, float]:
    if not np.isfinite(position).all():
        return {}
    return {"x": float(position[0]), "y": float(position[1]), "z": float(position[2])}


def _units(file: NWBFile, recording: Recording, electrodes: Int[ndarray, " unit"]) -> UnitsTable:
    units, spikes = recording.units, recording.spikes
    counting = np.arange(1, len(units) + 1)
    times = VectorData(name="spike_times", description="spike times (s)", data=_packed(spikes.times))
    linked = file.create_electrode_table_region(electrodes.tolist(), "the unit's largest electrode", name="electrodes")
    columns: list[Any] = [
        times,
        VectorIndex(name="spike_times_index", target=times, data=spikes.offsets[1:].astype(np.uint64)),
        linked,
        VectorIndex(name="electrodes_index", target=linked, data=counting.astype(np.uint64)),
    ]
    columns += _observed_columns(recording)
    columns += [
        VectorData(name=name, description=f"{name} of each unit", data=_plain(values))
        for name, values in units.columns.items()
        if values.ndim == 1 and name not in OWN_COLUMNS
    ]
    ids = [i if isinstance(i, int) else row for row, i in enumerate(units.ids)]
    return UnitsTable(
        name="units",
        description="Sorted units.",
        id=ElementIdentifiers(name="id", data=ids),
        columns=columns,
        electrode_table=file.electrodes,
        resolution=1e-6,
    )


def _observed_columns(recording: Recording) -> list[Any]:
    observed = recording.observed
    if observed is None:
        return []
    sets = [observed.sets[i] for i in observed.index]
    flat = VectorData(name="obs_intervals", description="when the unit was watched (s)", data=np.concatenate(sets))
    index = np.cumsum([len(s) for s in sets]).astype(np.uint64)
    return [flat, VectorIndex(name="obs_intervals_index", target=flat, data=index)]


def _add_intervals(file: NWBFile, table: Intervals) -> None:
    name = table.path.rsplit("/", 1)[-1]
    columns = [
        VectorData(name="start_time", description="start (s)", data=table.start),
        VectorData(name="stop_time", description="stop (s)", data=table.stop),
    ]
    columns += [
        VectorData(name=column, description=MEANINGS.get(column, f"{column} of each row"), data=_plain(values))
        for column, values in table.columns.items()
        if column not in ("start_time", "stop_time") and values.ndim == 1
    ]
    ids = ElementIdentifiers(name="id", data=np.asarray(table.rows))
    built = TimeIntervals(name=name, description=f"The session's {name}.", id=ids, columns=columns)
    if name == "trials":
        file.trials = built
    else:
        file.add_time_intervals(built)


def _add_behavior(file: NWBFile, series: Behavior) -> None:
    parts = series.name.strip("/").split("/")
    module = parts[1] if len(parts) > 2 and parts[0] == "processing" else "behavior"
    holder = file.processing.get(module) or file.create_processing_module(module, f"Behaviour: {module}.")
    wanted = CONTAINERS.get(series.container, Position if series.kind == "SpatialSeries" else BehavioralTimeSeries)
    name = parts[-2] if len(parts) > 3 else wanted.__name__
    container = holder.data_interfaces.get(name)
    if container is None:
        container = wanted(name=name)
        holder.add(container)
    built = _series(series, parts[-1])
    if isinstance(container, BehavioralTimeSeries):
        container.add_timeseries(built)
    else:
        container.add_spatial_series(built)


def _series(series: Behavior, name: str) -> TimeSeries:
    values = series.values[:, 0] if series.dims == 1 else series.values
    unit = series.unit or "unknown"
    comments = f"columns=[{','.join(series.columns)}]" if series.columns else "no comments"
    about = f"{name} over time"
    clock = clock_of(series.times)
    if series.kind == "SpatialSeries":
        frame = "as recorded"
        return SpatialSeries(
            name=name,
            data=_packed(values),
            unit=unit,
            reference_frame=frame,
            description=about,
            comments=comments,
            **clock,
        )
    return TimeSeries(name=name, data=_packed(values), unit=unit, description=about, comments=comments, **clock)


def clock_of(times: Float[ndarray, " sample"]) -> dict[str, Any]:
    """`starting_time` and `rate` when the samples are regular, else `timestamps`."""
    if len(times) > 1:
        step = (times[-1] - times[0]) / (len(times) - 1)
        if step > 0 and np.abs(times - times[0] - step * np.arange(len(times))).max() < REGULAR:
            return {"starting_time": float(times[0]), "rate": float(1 / step)}
    return {"timestamps": _packed(times)}


def _packed(values: ndarray) -> Any:
    """Compressed, unless there is next to nothing to compress."""
    return H5DataIO(values, compression="gzip", compression_opts=1, shuffle=True) if values.size > 256 else values


def _plain(values: ndarray) -> Any:
    """Strings as a list of str, anything else as the array it is."""
    return [str(v) for v in values] if values.dtype.kind in "UOS" else values
