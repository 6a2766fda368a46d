"""Where the units are, and their spikes: any order, any type of number, any index."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from nwb_mtm.errors import RecordingError
from nwb_mtm.nwb.annotations import FACTS
from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.view import Group, find_group, groups_below, kind_of
from nwb_mtm.nwb.warned import Warnings
from nwb_mtm.recording import Spikes

ELSEWHERE = ("processing", "analysis", "scratch", "acquisition")
SAMPLES_MIN = 10  # so many whole numbers in a row are no seconds
SAMPLES_FROM = 1e4
LOOK = 1000
CHUNK = 1 << 18


def find_units(root: Group, path: str | None = None) -> Table:
    """The units table: `/units`, or the only one elsewhere, or the one that was named."""
    if path is not None:
        return _named(root, path)
    main = find_group(root, "units")
    if main is not None and "spike_times" in (table := Table(main)).members and table.count > 0:
        return table  # without a look at the rest of the file
    tables = {table.path: table for table in _tables(root)}
    usable = {p: t for p, t in tables.items() if "spike_times" in t.members and t.count > 0}
    if len(usable) == 1:
        return next(iter(usable.values()))
    if len(usable) > 1:
        raise RecordingError(
            f"The file has no /units but several other tables of units: {', '.join(usable)}. "
            "Name one with `--units PATH`.",
            kind="several_units_tables",
        )
    raise (_sidecar(root) if not tables else None) or _why_none(tables)


def _sidecar(root: Group) -> RecordingError | None:
    """Our own file of predictions without spikes, by what it says of its source."""
    stated = find_group(root, f"processing/ecephys/{FACTS}")
    if stated is None:
        return None
    table = Table(stated)
    facts, values = table.flat("fact"), table.flat("value")
    known = {} if facts is None or values is None else dict(zip(facts.tolist(), values.tolist()))
    source = known.get("source.name", "another file")
    return RecordingError(
        f"The file is a sidecar that nwb-mtm annotate wrote: it holds predictions for {source}, and no spikes. "
        f"Pass {source} itself.",
        kind="sidecar",
    )


def _named(root: Group, path: str) -> Table:
    group = find_group(root, path)
    if group is None:
        others = ", ".join(t.path for t in _tables(root)) or "none"
        raise RecordingError(f"The file has no table {path}; tables of units: {others}.", kind="no_units_table")
    table = Table(group)
    if "spike_times" not in table.members or not table.count:
        raise _why_none({table.path: table})
    return table


def _tables(root: Group) -> Iterator[Table]:
    main = find_group(root, "units")
    if main is not None:
        yield Table(main)
    for place in ELSEWHERE:
        branch = find_group(root, place)
        for group in groups_below(branch) if branch is not None else ():
            if kind_of(group) == "Units" or {"spike_times", "spike_times_index"} <= set(group.names()):
                yield Table(group)


def _why_none(tables: dict[str, Table]) -> RecordingError:
    if not tables:
        return RecordingError(
            "The file has no table of units, so there are no sorted spikes to read (raw or LFP data only, perhaps). "
            "Look for the processed file of the same session.",
            kind="no_units_table",
        )
    path, table = next(iter(tables.items()))
    if all(t.count == 0 for t in tables.values()):
        return RecordingError(
            f"The table {path} has no rows: no unit was found or kept. Look for the sorted file of the same session.",
            kind="zero_units",
        )
    return RecordingError(
        f"The table {path} has {table.count} rows but no column spike_times (imaging data, perhaps). "
        "Pass a file with spike times.",
        kind="units_without_spike_times",
    )


def read_spikes(table: Table, warnings: Warnings) -> Spikes:
    """All spike times, sorted within each unit, what is not finite dropped; one slice of the file."""
    array = table.members["spike_times"]
    offsets = _train_offsets(table)
    index = table.members.get("spike_times_index")
    if index is not None and index.dtype.kind in "iu" and offsets[-1] > np.iinfo(index.dtype).max:
        warnings.add("wrapped_index", f"{index.path} began again at 0 past {np.iinfo(index.dtype).max}; it was mended.")
    raw = array.read()
    if raw.dtype.kind not in "iuf":
        raise RecordingError(
            f"{array.path} holds no numbers but {raw.dtype}, so there are no spike times to read. "
            "Write the file again from its source.",
            kind="units_without_spike_times",
        )
    whole = np.issubdtype(raw.dtype, np.integer)
    if raw.dtype == np.float32 and np.isfinite(raw).any():
        step = float(np.spacing(np.abs(raw[np.isfinite(raw)]).max()))
        if step > 1e-3:
            warnings.add("coarse_spike_times", f"Spike times are stored as float32: steps of {step:.3g} s at the end.")
    times = np.ascontiguousarray(raw.reshape(-1), dtype=np.float64)
    if not times.flags.writeable:
        times = times.copy()
    if len(offsets) and offsets[-1] < len(times):
        warnings.add("spikes_of_no_unit", f"{len(times) - offsets[-1]:,} spike times belong to no unit.")
        times = times[: offsets[-1]]
    spikes = _cleaned(times, offsets, warnings)
    _warn_of_samples(spikes.times, whole, warnings)
    return spikes


def _train_offsets(table: Table) -> Int[ndarray, " edge"]:
    if table.is_ragged("spike_times"):
        return table.offsets("spike_times")
    shape = table.members["spike_times"].shape
    if len(shape) == 2 and shape[0] == table.count:  # one padded row for every unit
        return np.arange(table.count + 1) * shape[1]
    if table.count == 1:
        return np.array([0, int(np.prod(shape, dtype=int))])
    if shape == (table.count,):
        return np.arange(table.count + 1)
    raise RecordingError(
        f"{table.path} has {table.count} units and {shape[0] if shape else 0:,} spike times, but no spike_times_index "
        "that says which belong to which. Write the file again from its source.",
        kind="corrupt_spike_index",
    )


def _cleaned(times: ndarray, offsets: Int[ndarray, " edge"], warnings: Warnings) -> Spikes:
    """Sort trains in place where needed; copy only when a value must go."""
    messy = [times[offsets[unit] : offsets[unit + 1]] for unit in _messy_units(times, offsets)]
    missing = sum(int(np.count_nonzero(~np.isfinite(train))) for train in messy)
    unsorted = [train for train in messy if np.any(train[1:] < train[:-1])]
    for train in messy:
        train.sort()  # NaN goes to the end
    repeated = sum(int(np.count_nonzero(train[1:] == train[:-1])) for train in messy)
    if missing:
        times, offsets = _compact(times, offsets)
        warnings.add("spike_times_not_finite", f"{missing:,} spike times are NaN or infinite; they were dropped.")
    if unsorted:
        warnings.add("unsorted_spike_times", f"{len(unsorted)} units have spike times out of order; they were sorted.")
    if repeated:
        warnings.add("repeated_spike_times", f"{repeated:,} spikes have the same time as the one before; all are kept.")
    return Spikes(times, offsets)


def _messy_units(times: ndarray, offsets: Int[ndarray, " edge"]) -> list[int]:
    """Units whose times do not rise, or are not finite: a NaN inside breaks the order, an infinity is at an end."""
    held = np.flatnonzero(offsets[1:] > offsets[:-1])
    first, last = offsets[:-1][held], offsets[1:][held] - 1
    falls = [np.zeros(0, np.int64)]
    for start in range(0, len(times), CHUNK):
        piece = times[start : start + CHUNK + 1]
        falls.append(start + 1 + np.flatnonzero(~(piece[1:] > piece[:-1])))
    inside = np.setdiff1d(np.concatenate(falls), first)  # from one unit to the next times may fall
    rows = np.concatenate([inside, first[~np.isfinite(times[first])], last[~np.isfinite(times[last])]])
    return sorted(set((np.searchsorted(offsets, rows, side="right") - 1).tolist()))


def _compact(times: ndarray, offsets: Int[ndarray, " edge"]) -> tuple[ndarray, Int[ndarray, " edge"]]:
    """Without what is not finite, the borders between units moved accordingly."""
    finite = np.isfinite(times)
    before = np.concatenate([[0], np.cumsum(finite)])
    return times[finite], before[offsets]


def _warn_of_samples(times: ndarray, whole: bool, warnings: Warnings) -> None:
    if len(times) < SAMPLES_MIN or (not whole and np.any(np.mod(times[:LOOK], 1.0))) or times.max() < SAMPLES_FROM:
        return
    if whole or not np.any(np.mod(times, 1.0)):
        warnings.add(
            "spike_times_look_like_samples",
            f"All spike times are whole numbers, up to {times.max():,.0f}: they look like sample numbers, not seconds. "
            "Divide them by the sampling rate.",
        )
