"""When the recording was watched: `obs_intervals` less the invalid times, shared by units where equal."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nwb_mtm.binning import merge_intervals
from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.view import Group, find_group
from nwb_mtm.recording import Observed

SLACK = 60.0  # an edge further outside the recording than this, and a tenth of it, is cut back


def read_observed(root: Group, table: Table, span: tuple[float, float]) -> Observed | None:
    """What the file says, or None when it says nothing."""
    invalid = _invalid_times(root)
    whole = np.array([[span[0], np.nextafter(span[1], np.inf)]])
    if "obs_intervals" not in table.members or table.is_damaged("obs_intervals"):
        if not len(invalid):
            return None
        return Observed((without(whole, invalid),), np.zeros(table.count, np.int64))
    pieces, offsets = _pieces(table)
    sets: list[Float[ndarray, "interval 2"]] = []
    seen: dict[bytes, int] = {}
    index = np.zeros(table.count, np.int64)
    for unit in range(table.count):
        piece = pieces[offsets[unit] : offsets[unit + 1]]
        key = piece.tobytes()
        if key not in seen:
            seen[key] = len(sets)
            sets.append(without(_clipped(piece if len(piece) else whole, span), invalid))
        index[unit] = seen[key]
    return Observed(tuple(sets), index)


def everywhere(span: tuple[float, float], units: int) -> Observed:
    """The whole recording, its last spike included."""
    return Observed.everywhere(span[0], float(np.nextafter(span[1], np.inf)), units)


def _pieces(table: Table) -> tuple[Float[ndarray, "interval 2"], Int[ndarray, " edge"]]:
    values = table.members["obs_intervals"].read().astype(np.float64)
    if table.is_ragged("obs_intervals"):
        return values.reshape(-1, 2), table.offsets("obs_intervals")
    flat = values.reshape(-1, 2)
    each = len(flat) // max(1, table.count)
    return flat, np.arange(table.count + 1) * each


def _clipped(piece: Float[ndarray, "interval 2"], span: tuple[float, float]) -> Float[ndarray, "merged 2"]:
    """Merged, without empty ones, and cut back where an edge is infinite or far outside the recording."""
    slack = max(SLACK, 0.1 * (span[1] - span[0]))
    low = np.where(np.isnan(piece[:, 0]) | (piece[:, 0] < span[0] - slack), span[0], piece[:, 0])
    high = np.where(np.isnan(piece[:, 1]) | (piece[:, 1] > span[1] + slack), np.nextafter(span[1], np.inf), piece[:, 1])
    return merge_intervals(np.stack([low, high], axis=1)[high > low])


def _invalid_times(root: Group) -> Float[ndarray, "interval 2"]:
    group = find_group(root, "intervals/invalid_times")
    if group is None:
        return np.zeros((0, 2))
    start, stop = Table(group).flat("start_time"), Table(group).flat("stop_time")
    if start is None or stop is None or "U" in (start.dtype.kind, stop.dtype.kind):
        return np.zeros((0, 2))
    pairs = np.stack([start, stop], axis=1).astype(np.float64)
    return merge_intervals(pairs[pairs[:, 1] > pairs[:, 0]])


def without(kept: Float[ndarray, "interval 2"], cut: Float[ndarray, "other 2"]) -> Float[ndarray, "rest 2"]:
    """The first intervals less the second.

    >>> without(np.array([[0.0, 10.0]]), np.array([[2.0, 3.0]])).tolist()
    [[0.0, 2.0], [3.0, 10.0]]
    """
    cut = merge_intervals(cut)
    gaps = np.stack([np.append(-np.inf, cut[:, 1]), np.append(cut[:, 0], np.inf)], axis=1)
    return intersection(kept, gaps)


def intersection(first: Float[ndarray, "interval 2"], second: Float[ndarray, "other 2"]) -> Float[ndarray, "both 2"]:
    """Time that lies in both.

    >>> intersection(np.array([[0.0, 2.0]]), np.array([[1.0, 3.0]])).tolist()
    [[1.0, 2.0]]
    """
    a, b = merge_intervals(first), merge_intervals(second)
    if not len(a) or not len(b):
        return np.zeros((0, 2))
    low = np.searchsorted(b[:, 1], a[:, 0], side="right")
    high = np.searchsorted(b[:, 0], a[:, 1], side="left")
    counts = np.maximum(high - low, 0)
    which = np.repeat(np.arange(len(a)), counts)
    other = np.arange(len(which)) + np.repeat(low - (np.cumsum(counts) - counts), counts)
    out = np.stack([np.maximum(a[which, 0], b[other, 0]), np.minimum(a[which, 1], b[other, 1])], axis=1)
    return out[out[:, 1] > out[:, 0]]


def observed_by_all(observed: Observed | None) -> Float[ndarray, "interval 2"] | None:
    """Time in which every unit was watched."""
    if observed is None or not observed.sets:
        return None
    used = sorted(set(observed.index.tolist()))
    common = merge_intervals(observed.sets[used[0]])
    for number in used[1:]:
        common = intersection(common, observed.sets[number])
    return common
