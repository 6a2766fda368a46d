"""A clock is what the file says, unless what it says cannot be."""

import numpy as np
import pytest

from nwb_mtm.nwb.clocks import from_rate, from_timestamps, regular_rate

SPAN = (0.0, 100.0)


def test_a_slow_series_is_slow() -> None:
    clock = from_rate(0.5, 0.0, 50, SPAN)
    assert clock.rate == 0.5
    assert clock.stop == 98.0
    assert clock.note == ""


def test_a_period_is_read_as_one_when_the_rate_cannot_be() -> None:
    clock = from_rate(0.0004, 0.0, 250_000, SPAN)
    assert clock.rate == pytest.approx(2500.0)
    assert clock.stop == pytest.approx(99.9996)
    assert "period" in clock.note


def test_an_offset_is_the_start_only_beside_a_period() -> None:
    assert from_rate(0.02, 0.0, 4000, (30.0, 130.0), offset=30.0).start == 30.0
    assert from_rate(50.0, 0.0, 4000, (30.0, 130.0), offset=30.0).start == 0.0


def test_two_timestamps_are_the_first_and_the_last() -> None:
    clock = from_timestamps(np.array([1.0, 3.0]), 5)
    assert clock.times.tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert clock.rate == 2.0


def test_numbers_that_differ_are_a_problem() -> None:
    assert "5 samples but 4 timestamps" in from_timestamps(np.arange(4.0), 5).problem


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        (np.arange(100) / 30, 30.0),
        (1.5e9 + np.arange(1000) / 1000, 1000.0),
        (np.delete(np.arange(100) / 30, 50), None),
        (np.cumsum(np.random.default_rng(0).uniform(0.9, 1.1, 100)), None),
        (np.array([0.0, 1.0, np.nan]), None),
        (np.zeros(5), None),
    ],
)
def test_only_even_steps_have_a_rate(times: np.ndarray, rate: float | None) -> None:
    found = regular_rate(times, np.dtype("float64"))
    assert found is None if rate is None else found == pytest.approx(rate, rel=1e-4)
