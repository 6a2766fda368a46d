"""The few marks that the charts of a page are made of, as SVG text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 340.0  # of every panel: a panel is as wide as a phone, a page sets several side by side
LABEL_GAP = 12.0


@dataclass(frozen=True)
class Scale:
    """Values to pixels, on a straight or a logarithmic axis.

    >>> Scale(0, 10, 0, 100)(2.5), Scale(1, 100, 0, 100, log=True)(10)
    (25.0, 50.0)
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, self.clip(value)))
        return self.start + (at - low) / ((high - low) or 1.0) * (self.stop - self.start)

    def clip(self, value: float) -> float:
        """The value, or the nearer end of the axis."""
        return min(max(value, self.low), self.high)

    def ticks(self, count: int = 4) -> list[float]:
        """Round values inside the axis: 1, 2 or 5 times a power of ten (powers of ten on a log axis)."""
        if self.log:
            powers = range(math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
            return [10.0**p for p in powers]
        raw = (self.high - self.low) / max(count, 1) or 1.0
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(i * step, 10) for i in range(first, last + 1)]


def spanning(values: Sequence[float], start: float, stop: float, *, zero: bool = False, room: float = 0.06) -> Scale:
    """An axis over all finite values, with a little room at both ends."""
    finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    margin = (high - low) * room or 0.5 * abs(high) or 0.5
    return Scale(low - margin, high + margin, start, stop)


def plain(value: float) -> str:
    """A number as short as an axis wants it.

    >>> plain(0.1), plain(100.0), plain(-0.25), plain(12000)
    ('0.1', '100', '−0.25', '12,000')
    """
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "\u2212")


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """One line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def rect(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    """A rectangle, with a note for the pointer when there is one."""
    shape = f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" class="{kind}"'
    return f"{shape}><title>{escape(title)}</title></rect>" if title else f"{shape}/>"


def polyline(xs: Sequence[float], ys: Sequence[float], kind: str) -> str:
    """A line through points, broken where a point is missing."""
    parts, pen = [], "M"
    for x, y in zip(xs, ys):
        if not math.isfinite(y):
            pen = "M"
            continue
        parts.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return f'<path d="{"".join(parts)}" class="{kind}"/>' if parts else ""


def band(xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], kind: str) -> str:
    """The area between two lines."""
    there = "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, highs))
    back = "L".join(f"{x:.1f} {y:.1f}" for x, y in reversed(list(zip(xs, lows))))
    return f'<path d="M{there}L{back}Z" class="{kind}"/>'


def dots(xs: Sequence[float], ys: Sequence[float], kind: str) -> str:
    """Many equal dots in one path: lines of no length with round ends."""
    points = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in zip(xs, ys) if math.isfinite(y))
    return f'<path d="{points}" class="dots {kind}"/>' if points else ""


def dot(x: float, y: float, kind: str, title: str = "", radius: float = 4.0) -> str:
    """One dot, with a note for the pointer."""
    note = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{kind}">{note}</circle>'


def diamond(x: float, y: float, kind: str, title: str = "") -> str:
    """One diamond."""
    note = f"<title>{escape(title)}</title>" if title else ""
    return f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5Z" class="{kind}">{note}</path>'


def axis_x(scale: Scale, y: float, label: str, *, count: int = 4, top: float | None = None) -> str:
    """Ticks below, with light lines up to `top`, and a label."""
    parts = [line(scale.start, y, scale.stop, y, "axis")]
    for tick in scale.ticks(count):
        x = scale(tick)
        if top is not None:
            parts.append(line(x, top, x, y, "grid"))
        parts += [line(x, y, x, y + 4, "axis"), text(x, y + 15, plain(tick), "tick", "middle")]
    parts.append(text((scale.start + scale.stop) / 2, y + 31, label, "label", "middle"))
    return "".join(parts)


def axis_y(
    scale: Scale, x: float, label: str, *, count: int = 4, right: float | None = None, label_y: float | None = None
) -> str:
    """Ticks to the left, with light lines to `right`, and a label on top of the axis."""
    parts = []
    for tick in scale.ticks(count):
        y = scale(tick)
        if right is not None:
            parts.append(line(x, y, right, y, "grid"))
        parts.append(text(x - 6, y + 3.6, plain(tick), "tick", "end"))
    parts.append(text(0, label_y or min(scale.start, scale.stop) - 11, label, "label"))
    return "".join(parts)


def apart(wanted: Sequence[float], gap: float = LABEL_GAP) -> list[float]:
    """Heights as near as possible to those wanted, at least `gap` from each other.

    >>> apart([10.0, 12.0, 40.0])
    [5.0, 17.0, 40.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[tuple[list[int], float]] = []
    for index in order:
        members, middle = [index], wanted[index]
        while groups and middle - (len(members) - 1) * gap / 2 < groups[-1][1] + (len(groups[-1][0]) + 1) * gap / 2:
            before, _ = groups.pop()
            members = before + members
            middle = sum(wanted[i] for i in members) / len(members)
        groups.append((members, middle))
    placed = [0.0] * len(wanted)
    for members, middle in groups:
        for rank, index in enumerate(members):
            placed[index] = middle + (rank - (len(members) - 1) / 2) * gap
    return placed


def panel(height: float, label: str, parts: Sequence[str], *, width: float = WIDTH, kind: str = "") -> str:
    """One drawing, with the words a screen reader says instead of it."""
    box = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{escape(label)}" '
        f'class="panel {kind}">{"".join(parts)}</svg>'
    )
