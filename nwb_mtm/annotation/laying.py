"""Which windows are predicted, by which model, and where they lie on the grid."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.annotation.blending import Grid
from nwb_mtm.annotation.fitted import Fitted
from nwb_mtm.nwb.annotations import WindowTable
from nwb_mtm.splits import PARTS, TEST


def table_of(models: Sequence[Fitted], grid: Grid, *, extrapolate: bool = False) -> WindowTable:
    """The windows of training as each model took them, and those that are predicted, each by one model."""
    parts = [_of_model(one, number, grid) for number, one in enumerate(models)]
    if extrapolate and not models[0].is_tiled:
        parts += [_late(one, number, grid) for number, one in enumerate(models)]
    place, fold, part, late = (np.concatenate(column) for column in zip(*parts))
    known = _first(place, fold, late)
    place, fold, part, late = (column[known] for column in (place, fold, part, late))
    once = _once(place, part, len(models))
    place, fold, part, late = (column[once] for column in (place, fold, part, late))
    start = grid.t0 + place * grid.bin_size
    split = tuple(PARTS[p] for p in part)
    return WindowTable(start, start + models[0].windows.width, split, fold, late)


Rows = tuple[ndarray, ndarray, ndarray, ndarray]  # first bin, model, part, whether of another kind


def _of_model(fitted: Fitted, number: int, grid: Grid) -> Rows:
    """Its windows as they were, and windows that overlap by half through its unseen time."""
    usual = grid.snap(fitted.windows.start)
    return _rows(fitted, np.concatenate([usual, _dense(fitted, grid)]) if fitted.is_tiled else usual, number, grid)


def _late(fitted: Fitted, number: int, grid: Grid) -> Rows:
    place, fold, part, late = _rows(fitted, _tiles(grid, fitted.recording.span, fitted.windows.bins), number, grid)
    return place, fold, part, ~late


def _rows(fitted: Fitted, start: Float[ndarray, " window"], number: int, grid: Grid) -> Rows:
    place = np.round((start - grid.t0) / grid.bin_size).astype(np.int64)
    first = grid.t0 + place * grid.bin_size
    part = fitted.split.parts(first, first + fitted.windows.width)
    return place, np.full(len(place), number), part, np.zeros(len(place), bool)


def _first(place: ndarray, fold: ndarray, late: ndarray) -> ndarray:
    """One row for each window and model, the usual ones before others; in order of time."""
    order = np.lexsort((late, fold, place))
    fresh = np.ones(len(order), bool)
    fresh[1:] = (np.diff(place[order]) != 0) | (np.diff(fold[order]) != 0)
    return order[fresh]


def _once(place: ndarray, part: ndarray, models: int) -> ndarray:
    """A window outside the time of all models would be unseen by several: the first one predicts it."""
    if models == 1:
        return np.arange(len(place))
    tested = np.flatnonzero(part == TEST)
    again = np.zeros(len(place), bool)
    again[tested[1:]] = np.diff(place[tested]) == 0
    return np.flatnonzero(~again)


def _dense(fitted: Fitted, grid: Grid) -> Float[ndarray, " window"]:
    """Windows that overlap by half through every interval of unseen time, from its first bin to its last."""
    found = [_tiles(grid, (float(a), float(b)), fitted.windows.bins) for a, b in fitted.split.test]
    return np.concatenate(found) if found else np.zeros(0)


def _tiles(grid: Grid, span: tuple[float, float], bins: int) -> Float[ndarray, " window"]:
    first = int(np.ceil((span[0] - grid.t0) / grid.bin_size - 1e-6))
    last = int(np.floor((span[1] - grid.t0) / grid.bin_size + 1e-6)) - bins
    if last < first:
        return np.zeros(0)
    place = np.unique(np.append(np.arange(first, last, max(1, bins // 2)), last))
    return grid.t0 + place * grid.bin_size
