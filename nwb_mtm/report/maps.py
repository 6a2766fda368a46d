"""Pictures of activity: region rasters, single trials, region by region, confusion."""

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from nwb_mtm.report import svg
from nwb_mtm.report.charts import heading, shorten
from nwb_mtm.report.figures import NOTHING, Example, Figures
from nwb_mtm.report.images import image
from nwb_mtm.report.svg import Scale

WIDTH = 250.0
LEFT, RIGHT, TOP = 50.0, 246.0, 40.0
LEAST_LABEL = 11.0  # pixels between region labels


def raster_panels(figures: Figures, score: str) -> list[str]:
    """Recorded, predicted and baseline activity, units in the same order."""
    baseline = figures.baseline_names.get(score, "")
    maps = [("Recorded", "test windows", figures.recorded), ("Predicted", score, figures.predicted[score])]
    if score in figures.baselines:
        maps.append(("Baseline", baseline, figures.baselines[score]))
    return [raster(figures, levels, title, note) for title, note, levels in maps]


def raster(figures: Figures, levels: UInt8[ndarray, "unit bin"], title: str, note: str) -> str:
    """One map: a row for each unit, a column for each bin."""
    height = map_height(len(levels))
    parts = [*heading(title, note), *_frame(levels, figures.regions, height)]
    stop = figures.start + levels.shape[1] * figures.bin_size
    at = Scale(figures.start, stop, LEFT, RIGHT)
    label = "seconds from the event" if figures.averaged else "seconds of test time"
    parts.append(svg.axis_x(at, TOP + height, label))
    if figures.averaged and figures.start < 0 < stop:
        parts.append(svg.line(at(0), TOP, at(0), TOP + height, "event"))
    said = f"{title} activity ({note}): {len(levels)} units by {levels.shape[1]} time bins, grouped by region"
    return svg.panel(TOP + height + 38, said, parts, width=WIDTH)


def map_height(rows: int) -> float:
    """Tall enough to see units, low enough to see the whole."""
    return float(min(max(rows * 2.0, 120.0), 340.0))


def _frame(levels: UInt8[ndarray, "unit bin"], regions: Sequence[str], height: float) -> list[str]:
    """The map on a hatched ground, lines between regions, and the regions' names."""
    parts = [
        svg.rect(LEFT, TOP, RIGHT - LEFT, height, "ground"),
        image(levels, LEFT, TOP, RIGHT - LEFT, height),
    ]
    scale = height / max(len(levels), 1)
    row, middles, names = 0, [], []
    for name, members in groupby(regions):
        size = len(list(members))
        if row:
            parts.append(svg.line(LEFT - 8, TOP + row * scale, RIGHT, TOP + row * scale, "seam"))
        middles.append(TOP + (row + size / 2) * scale)
        names.append((name, size))
        row += size
    for (name, size), wanted, y in zip(names, middles, svg.apart(middles, LEAST_LABEL)):
        if size * scale >= 3 or abs(y - wanted) < 20:
            parts.append(svg.text(LEFT - 6, y + 3.5, shorten(name, 8), "tick", "end"))
    return parts


def example_panels(example: Example, figures: Figures) -> list[str]:
    """What the model was shown, what was recorded behind the cover, and what the model said."""
    top = max(2.0, float(np.quantile(example.counts, 0.995)))
    counts = np.minimum(np.round(example.counts / top * (NOTHING - 1)), NOTHING - 1).astype(np.uint8)
    covered = example.block | example.unseen
    return [
        _example(
            np.where(covered, NOTHING, counts).astype(np.uint8),
            example,
            figures,
            "Shown",
            "spikes the model saw",
        ),
        _example(
            np.where(example.block, counts, NOTHING).astype(np.uint8),
            example,
            figures,
            "Hidden",
            example.what,
        ),
        _example(example.predicted, example, figures, "Predicted", "expected spikes in the hidden block"),
    ]


def _example(
    levels: UInt8[ndarray, "unit bin"], example: Example, figures: Figures, title: str, note: str
) -> str:
    height = map_height(len(levels)) * 0.75
    parts = [*heading(title, shorten(note, 44)), *_frame(levels, figures.regions, height)]
    parts += _outline(example.block, height)
    at = Scale(figures.start, figures.start + levels.shape[1] * figures.bin_size, LEFT, RIGHT)
    parts.append(svg.axis_x(at, TOP + height, "seconds from the event" if figures.averaged else "seconds"))
    said = f"{title}: {note}, one test window, {len(levels)} units by {levels.shape[1]} bins; hidden block outlined"
    return svg.panel(TOP + height + 38, said, parts, width=WIDTH)


def _outline(block: Bool[ndarray, "unit bin"], height: float) -> list[str]:
    """A frame around every run of hidden rows, over the bins hidden in it."""
    if not block.any():
        return []
    bins = np.flatnonzero(block.any(axis=0))
    width, scale = (RIGHT - LEFT) / block.shape[1], height / len(block)
    x, wide = LEFT + bins[0] * width, (bins[-1] + 1 - bins[0]) * width
    parts, row = [], 0
    for hidden, members in groupby(block.any(axis=1)):
        size = len(list(members))
        if hidden:
            parts.append(svg.rect(x, TOP + row * scale, wide, size * scale, "block"))
        row += size
    return parts


def square(
    title: str,
    note: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float]],
    *,
    digits: int,
) -> str:
    """A table of values as shades, with the value in each field when it fits."""
    side = min(46.0, 250.0 / max(len(columns), 1))
    left, top = 84.0, 84.0
    most = max((v for row in values for v in row if math.isfinite(v)), default=1.0) or 1.0
    parts = heading(title, note)
    for j, name in enumerate(columns):
        x = left + (j + 0.5) * side
        parts.append(
            f'<g transform="rotate(-40 {x:.1f} {top - 6:.1f})">{svg.text(x, top - 6, shorten(name, 9), "tick")}</g>'
        )
    for i, (name, row) in enumerate(zip(rows, values)):
        parts.append(svg.text(left - 6, top + (i + 0.5) * side + 4, shorten(name, 11), "row", "end"))
        for j, value in enumerate(row):
            parts.append(
                _field(value, most, (left + j * side, top + i * side, side), f"{name} → {columns[j]}", digits)
            )
    said = f"{title}: " + (
        "; ".join(
            f"{r}: " + ", ".join(f"{c} {v:.{digits}f}" for c, v in zip(columns, line))
            for r, line in zip(rows, values)
        )
        if len(rows) <= 6
        else note
    )
    return svg.panel(top + len(rows) * side + 10, said, parts)


def _field(value: float, most: float, place: tuple[float, float, float], who: str, digits: int) -> str:
    x, y, side = place
    if not math.isfinite(value):
        return svg.rect(x + 0.5, y + 0.5, side - 1, side - 1, "ground", f"{who}: not known")
    step = round(min(max(value / most, 0.0), 1.0) * 8)
    note = f"{who}: {value:.{digits}f}"
    parts = svg.rect(x + 0.5, y + 0.5, side - 1, side - 1, f"shade h{step}", note)
    if side >= 26:
        kind = "over" if step > 4 else "under"
        parts += svg.text(x + side / 2, y + side / 2 + 4, f"{value:.{digits}f}", f"field {kind}", "middle")
    return parts
