"""Charts of numbers: scores with intervals, curves, scatter, bars, PSTHs, traces."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from nwb_mtm.intervals import Value
from nwb_mtm.report import svg
from nwb_mtm.report.figures import Psth, Trace
from nwb_mtm.report.material import Overall, known
from nwb_mtm.report.svg import Scale
from nwb_mtm.report.words import HIDDEN, baseline_label, figure, interval, is_blind, signed

ROW = 21.0
LABEL = 11.0
TOP = 46.0
LEFT = 46.0
MOST_NOTES = 600  # dots with a note for the pointer; more dots are drawn as one path
SERIES = ("s1", "s2", "s3", "s4", "s5", "s6", "s7")


@dataclass(frozen=True)
class Row:
    """One line of a dot plot."""

    label: str
    found: Value
    kind: str
    number: bool = True
    parts: tuple[float, ...] = ()  # what the value is the mean of


def heading(title: str, note: str = "") -> list[str]:
    """A panel's title, and one line under it."""
    return [svg.text(0, 14, title, "title"), svg.text(0, 30, note, "note")]


def dot_rows(rows: Sequence[Row], title: str, note: str, label: str, *, origin: float = 0.0) -> str:
    """A dot with an interval on each line, the origin marked, the number at the right."""
    at = row_scale([*(r.found for r in rows), *(Value(p) for r in rows for p in r.parts)], origin)
    bottom = TOP + len(rows) * ROW + 2
    parts = [*heading(title, note), svg.axis_x(at, bottom, label, top=TOP - 6)]
    parts.append(svg.line(at(origin), TOP - 6, at(origin), bottom, "zero"))
    for index, row in enumerate(rows):
        y = TOP + ROW * (index + 0.5) - 2
        parts.append(svg.text(at.start - 10, y + 4, shorten(row.label, 20), f"row {row.kind}", "end"))
        parts += _dot_with_interval(row, at, y)
        if row.number and known(row.found):
            parts.append(svg.text(svg.WIDTH, y + 4, figure(row.found.value), f"number {row.kind}", "end"))
    said = "; ".join(f"{r.label} {figure(r.found.value)} ({interval(r.found)})" for r in rows if known(r.found))
    return svg.panel(bottom + 38, f"{title}, {label}: {said}", parts)


def row_scale(found: Sequence[Value], origin: float = 0.0) -> Scale:
    """An axis that holds all dots and their intervals, beside room for labels and numbers."""
    ends = [v for s in found for v in (s.value, s.low, s.high) if math.isfinite(v)]
    return svg.spanning([*ends, origin], 138, 290)


def _dot_with_interval(row: Row, at: Scale, y: float) -> list[str]:
    if not known(row.found):
        return [svg.text(at.start + 4, y + 4, "not scored", "note")]
    parts = [svg.dot(at(part), y, "part", radius=2.2) for part in row.parts]
    if math.isfinite(row.found.low):
        parts.append(svg.line(at(row.found.low), y, at(row.found.high), y, f"whisker {row.kind}"))
    note = f"{row.label}: {figure(row.found.value)} ({interval(row.found)})"
    mark = svg.diamond if row.kind == "oracle" else svg.dot
    parts.append(mark(at(row.found.value), y, f"mark {row.kind}", note))
    return parts


def score_panel(name: str, found: Overall) -> str:
    """Model, baselines and oracle of one score."""
    if found.model is None and not found.baselines:
        return svg.panel(
            60, f"{name}: not scored", [*heading(name, HIDDEN.get(name, "")), svg.text(0, 52, "not scored")]
        )
    tables = found.baselines
    order = sorted(tables, key=lambda b: (not is_blind(b), -nan_last(tables[b].bps_pooled.value)))
    rows = [Row("the model", found.model.bps_pooled if found.model else Value(math.nan), "model")]
    if "model" in found.guarded:
        rows.append(Row("the model, guarded", found.guarded["model"].bps_pooled, "plain"))
    rows += [Row(baseline_label(b), tables[b].bps_pooled, "blind" if is_blind(b) else "seeing") for b in order]
    if found.oracle:
        rows.append(Row("true rates", found.oracle.bps_pooled, "oracle"))
    return dot_rows(rows, name, HIDDEN.get(name, ""), "bits per spike, pooled over units")


def nan_last(value: float) -> float:
    """A number that sorts after all others when it is missing."""
    return value if math.isfinite(value) else -math.inf


def gain_mark(gain: Value, scale: Scale, kind: str) -> str:
    """The little chart beside a verdict: the gain's interval about zero."""
    if not known(gain):
        return ""
    parts = [
        svg.line(scale.start, 12, scale.stop, 12, "axis"),
        svg.line(scale(0), 3, scale(0), 21, "zero"),
        svg.line(scale(gain.low), 12, scale(gain.high), 12, f"whisker {kind}") if math.isfinite(gain.low) else "",
        svg.dot(scale(gain.value), 12, f"mark {kind}", radius=4.5),
    ]
    said = f"gain {signed(gain.value)}, interval {interval(gain)}"
    return svg.panel(24, said, parts, width=200, kind="small")


def curves(
    title: str,
    note: str,
    label: str,
    across: str,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    events: Mapping[str, float] = MappingProxyType({}),
    level: float | None = None,
) -> str:
    """Lines with their names at their right ends; moments as dashed lines, and a level where nothing is found."""
    left, top = LEFT, 58.0 + LABEL * len(events)
    bottom = top + 150.0
    right = 246.0 if max(map(len, series), default=0) < 14 else 222.0
    xs = [x for line, _ in series.values() for x in line]
    ys = [y for _, line in series.values() for y in line if math.isfinite(y)]
    at_x = Scale(min([0.0, *xs]), max(xs, default=1.0) or 1.0, left, right)
    at_y = svg.spanning(ys if level is None else [*ys, level], bottom, top)
    parts = [
        *heading(title, note),
        svg.axis_y(at_y, left, label, right=right),
        svg.axis_x(at_x, bottom, across),
    ]
    parts += _moments(events, at_x, (top, bottom))
    if level is not None:
        parts.append(svg.line(left, at_y(level), right, at_y(level), "zero"))
    ends = [(name, kind, at_y(last(heights))) for (name, (_, heights)), kind in zip(series.items(), SERIES)]
    for (x, y), kind in zip(series.values(), SERIES):
        parts.append(
            svg.polyline([at_x(v) for v in x], [at_y(v) if math.isfinite(v) else v for v in y], f"curve {kind}")
        )
    for (name, kind, end), height in zip(ends, svg.apart([end for _, _, end in ends], 13)):
        parts += [
            svg.line(right + 2, end, right + 9, height, f"lead {kind}"),
            svg.text(right + 12, height + 4, shorten(name, 17), f"tag {kind}"),
        ]
    said = "; ".join(f"{name} from {figure(first(v))} to {figure(last(v))}" for name, (_, v) in series.items())
    return svg.panel(bottom + 38, f"{title}, {label}: {said}", parts)


def _moments(events: Mapping[str, float], at: Scale, span: tuple[float, float]) -> list[str]:
    """A dashed line for every moment inside the axis, named at its top."""
    inside = [(name, time) for name, time in events.items() if at.low <= time <= at.high]
    parts = [svg.line(at(time), span[0], at(time), span[1], "event") for _, time in inside]
    heights = [span[0] - 4 - LABEL * row for row in reversed(range(len(inside)))]
    parts += [svg.line(at(t), y - 7, at(t), span[0], "event") for (_, t), y in zip(inside, heights)]
    return parts + [svg.text(at(t) + 4, y, shorten(n, 20), "moment") for (n, t), y in zip(inside, heights)]


def first(values: Sequence[float]) -> float:
    """The first value that is there."""
    return next((v for v in values if math.isfinite(v)), 0.0)


def last(values: Sequence[float]) -> float:
    """The last value that is there."""
    return first(list(reversed(values)))


def scatter(title: str, rates: Sequence[float], scores: Sequence[float], names: Sequence[str]) -> str:
    """Every unit's score against its firing rate, with the running median."""
    known = [(r, s, n) for r, s, n in zip(rates, scores, names) if math.isfinite(s) and r > 0]
    if not known:
        return svg.panel(60, f"{title}: no unit could be scored", [*heading(title, "no unit could be scored")])
    x, y, who = (list(column) for column in zip(*known))
    top = float(np.quantile(y, 0.995)) * 1.15 + 0.02
    low = max(float(np.quantile(y, 0.02)) * 1.3 - 0.02, -1.0)
    at_x = Scale(max(min(x) * 0.9, 0.01), max(x) * 1.1, 34, 334, log=True)
    at_y = Scale(min(low, -0.05), max(top, 0.1), 216, 52)
    parts = [*heading(title), svg.axis_y(at_y, 34, "bits per spike", right=334)]
    parts.append(svg.text(334, 14, f"{len(x):,} units", "note", "end"))
    parts += [
        svg.axis_x(at_x, 216, "firing rate in test windows (spikes/s)"),
        svg.line(34, at_y(0), 334, at_y(0), "zero"),
    ]
    if len(x) > MOST_NOTES:
        parts.append(svg.dots([at_x(v) for v in x], [at_y(v) for v in y], "units"))
    else:
        notes = [f"unit {n}: {figure(s)} at {r:.1f} spikes/s" for r, s, n in known]
        parts += [svg.dot(at_x(a), at_y(b), "unit", n, 2.6) for a, b, n in zip(x, y, notes)]
    parts.append(_running_median(np.array(x), np.array(y), at_x, at_y))
    share = sum(v > 0 for v in y) / len(y)
    said = f"{len(x)} units, {share:.0%} above 0, median {figure(float(np.median(y)))}"
    return svg.panel(254, f"{title}, score of each unit against its firing rate: {said}", parts)


def _running_median(x: np.ndarray, y: np.ndarray, at_x: Scale, at_y: Scale) -> str:
    groups = np.array_split(np.argsort(x), max(1, min(12, len(x) // 8)))
    middle = [(at_x(float(np.median(x[g]))), at_y(float(np.median(y[g])))) for g in groups]
    return svg.polyline([m[0] for m in middle], [m[1] for m in middle], "curve median")


def bars(title: str, note: str, counts: Mapping[str, int], label: str) -> str:
    """Counts as horizontal bars, longest first."""
    most = max(counts.values(), default=1)
    at = Scale(0, most, 96, 300)
    parts = heading(title, note)
    for index, (name, number) in enumerate(counts.items()):
        y = 42 + index * 18
        parts += [
            svg.text(88, y + 10.5, shorten(name, 14), "row", "end"),
            svg.rect(96, y + 1, at(number) - 96, 12, "bar"),
        ]
        parts.append(svg.text(at(number) + 5, y + 10.5, f"{number:,}", "number"))
    said = ", ".join(f"{name} {number}" for name, number in counts.items())
    return svg.panel(48 + len(counts) * 18, f"{title}, {label}: {said}", parts)


def psth_panel(psth: Psth, start: float, bin_size: float) -> str:
    """Recorded and predicted mean rate of one unit, a line for each condition."""
    left, right, top, bottom = 28.0, 246.0, 84.0, 204.0
    times = [start + (i + 0.5) * bin_size for i in range(psth.recorded.shape[1])]
    high = float(max(np.nanmax(psth.recorded + psth.error), np.nanmax(psth.predicted)))
    at_x, at_y = Scale(start, times[-1] + bin_size / 2, left, right), Scale(0, high * 1.05 or 1.0, bottom, top)
    title = f"{psth.role.capitalize()}: {shorten(f'unit {psth.unit}, {psth.region}', 24)}"
    parts = heading(title, f"{figure(psth.valid_bps, 2)} bits per spike in validation")
    parts += [svg.axis_y(at_y, left, "spikes/s", right=right), svg.axis_x(at_x, bottom, "seconds from the event")]
    if start < 0:
        parts.append(svg.line(at_x(0), top, at_x(0), bottom, "event"))
    x = [at_x(t) for t in times]
    for index, (name, kind) in enumerate(zip(psth.conditions, SERIES)):
        recorded, error, model = psth.recorded[index], psth.error[index], psth.predicted[index]
        lows, highs = ([at_y(float(v)) for v in edge] for edge in (recorded - error, recorded + error))
        parts += [svg.band(x, lows, highs, f"band {kind}")]
        parts += [svg.polyline(x, [at_y(float(v)) for v in recorded], f"curve thin {kind}")]
        parts += [svg.polyline(x, [at_y(float(v)) for v in model], f"curve {kind}")]
        parts += [_key((index % 2) * 125, 46 + index // 2 * 14, f"{shorten(name, 11)} ({psth.trials[index]})", kind)]
    peaks = zip(psth.conditions, psth.recorded.max(axis=1), psth.predicted.max(axis=1))
    said = ", ".join(f"{c}: recorded peak {r:.1f}, predicted peak {p:.1f} spikes/s" for c, r, p in peaks)
    return svg.panel(bottom + 38, f"{title}. {said}", parts, width=250)


def _key(x: float, y: float, name: str, kind: str) -> str:
    return svg.line(x, y, x + 12, y, f"curve {kind}") + svg.text(x + 16, y + 4, name, f"tag {kind}")


def trace_panel(trace: Trace) -> str:
    """A stretch of a measured series with its decoded one."""
    left, right, top, bottom = LEFT, 334.0, 62.0, 180.0
    both = [float(v) for v in np.concatenate([trace.measured, trace.decoded]) if math.isfinite(v)]
    at_x, at_y = Scale(0, len(trace.measured) * trace.bin_size, left, right), svg.spanning(both, bottom, top)
    x = [at_x((i + 0.5) * trace.bin_size) for i in range(len(trace.measured))]
    parts = [
        *heading(trace.name.rsplit("/", 1)[-1].replace("_", " ")),
        svg.axis_y(at_y, left, "", right=right),
    ]
    parts.append(svg.axis_x(at_x, bottom, "seconds of test time, windows side by side"))
    for values, kind, name, offset in (
        (trace.measured, "s0", "measured", 0),
        (trace.decoded, "s1", "decoded", 92),
    ):
        heights = [at_y(float(v)) if math.isfinite(v) else math.nan for v in values]
        parts += [svg.polyline(x, heights, f"curve {kind}"), _key(left + offset, 34, name, kind)]
    return svg.panel(bottom + 38, f"{trace.name}: measured and decoded values over a stretch of test time", parts)


def shorten(name: str, most: int) -> str:
    """A name that fits, with an ellipsis in place of what does not."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
