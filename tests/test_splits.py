"""What was seen in training or selection is never scored as test, however it is cut later."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy import ndarray

from nwb_mtm import splits
from nwb_mtm.binning import touches
from nwb_mtm.errors import ConfigError, RecordingError
from nwb_mtm.splits import DROPPED, TEST, TRAIN, VALID, Split, make_split

KINDS = ("blocks", "random", "tail")


def trials(count: int = 300, *, gap: float = 2.0, width: float = 2.0, seed: int = 0) -> tuple[ndarray, ndarray]:
    """Windows around trials that come at irregular times, never overlapping."""
    start = np.cumsum(width + gap * np.random.default_rng(seed).random(count))
    return start, start + width


def shared_seconds(split: Split, start: ndarray, stop: ndarray) -> ndarray:
    """Seconds each window shares with time that trained, selected or was left unused, the slow way."""
    total = np.zeros(len(start))
    for low, high in np.concatenate([split.train, split.valid, split.guard]):
        total += np.clip(np.minimum(stop, high) - np.maximum(start, low), 0, None)
    return total


OTHER_CUTS = {
    "other bins": lambda s, w: (s, s + w),
    "other alignment": lambda s, w: (s - 0.7, s - 0.7 + w),
    "tiles": lambda s, w: (np.arange(s[0], s[-1], 0.5), np.arange(s[0], s[-1], 0.5) + 0.5),
    "long windows": lambda s, w: (s - 10, s + 20),
    "54,000 events": lambda s, w: (np.linspace(0, s[-1], 54_000), np.linspace(0, s[-1], 54_000) + 0.4),
}


@pytest.mark.parametrize(("kind", "cut"), itertools.product(KINDS, OTHER_CUTS))
def test_time_that_was_seen_is_never_test(kind: str, cut: str) -> None:
    start, stop = trials()
    split = make_split(kind, start, stop, seed=1)
    other_start, other_stop = OTHER_CUTS[cut](start, 2.0)
    part = split.parts(other_start, other_stop)
    assert not shared_seconds(split, other_start, other_stop)[part == TEST].any()
    inside = part == TRAIN
    assert not touches(other_start[inside], other_stop[inside], split.test).any()


@given(
    start=st.lists(st.integers(0, 4000), min_size=20, max_size=80, unique=True),
    width=st.integers(1, 60),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 5),
    reach=st.floats(0, 5),
)
def test_no_overlap_of_windows_crosses_the_parts(
    start: list[int], width: int, kind: str, seed: int, reach: float
) -> None:
    low = np.sort(np.array(start, float))
    high = low + width
    split = make_split(kind, low, high, seed=seed)
    part = split.parts(low, high, reach=reach)
    for a, b in ((TRAIN, TEST), (VALID, TEST), (TRAIN, VALID)):
        assert not touches(low[part == a], high[part == a], np.stack([low, high], 1)[part == b]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_reach_widens_what_was_seen(kind: str) -> None:
    start, stop = trials(gap=0.2)
    split = make_split(kind, start, stop)
    test = split.parts(start, stop, reach=1.0) == TEST
    assert not touches(start[test] - 1.0, stop[test] + 1.0, split.seen).any()


@pytest.mark.parametrize("kind", KINDS)
def test_shares_are_about_those_asked_for(kind: str) -> None:
    start, stop = trials(1000)
    part = make_split(kind, start, stop, seed=3).parts(start, stop)
    shares = [float((part == p).mean()) for p in (TRAIN, VALID, TEST)]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.05)
    assert (part == DROPPED).mean() < 0.04


def test_blocks_are_interleaved_and_one_window_apart() -> None:
    start, stop = trials(2000)
    split = make_split("blocks", start, stop)
    assert len(split.test) >= 3
    for one, other in itertools.permutations([split.train, split.valid, split.test], 2):
        for low, high in one:
            assert not touches(np.array([low - 1.99]), np.array([high + 1.99]), other).any()


@pytest.mark.parametrize("minutes", [1, 20, 200])
def test_there_are_at_least_ten_blocks(minutes: int) -> None:
    start = np.arange(0.0, minutes * 60, 2.0)
    split = make_split("blocks", start, start + 2)
    part = split.parts(start, start + 2)
    assert {TRAIN, VALID, TEST} <= set(part.tolist())
    changes = (np.diff(part[part != DROPPED]) != 0).sum()
    assert changes >= 4


def test_tail_keeps_the_order_of_time() -> None:
    start, stop = trials()
    part = make_split("tail", start, stop).parts(start, stop)
    assert start[part == TRAIN].max() < start[part == VALID].min() < start[part == TEST].min()


@pytest.mark.parametrize("kind", ["blocks", "random"])
def test_the_seed_of_the_split_decides_and_repeats(kind: str) -> None:
    start, stop = trials()
    parts = [make_split(kind, start, stop, seed=seed).parts(start, stop).tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1]
    assert parts[0] != parts[2]


def test_random_drops_no_window_that_overlaps_none() -> None:
    start, stop = trials()
    part = make_split("random", start, stop).parts(start, stop)
    assert not (part == DROPPED).any()


def test_windows_end_to_end_are_no_overlap() -> None:
    start = np.arange(500) * 2.0
    part = make_split("random", start, start + 2.0).parts(start, start + 2.0)
    assert not (part == DROPPED).any()
    assert set(part.tolist()) == {TRAIN, VALID, TEST}


def test_windows_that_overlap_fall_on_one_side_or_are_dropped() -> None:
    start = np.repeat(np.arange(100) * 10.0, 2) + np.tile([0.0, 1.0], 100)
    part = make_split("random", start, start + 2.0).parts(start, start + 2.0)
    assert (part[::2] == part[1::2]).all()


def test_a_chain_of_overlaps_still_gives_all_parts() -> None:
    start = np.arange(0.0, 600.0, 0.5)
    part = make_split("random", start, start + 2.0).parts(start, start + 2.0)
    assert {TRAIN, VALID, TEST} <= set(part.tolist())


def test_the_order_of_windows_does_not_matter() -> None:
    start, stop = trials()
    order = np.random.default_rng(0).permutation(len(start))
    sorted_parts = make_split("blocks", start, stop).parts(start, stop)
    mixed = make_split("blocks", start[order], stop[order]).parts(start[order], stop[order])
    assert mixed.tolist() == sorted_parts[order].tolist()


def test_a_column_decides() -> None:
    start, stop = trials(6)
    labels = ["train", "Train ", "val", "test", "none", "train"]
    part = splits.by_column(start, stop, labels, name="split").parts(start, stop)
    assert part.tolist() == [TRAIN, TRAIN, VALID, TEST, TEST, TRAIN]


def test_a_column_without_test_rows_scores_on_its_validation_rows() -> None:
    start, stop = trials(200)
    labels = ["val" if i % 4 == 0 else "train" for i in range(200)]
    part = splits.by_column(start, stop, labels, name="split").parts(start, stop)
    assert (part[::4] == TEST).all()
    assert (part[part != TEST] == VALID).any()


def test_a_column_of_other_words_is_refused() -> None:
    start, stop = trials(3)
    with pytest.raises(RecordingError, match="needs 'train' and 'val' or 'test' rows"):
        splits.by_column(start, stop, ["a", "b", "c"], name="split")


def test_an_unknown_split_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="blocks, random, tail, column:NAME"):
        make_split("blokcs", *trials(20))


def test_nothing_to_split_is_said() -> None:
    with pytest.raises(RecordingError, match="no windows to split"):
        make_split("blocks", np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_survives_being_written(kind: str) -> None:
    start, stop = trials()
    split = make_split(kind, start, stop, seed=4)
    again = Split.from_json(split.to_json())
    assert again.parts(start, stop).tolist() == split.parts(start, stop).tolist()
    assert (again.kind, again.seed) == (kind, 4)


def test_widening_training_time_leaves_test_and_validation_alone() -> None:
    start, stop = trials()
    split = make_split("random", start, stop, seed=2)
    wide = split.widened((start[0] - 50, stop[-1] + 50), margin=1.0)
    part, later = split.parts(start, stop), wide.parts(start, stop)
    assert later.tolist() == part.tolist()
    assert np.diff(wide.train).sum() > np.diff(split.train).sum()
