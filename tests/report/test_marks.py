"""Scales, labels and images: the small parts that every chart is made of."""

import math
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nwb_mtm.report import images, svg

FINITE = st.floats(-1e6, 1e6)


@given(st.lists(FINITE, min_size=1, max_size=20))
def test_an_axis_holds_all_its_values(values: list[float]) -> None:
    scale = svg.spanning(values, 0, 100)
    assert all(-1e-6 <= scale(v) <= 100 + 1e-6 for v in values)


@given(FINITE, st.floats(1e-3, 1e6))
def test_ticks_lie_inside_the_axis_and_are_few(low: float, width: float) -> None:
    ticks = svg.Scale(low, low + width, 0, 100).ticks()
    assert len(ticks) <= 6
    assert all(low - width * 1e-6 <= t <= low + width * (1 + 1e-6) for t in ticks)


@given(st.lists(st.floats(0, 300), max_size=12))
def test_labels_keep_apart_and_in_order(wanted: list[float]) -> None:
    placed = svg.apart(wanted, 12)
    assert all(b - a >= 12 - 1e-6 for a, b in zip(sorted(placed), sorted(placed)[1:]))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    assert all(placed[a] <= placed[b] + 1e-6 for a, b in zip(order, order[1:]))


def test_a_line_is_broken_where_a_point_is_missing() -> None:
    assert svg.polyline([0, 1, 2, 3], [0, 1, math.nan, 3], "curve").count("M") == 2


def test_an_image_holds_the_levels_it_was_given() -> None:
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    code = images.png(levels)
    start = code.index(b"IDAT") + 4
    size = int.from_bytes(code[start - 8 : start - 4], "big")
    rows = np.frombuffer(zlib.decompress(code[start : start + size]), np.uint8).reshape(3, 5)
    np.testing.assert_array_equal(rows[:, 1:], levels)


def test_the_palette_darkens_steadily() -> None:
    lightness = images.palette()[:255] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) <= 0.5).all()
    assert lightness[0] - lightness[-1] > 200
