"""Pictures of activity: region rasters, single trials, region by region, confusion."""

import math
from collections.abc import Collection, Sequence
from itertools import groupby

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from nwb_mtm.report import svg, words
from nwb_mtm.report.charts import heading, shorten
from nwb_mtm.report.figures import NOTHING, Example, Figures
from nwb_mtm.report.images import image
from nwb_mtm.report.svg import Scale

WIDTH = 256.0
LEFT, RIGHT, TOP = 60.0, 252.0, 40.0
LEAST_LABEL = 11.0  # pixels between region labels


def raster(figures: Figures, levels: UInt8[ndarray, "unit bin"], title: str, note: str) -> str:
    """One map: a row for each unit, a column for each bin."""
    height = map_height(len(levels))
    parts = [*heading(title, note), *_key(), *_frame(levels, figures.regions, height)]
    stop = figures.start + levels.shape[1] * figures.bin_size
    at = Scale(figures.start, stop, LEFT, RIGHT)
    label = "seconds from the event" if figures.averaged else "seconds of test time"
    parts.append(svg.axis_x(at, TOP + height, label))
    if figures.averaged and figures.start < 0 < stop:
        parts.append(svg.line(at(0), TOP, at(0), TOP + height, "event"))
    said = f"{title} activity ({note}): {len(levels)} units by {levels.shape[1]} time bins, grouped by region"
    return svg.panel(TOP + height + 38, said, parts, width=WIDTH)


def _key() -> list[str]:
    """What the shades mean."""
    ramp = np.linspace(0, NOTHING - 1, 48).round().astype(np.uint8)[None]
    ends = [svg.text(RIGHT - 92, 14, "least", "note", "end"), svg.text(RIGHT, 14, "peak", "note", "end")]
    return [*ends, image(ramp, RIGHT - 86, 6, 54, 8)]


def map_height(rows: int) -> float:
    """Tall enough to see units, low enough to see the whole."""
    return float(min(max(rows * 2.0, 120.0), 340.0))


def _frame(levels: UInt8[ndarray, "unit bin"], names: Sequence[str], height: float) -> list[str]:
    """The map on a hatched ground, lines between groups of rows, and the groups' names."""
    parts = [svg.rect(LEFT, TOP, RIGHT - LEFT, height, "ground"), image(levels, LEFT, TOP, RIGHT - LEFT, height)]
    scale = height / max(len(levels), 1)
    groups = [(name, len(list(members))) for name, members in groupby(names)]
    starts = [sum(size for _, size in groups[:i]) for i in range(len(groups))]
    parts += [svg.line(LEFT - 8, TOP + s * scale, RIGHT, TOP + s * scale, "seam") for s in starts[1:]]
    middles = [TOP + (start + size / 2) * scale for start, (_, size) in zip(starts, groups)]
    shown = [i for i, (_, size) in enumerate(groups) if size * scale >= (0 if len(groups) < 20 else LEAST_LABEL / 2)]
    for i, y in zip(shown, svg.apart([middles[i] for i in shown], LEAST_LABEL)):
        parts.append(svg.text(LEFT - 6, y + 3.5, shorten(groups[i][0], 9), "tick", "end"))
    return parts


def example_panels(example: Example, figures: Figures) -> list[str]:
    """The whole window with its hidden block, the spikes in the block, and what the model expected there."""
    top = max(2.0, float(np.quantile(example.counts, 0.995)))
    counts = np.minimum(np.round(example.counts / top * (NOTHING - 1)), NOTHING - 1).astype(np.uint8)
    rows, bins = (np.flatnonzero(example.block.any(axis=axis)) for axis in (1, 0))
    inside = (slice(rows[0], rows[-1] + 1), slice(bins[0], bins[-1] + 1))
    names = example.regions[inside[0]]
    start = figures.start + float(bins[0]) * figures.bin_size
    return [
        _shown(counts, example, figures),
        _part(counts[inside], names, start, figures, "Recorded", "the spikes behind the frame"),
        _part(example.predicted[inside], names, start, figures, "Predicted", "spikes expected there"),
    ]


def _shown(counts: UInt8[ndarray, "unit bin"], example: Example, figures: Figures) -> str:
    height = example_height(len(counts))
    levels = np.where(example.block | example.unseen, NOTHING, counts).astype(np.uint8)
    gathered = example.score in ("co-smoothing", "intra-region")
    hidden = np.flatnonzero(example.block.any(axis=1)).tolist() if gathered else []
    names = ["hidden" if i in hidden else name for i, name in enumerate(example.regions)]
    parts = [*heading("Shown", "the model saw all but the hatched"), *_frame(levels, names, height)]
    rows, bins = (np.flatnonzero(example.block.any(axis=axis)) for axis in (1, 0))
    wide, high = (RIGHT - LEFT) / counts.shape[1], height / len(counts)
    box = ((bins[-1] + 1 - bins[0]) * wide, (rows[-1] + 1 - rows[0]) * high)
    parts.append(svg.rect(LEFT + bins[0] * wide, TOP + rows[0] * high, *box, "block"))
    at = Scale(figures.start, figures.start + counts.shape[1] * figures.bin_size, LEFT, RIGHT)
    parts.append(svg.axis_x(at, TOP + height, _clock(figures)))
    said = f"One test window of {len(counts)} units; hidden from the model: {example.what}"
    return svg.panel(TOP + height + 38, said, parts, width=WIDTH)


def _part(
    levels: UInt8[ndarray, "unit bin"], names: Sequence[str], start: float, figures: Figures, title: str, note: str
) -> str:
    height = example_height(len(figures.units))
    at = Scale(start, start + levels.shape[1] * figures.bin_size, LEFT, RIGHT)
    parts = [*heading(title, note), *_frame(levels, names, height), svg.axis_x(at, TOP + height, _clock(figures))]
    said = f"{title}: {note}, {len(levels)} units by {levels.shape[1]} bins"
    return svg.panel(TOP + height + 38, said, parts, width=WIDTH)


def example_height(rows: int) -> float:
    """A little lower than the maps of averages."""
    return map_height(rows) * 0.75


def _clock(figures: Figures) -> str:
    return "seconds from the event" if figures.averaged else "seconds"


def square(
    title: str,
    note: str,
    names: tuple[Sequence[str], Sequence[str]],
    values: Sequence[Sequence[float]],
    *,
    digits: int,
    framed: Collection[tuple[str, str]] = (),
    pale: Collection[tuple[str, str]] = (),
) -> str:
    """A table of values as shades, with the value in each field when it fits; some framed, some with pale numbers."""
    rows, columns = names
    side = min(46.0, 250.0 / max(len(columns), 1))
    left, top = 84.0, 84.0
    most = max((v for row in values for v in row if math.isfinite(v)), default=1.0)
    parts = heading(title, note)
    for j, name in enumerate(columns):
        x, label = left + (j + 0.5) * side, svg.text(left + (j + 0.5) * side, top - 6, shorten(name, 9), "tick")
        parts.append(f'<g transform="rotate(-40 {x:.1f} {top - 6:.1f})">{label}</g>')
    for i, (name, row) in enumerate(zip(rows, values)):
        parts.append(svg.text(left - 6, top + (i + 0.5) * side + 4, shorten(name, 11), "row", "end"))
        for j, value in enumerate(row):
            place, pair = (left + j * side, top + i * side, side), (name, columns[j])
            parts.append(_field(value, most, place, f"{name} to {columns[j]}", digits, pale=pair in pale))
    for i, j in ((i, j) for i, a in enumerate(rows) for j, b in enumerate(columns) if (a, b) in framed):
        parts.append(svg.rect(left + j * side + 1.5, top + i * side + 1.5, side - 3, side - 3, "frame"))
    lines = [f"{r}: " + ", ".join(f"{c} {v:.{digits}f}" for c, v in zip(columns, row)) for r, row in zip(rows, values)]
    said = "; ".join(lines) if len(rows) <= 6 else note
    return svg.panel(top + len(rows) * side + 10, f"{title}: {said}", parts)


def _field(value: float, most: float, place: tuple[float, float, float], who: str, digits: int, *, pale: bool) -> str:
    x, y, side = place
    if not math.isfinite(value):
        return svg.rect(x + 0.5, y + 0.5, side - 1, side - 1, "ground", f"{who}: not known")
    step = round(min(max(value / most, 0.0), 1.0) * 8) if most > 0 else 0
    note = f"{who}: {value:.{digits}f}" + (", same probe" if pale else "")
    parts = svg.rect(x + 0.5, y + 0.5, side - 1, side - 1, f"shade h{step}", note)
    if side >= 26:
        kind = ("over" if step > 4 else "under") + (" pale" if pale else "")
        number = words.figure(value, digits)
        parts += svg.text(x + side / 2, y + side / 2 + 4, number, f"field {kind}", "middle")
    return parts
