"""What the pictures are boiled down to: order and choice from training and validation, pictures from test."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwb_mtm.plot.order import leaf_order, shown_units
from nwb_mtm.recording import Intervals, Recording
from nwb_mtm.report import collect, figures
from nwb_mtm.report.blocks import example_block, to_levels
from nwb_mtm.windows import Windows


def windows(
    units: int = 24, trials: int = 40, *, tile: bool = False, rows: int | None = None
) -> tuple[Windows, Windows]:
    """Training and test windows of units that follow one of two courses, strewn at random."""
    rng = np.random.default_rng(0)
    start = 1 + 3.0 * np.arange(trials)
    early = np.arange(units) % 2 == 0
    trains = [
        np.sort(np.concatenate([s + (0.2 if e else 1.1) + rng.uniform(0, 0.4, 12) for s in start])) for e in early
    ]
    side = np.where(np.arange(trials) % 3 == 0, "left", "right")
    table = Intervals(start, start + 2, {"side": side}, targets=("side",))
    regions = ["A"] * (units // 2) + ["B"] * (units - units // 2)
    recording = Recording.from_arrays(trains, session="s", regions=regions, trials=table)
    made = Windows.tile(recording) if tile else Windows.around(recording, before=0.0, after=2.0)
    train, _, test = made.split()
    return train, test


def expected(test: Windows) -> np.ndarray:
    """A prediction that is right: the mean of the test windows."""
    mean = np.where(test.valid, test.counts, 0).sum(axis=0) / test.valid.sum(axis=0)
    return mean[None].repeat(len(test), 0).astype(np.float32)


def boiled(**changes: object) -> figures.Figures:
    train, test = windows()
    flat = np.full(test.counts.shape, test.counts.mean())
    parts = {
        "co-smoothing": expected(test),
        "forward": np.where(np.arange(test.bins)[:, None] < 90, np.nan, expected(test)),
    }
    return collect(
        train, test, parts, {"co-smoothing": ("constant", flat)}, valid_bps=np.linspace(-1, 1, 24), **changes
    )  # type: ignore[arg-type]


def test_units_that_fire_together_become_neighbours() -> None:
    train, _ = windows()
    order = leaf_order(train, np.arange(12), True)
    early = order % 2 == 0
    assert sorted(order) == list(range(12))
    assert np.abs(np.diff(early.astype(int))).sum() == 1


def test_row_order_does_not_look_at_test_windows() -> None:
    train, test = windows()
    parts = {"co-smoothing": expected(test)}
    one = collect(train, test, parts, {})
    shuffled = replace(test, counts=np.random.default_rng(1).permuted(test.counts, axis=2))
    other = collect(train, shuffled, parts, {})
    assert one.units == other.units


def test_regions_stay_together_and_the_unknown_come_last() -> None:
    train, _ = windows()
    names = ["unknown", "A", "B"] * 8
    mixed = replace(train, units=replace(train.units, regions=tuple(names)))
    rows = shown_units(mixed, averaged=True, most=100)
    found = [names[i] for i in rows]
    assert found == sorted(found, key=["A", "B", "unknown"].index)


def test_best_median_and_worst_are_chosen_on_validation() -> None:
    found = {p.role: p for p in boiled().psths}
    assert found["best"].unit == "23"
    assert found["worst"].unit == "0"
    assert found["best"].conditions == ("left", "right")
    assert sum(found["best"].trials) == boiled().windows


def test_a_right_prediction_looks_like_the_recording() -> None:
    found = boiled()
    assert np.abs(found.recorded.astype(int) - found.predicted["co-smoothing"]).max() <= 2


def test_what_was_not_predicted_is_left_blank() -> None:
    forward = boiled().predicted["forward"]
    assert (forward[:, :80] == figures.NOTHING).all()
    assert (forward[:, 91:] < figures.NOTHING).all()


def test_many_units_and_bins_are_thinned() -> None:
    found = boiled(most_units=10, most_bins=30)
    assert found.recorded.shape[0] == 10
    assert found.recorded.shape[1] <= 30
    assert found.bin_size == pytest.approx(0.08)


def test_windows_without_an_event_are_shown_as_a_stretch() -> None:
    train, test = windows(tile=True)
    found = collect(train, test, {"co-smoothing": expected(test)}, {}, valid_bps=np.zeros(24))
    assert not found.averaged
    assert found.windows <= 4
    assert found.recorded.shape[1] == found.windows * 100
    assert found.psths == ()


def test_figures_survive_their_file(tmp_path: Path) -> None:
    trace = np.random.default_rng(0).normal(size=(5, 100))
    one = boiled(decoded={"wheel": (trace, trace)})
    (back,) = figures.load(figures.save([one], tmp_path / figures.NAME))
    assert back.units == one.units
    assert back.psths[0].conditions == one.psths[0].conditions
    np.testing.assert_array_equal(back.recorded, one.recorded)
    np.testing.assert_array_equal(back.examples[0].block, one.examples[0].block)
    np.testing.assert_array_equal(back.traces[0].measured, one.traces[0].measured)


@pytest.mark.parametrize("score", ["co-smoothing", "forward", "inter-region", "intra-region"])
def test_the_hidden_block_is_whole_and_only_holds_what_was_predicted(score: str) -> None:
    known = np.ones((40, 20), bool)
    if score == "forward":
        known[:, :18] = False
    block = example_block(score, ["A"] * 25 + ["B"] * 15, known)
    rows = np.flatnonzero(block.covered[block.order].any(axis=1))
    assert len(rows)
    assert (np.diff(rows) == 1).all()
    assert not (block.covered & ~known).any()
    assert not (block.covered & block.unseen).any()


@given(st.lists(st.floats(0, 1e3), min_size=2, max_size=30))
def test_levels_keep_the_order_of_values(values: list[float]) -> None:
    row = np.array([values])
    levels = to_levels(row, row.min(axis=1, keepdims=True), row.max(axis=1, keepdims=True))[0]
    order = np.argsort(row[0], kind="stable")
    assert (np.diff(levels[order].astype(int)) >= 0).all()
    assert levels.max() < figures.NOTHING
