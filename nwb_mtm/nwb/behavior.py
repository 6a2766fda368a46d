"""Behaviour: values in their unit on the session clock, checked, cleaned, or refused with a reason."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.nwb.clocks import Clock, offset_is_start, read_clock
from nwb_mtm.nwb.series import Candidate, is_whole
from nwb_mtm.nwb.view import as_number, as_text, find_array
from nwb_mtm.recording import Behavior

MOST_VALUES = 20_000_000
EXACT = 1_000_000  # up to so many samples everything is looked at
LOOK = 50_000  # else so many at the start, in the middle and at the end
PREFERRED = ("wheel", "hand", "cursor", "running", "whisker", "pupil", "position")
ALSO = {
    "wheel": ("wheel",),
    "hand": ("hand", "finger"),
    "running": ("running", "speed"),
    "whisker": ("whisker", "motion_energy"),
}
LIKELY = 0.9
SPARSE = 1.0  # irregular samples further apart than this (s) are events
SENTINEL = -1.0
RAW_RATE = 5000.0  # volts at this rate (Hz) are a raw signal


@dataclass(frozen=True, eq=False)
class Survey:
    """What inspect says of a series, and the series itself when it is wanted and usable."""

    candidate: Candidate
    clock: Clock
    usable: bool
    note: str
    nan_fraction: float | None = None
    series: Behavior | None = None


def survey(
    candidate: Candidate, span: tuple[float, float], *, local: bool = True, deep: bool = False, load: bool = False
) -> Survey:
    """Look at a series; with `load`, hand its values over too."""
    if candidate.reason:
        missing = _missing_share(candidate) if local or deep else None
        return Survey(candidate, read_clock(candidate.group, candidate.samples, span), False, candidate.reason, missing)
    clock = read_clock(candidate.group, candidate.samples, span)
    if clock.problem:
        return Survey(candidate, clock, False, clock.problem)
    whole = load or deep or (local and _is_small(candidate))
    values = _raw_values(candidate, whole=whole)
    nan_fraction = float(np.isnan(values).mean()) if whole and values.size else None
    times = clock.times if whole else np.zeros(0)
    problem = _problem(candidate, values, clock, span)
    if problem:
        return Survey(candidate, clock, False, problem, nan_fraction)
    cleaned, columns, notes = _cleaned(candidate, values, clock)
    note = "; ".join(n for n in (clock.note, *notes) if n)
    series = _behavior(candidate, times, cleaned, columns) if load else None
    return Survey(candidate, clock, True, note, nan_fraction, series)


def _is_small(candidate: Candidate) -> bool:
    """Whether all of it may be read to be looked at."""
    return 0 < candidate.samples <= EXACT and int(np.prod(candidate.shape, dtype=int)) <= MOST_VALUES


def _missing_share(candidate: Candidate) -> float | None:
    """The share of NaN in a series that is not used, where it is small enough to look."""
    data = find_array(candidate.group, "data")
    if data is None or data.dtype.kind not in "fiub" or not _is_small(candidate) or len(candidate.shape) > 2:
        return None
    return float(np.isnan(data.read().astype(np.float64)).mean())


def _raw_values(candidate: Candidate, *, whole: bool) -> Float[ndarray, "sample dim"]:
    """Values as stored, as float64; all of them, or three stretches of a long series."""
    samples = candidate.samples
    middle = samples // 2
    parts = (
        [(0, samples)]
        if whole or samples <= 3 * LOOK
        else [(0, LOOK), (middle, middle + LOOK), (samples - LOOK, samples)]
    )
    arrays = [find_array(candidate.group, name) for name in candidate.columns or ("data",)]
    read = [np.concatenate([a.read(i, j) for i, j in parts]).astype(np.float64) for a in arrays if a is not None]
    return (
        read[0].reshape(len(read[0]), -1) if not candidate.columns else np.stack([r.reshape(-1) for r in read], axis=1)
    )


def _problem(
    candidate: Candidate, values: Float[ndarray, "sample dim"], clock: Clock, span: tuple[float, float]
) -> str:
    """Why the values are of no use; empty when they are."""
    if np.isnan(values).all():
        return "all values are NaN"
    if np.all(np.nanmin(values, axis=0, initial=np.inf) >= np.nanmax(values, axis=0, initial=-np.inf)):
        ones = np.nanmax(values) == 1
        return "holds events (all values are 1)" if ones else "is constant"
    if clock.start is None or clock.stop is None:
        return "its timestamps are NaN"
    if not overlaps((clock.start, clock.stop), span):
        return f"runs from {clock.start:g} to {clock.stop:g} s, the spikes from {span[0]:g} to {span[1]:g} s"
    data = find_array(candidate.group, "data")
    volts = data is not None and as_text(data.attrs.get("unit", "")).casefold() in ("v", "volt", "volts")
    if volts and (clock.rate or 0) >= RAW_RATE:
        return "is a raw voltage"
    return _problem_of_shape(candidate, values, clock)


def _problem_of_shape(candidate: Candidate, values: Float[ndarray, "sample dim"], clock: Clock) -> str:
    if values.shape[1] == 1:
        column = values[:, 0]
        steps = np.diff(column[np.isfinite(column)])
        if len(steps) > 2 and np.all(steps >= 0) and is_whole(column) and steps.max() <= 1:
            return "is a counter"
        if len(column) == len(clock.times) and len(steps) > 2 and np.all(steps > 0) and _is_time(column, clock.times):
            return "is a clock"
    if clock.rate is None and len(clock.times) > 1:
        apart = float(np.nanmedian(np.diff(np.sort(clock.times))))
        codes = is_whole(values) and len(np.unique(values)) <= 64 and values.shape[1] == 1
        if apart > SPARSE or (apart > SPARSE / 20 and codes):
            return f"holds events, no continuous series (one in {apart:.2g} s)"
    return "has fewer than 10 samples" if candidate.samples < 10 else ""


def _is_time(column: Float[ndarray, " sample"], times: Float[ndarray, " sample"]) -> bool:
    line = np.polyfit(times, column, 1)
    return bool(np.abs(np.polyval(line, times) - column).max() < 1e-3 * np.ptp(column))


def overlaps(first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Whether at least one hundredth of the shorter of two spans lies in the other."""
    shorter = max(min(first[1] - first[0], second[1] - second[0]), 1e-9)
    return (min(first[1], second[1]) - max(first[0], second[0])) >= 0.01 * shorter


def _cleaned(
    candidate: Candidate, values: Float[ndarray, "sample dim"], clock: Clock
) -> tuple[Float[ndarray, "sample kept"], tuple[str, ...], list[str]]:
    """Lost samples to NaN, conversion and offset applied where they are numbers."""
    notes = []
    names = candidate.columns or _named_columns(candidate.words(), values.shape[1])
    values, lost = _without_sentinels(candidate, values)
    if lost:
        notes.append(f"{lost:,} samples of -1 mark lost tracking; read as missing")
    values, names, unlikely = _without_unlikely(candidate, values, names)
    if unlikely:
        notes.append(f"{unlikely:,} samples with a likelihood below {LIKELY:g}; read as missing")
    data = find_array(candidate.group, "data")
    conversion = as_number(data.attrs.get("conversion", 1.0)) if data is not None else 1.0
    offset = as_number(data.attrs.get("offset", 0.0)) if data is not None else 0.0
    if not np.isfinite(conversion) or conversion == 0:
        notes.append(f"its conversion is {conversion:g}; values are as stored")
        conversion = 1.0
    if not np.isfinite(offset) or offset_is_start(clock):
        offset = 0.0
    return values * conversion + offset, names, notes


def _named_columns(words: str, count: int) -> tuple[str, ...]:
    """`columns=[x,y]` in the comments."""
    found = re.search(r"columns\s*=\s*\[([^\]]*)\]", words)
    names = tuple(part.strip().strip("'\"") for part in found.group(1).split(",")) if found else ()
    return names if len(names) == count else ()


def _without_sentinels(
    candidate: Candidate, values: Float[ndarray, "sample dim"]
) -> tuple[Float[ndarray, "sample dim"], int]:
    """A tracker writes -1 in every column when it has lost its light."""
    placed = candidate.kind == "SpatialSeries" or re.search("pos|led|track", candidate.name, re.IGNORECASE)
    lost = np.all(values == SENTINEL, axis=1)
    others = values[~lost]
    if not placed or not lost.any() or lost.all() or np.nanmin(others, initial=np.inf) < 0:
        return values, 0
    return np.where(lost[:, None], np.nan, values), int(lost.sum())


def _without_unlikely(
    candidate: Candidate, values: Float[ndarray, "sample dim"], names: tuple[str, ...]
) -> tuple[Float[ndarray, "sample kept"], tuple[str, ...], int]:
    """Pose: a last column, or a dataset beside the data, that says how sure the tracker was."""
    sure = find_array(candidate.group, "confidence")
    if sure is not None and sure.shape == (len(values),):
        likelihood, kept = sure.read().astype(np.float64), values
    elif values.shape[1] == 3 and _third_is_likelihood(candidate, values):
        likelihood, kept, names = values[:, 2], values[:, :2], names[:2] or ("x", "y")
    else:
        return values, names, 0
    unlikely = likelihood < LIKELY
    return np.where(unlikely[:, None], np.nan, kept), names, int(unlikely.sum())


def _third_is_likelihood(candidate: Candidate, values: Float[ndarray, "sample dim"]) -> bool:
    third = values[:, 2][np.isfinite(values[:, 2])]
    if not len(third) or third.min() < 0 or third.max() > 1:
        return False
    said = re.search("likelihood|confidence|probability", candidate.words(), re.IGNORECASE)
    tracked = re.search("track|dlc|pose", candidate.name, re.IGNORECASE)
    return bool(said or (tracked and np.nanmax(np.abs(values[:, :2])) > 1))


def _behavior(
    candidate: Candidate,
    times: Float[ndarray, " sample"],
    values: Float[ndarray, "sample dim"],
    columns: tuple[str, ...],
) -> Behavior:
    """Sorted by time, without samples of no time."""
    known = np.isfinite(times)
    order = np.flatnonzero(known)
    if np.any(np.diff(times[order]) < 0):
        order = order[np.argsort(times[order], kind="stable")]
    if len(order) < len(times) or np.any(np.diff(order) != 1):
        times, values = times[order], values[order]
    data = find_array(candidate.group, "data")
    unit = as_text(data.attrs.get("unit", "")) if data is not None else ""
    circular = bool(re.search("direction|angle|heading", candidate.name, re.IGNORECASE)) and unit.casefold().startswith(
        ("rad", "deg")
    )
    return Behavior(candidate.path, times, values, unit, columns, candidate.kind, candidate.container, circular)


def by_preference(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The order in which series are offered: wheel, hand, cursor, running, whisker, pupil, position, the rest."""
    return tuple(sorted((c for c in candidates if not c.reason), key=lambda c: _rank(c.path)))


def _rank(path: str) -> int:
    lowered = path.casefold()
    for rank, word in enumerate(PREFERRED):
        if any(alias in lowered for alias in ALSO.get(word, (word,))):
            return rank
    return len(PREFERRED)
