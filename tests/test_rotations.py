"""Splits in turn: every window is tested once, and no model is tested on time it has seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwb_mtm.binning import touches
from nwb_mtm.errors import ConfigError, RecordingError
from nwb_mtm.rotations import rotations
from nwb_mtm.splits import TEST, TRAIN, VALID


def trials(count: int, *, seed: int = 0, least: float = 2.2) -> tuple[np.ndarray, np.ndarray]:
    start = np.cumsum(np.random.default_rng(seed).uniform(least, 5.0, count))
    return start, start + 2.0


@given(st.sampled_from(["blocks", "random"]), st.integers(2, 10), st.integers(60, 400), st.integers(0, 5))
def test_every_window_is_tested_once(kind: str, folds: int, count: int, seed: int) -> None:
    start, stop = trials(count, seed=seed)
    splits = rotations(kind, start, stop, folds=folds, seed=seed)
    parts = np.array([split.parts(start, stop) for split in splits])
    assert ((parts == TEST).sum(axis=0) == 1).all()
    assert (parts == TRAIN).any(axis=1).all()
    assert (parts == VALID).any(axis=1).all()


@pytest.mark.parametrize("kind", ["blocks", "random"])
def test_tested_time_is_never_seen_by_its_model(kind: str) -> None:
    start, stop = trials(200)
    for split in rotations(kind, start, stop, folds=4):
        test = split.parts(start, stop) == TEST
        assert not touches(start[test], stop[test], split.seen).any()


def test_a_window_length_lies_between_test_blocks_and_what_was_seen() -> None:
    start = np.arange(0.0, 1800.0, 2.0)
    for split in rotations("blocks", start, start + 2.0, folds=5):
        gap = np.abs(split.test.reshape(-1)[:, None] - split.seen.reshape(-1)).min()
        assert gap > 2.0 - 1e-5


def test_windows_cut_later_are_tested_by_one_model_at_most() -> None:
    start, stop = trials(300)
    splits = rotations("blocks", start, stop, folds=5)
    late = np.arange(start.min(), stop.max() - 2.0, 0.37)
    parts = np.array([split.parts(late, late + 2.0) for split in splits])
    assert ((parts == TEST).sum(axis=0) <= 1).all()
    assert (parts == TEST).any(axis=0).mean() > 0.97


def test_overlapping_windows_stay_on_one_side() -> None:
    start, stop = trials(200, least=0.5)
    for split in rotations("random", start, stop, folds=3):
        parts = split.parts(start, stop)
        assert not touches(start[parts == TEST], stop[parts == TEST], split.seen).any()


def test_what_cannot_be_rotated_is_refused() -> None:
    start, stop = trials(100)
    with pytest.raises(ConfigError, match="blocks or random"):
        rotations("tail", start, stop, folds=3)
    with pytest.raises(RecordingError, match="too few"):
        rotations("blocks", start[:5], stop[:5], folds=5)
