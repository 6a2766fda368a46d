"""Tables of intervals: all of them by path, and the trials cleaned, with what was dropped and why."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

from nwb_mtm.errors import RecordingError, did_you_mean
from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.view import Group, find_group, groups_below
from nwb_mtm.recording import Intervals

TRIALS = "/intervals/trials"
PLACES = ("intervals", "processing", "acquisition", "analysis", "scratch")
MOSTLY = 0.8  # so many of a column's values must lie near their own trial to be event times
NEAR = 1.0  # seconds around a trial in which its events may lie


def interval_tables(root: Group) -> dict[str, Table]:
    """Every table with start and stop times, by its path."""
    out: dict[str, Table] = {}
    for place in PLACES:
        branch = find_group(root, place)
        for group in groups_below(branch) if branch is not None else ():
            if {"start_time", "stop_time"} <= set(group.names()):
                table = Table(group)
                if table.is_flat("start_time") and table.is_flat("stop_time"):
                    out[table.path] = table
    return out


def find_trials(tables: Mapping[str, Table], name: str | None) -> str | None:
    """The path of the trials: the table that was named, or `/intervals/trials`; never another one silently."""
    if name is None:
        return TRIALS if TRIALS in tables else None
    return find_interval_path(tables, name)


def find_interval_path(tables: Collection[str], name: str) -> str:
    """The one table of intervals with this path or this name."""
    matching = [p for p in tables if p.strip("/") == name.strip("/")]
    matching = matching or [p for p in tables if p.rpartition("/")[2] == name]
    if len(matching) == 1:
        return matching[0]
    found = "is ambiguous" if matching else "is not there"
    raise RecordingError(
        f"The table of intervals {name!r} {found}; the file has: {', '.join(matching or tables) or 'none'}."
        f"{did_you_mean(name, tables)}",
        kind="bad_selection",
    )


def read_intervals(table: Table, span: tuple[float, float] | None) -> Intervals:
    """The flat columns of a table, rows sorted by time, rows that cannot be used dropped with the reason."""
    start, stop = _seconds(table, "start_time"), _seconds(table, "stop_time")
    dropped = tuple(_unusable(start, stop, span))
    keep = np.ones(len(start), bool)
    keep[[row for row, _ in dropped]] = False
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(start[rows], kind="stable")]
    columns = {name: values[rows] for name, values in _flat_columns(table)}
    events = tuple(name for name, v in columns.items() if is_event(name, v, start[rows], stop[rows]))
    return Intervals(start[rows], stop[rows], columns, rows=rows, path=table.path, events=events, dropped=dropped)


def raw_range(table: Table) -> tuple[float, float] | None:
    """The first start and the last stop, as stored."""
    start, stop = _seconds(table, "start_time"), _seconds(table, "stop_time")
    known = np.isfinite(start) & np.isfinite(stop)
    return (float(start[known].min()), float(stop[known].max())) if known.any() else None


def _seconds(table: Table, name: str) -> Float[ndarray, " row"]:
    values = table.flat(name)
    assert values is not None
    return values.astype(np.float64) if values.dtype.kind in "biuf" else np.full(len(values), np.nan)


def _flat_columns(table: Table) -> Iterator[tuple[str, ndarray]]:
    for name in table.names:
        if name in ("start_time", "stop_time"):
            continue
        values = table.flat(name)
        if values is not None:
            yield name, values


def _unusable(
    start: Float[ndarray, " row"], stop: Float[ndarray, " row"], span: tuple[float, float] | None
) -> Iterator[tuple[int, str]]:
    for row, (first, last) in enumerate(zip(start.tolist(), stop.tolist())):
        if not (np.isfinite(first) and np.isfinite(last)):
            yield row, "nan_time"
        elif last <= first:
            yield row, "stop_not_after_start"
        elif span is not None and (last < span[0] or first > span[1]):
            yield row, "outside_recording"


def is_event(
    name: str, values: Shaped[ndarray, " row"], start: Float[ndarray, " row"], stop: Float[ndarray, " row"]
) -> bool:
    """Whether a column holds moments on the session clock: its values lie near their own rows."""
    if values.ndim != 1 or values.dtype.kind not in "fiu" or not len(values):
        return False
    times = values.astype(np.float64)
    known = np.isfinite(times) & ~((times == 0) & (start > NEAR))  # 0 is one spelling of "did not happen"
    if not known.any() or (values.dtype.kind in "iu" and not _named_time(name)):
        return False
    near = float(np.mean(((times >= start - NEAR) & (times <= stop + NEAR))[known])) >= MOSTLY
    follows = _follows(times[known], start[known])
    return (near or follows) if _named_time(name) else (near and follows)


def _named_time(name: str) -> bool:
    lowered = name.casefold().removesuffix(".npy")
    return lowered.endswith(("_time", "_times", "_onset", "_offset", "timestamp", "_start", "_stop", "_end")) or (
        lowered.startswith(("timestamps_", "time_"))
    )


def _follows(times: Float[ndarray, " row"], start: Float[ndarray, " row"]) -> bool:
    """Whether the values move along with the rows' start, over more than a few seconds."""
    if len(times) < 3 or np.ptp(start) < 10 * NEAR:
        return False
    return bool(np.ptp(times) > 0 and np.corrcoef(times, start)[0, 1] > 0.99)
