"""Traits of units are what they are said to be, and come from training time alone."""

from dataclasses import replace

import numpy as np
import populations
from numpy import ndarray

from nwb_mtm.traits import FEW, NAMES, Traits, depths, traits_of
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

BINS = 50


def with_counts(counts: ndarray, labels: list[str] | None = None) -> Windows:
    """Windows of these counts."""
    one = populations.windows(labels or ["CA1"] * counts.shape[2], count=len(counts), bins=counts.shape[1])
    return replace(one, counts=counts.astype(np.uint8))


def trait(name: str, windows: Windows) -> ndarray:
    """One trait of all units."""
    return traits_of(windows)[:, NAMES.index(name)]


def test_traits_tell_regular_random_and_bursting_units_apart() -> None:
    rng = np.random.default_rng(0)
    counts = np.zeros((100, BINS, 3))
    counts[:, 2::5, 0] = 1  # every fifth bin
    counts[..., 1] = rng.poisson(0.2, (100, BINS))
    begins = rng.random((100, BINS)) < 0.05
    counts[..., 2] = 3 * begins + np.roll(begins, 1, axis=1)  # four spikes in two bins
    one = with_counts(counts)
    regular, random, _ = trait("local variation", one)
    assert regular == 0.0
    assert 0.6 < random < 1.1  # 20-ms bins take some of it
    np.testing.assert_allclose(trait("log rate", one), np.log(10), atol=0.15)
    np.testing.assert_allclose(trait("log interval", one)[0], np.log(0.1), atol=1e-6)
    assert trait("short intervals", one)[0] == 0
    assert trait("short intervals", one)[2] > 0.6
    dispersion = trait("dispersion", one)
    assert dispersion[0] < -2
    assert abs(dispersion[1]) < 0.3
    assert dispersion[2] > 0.8
    correlation = trait("correlation", one)
    assert correlation[0] < -0.2
    assert abs(correlation[1]) < 0.05
    assert correlation[2] > 0.2


def test_a_slow_unit_is_persistent() -> None:
    rng = np.random.default_rng(0)
    level = np.exp(rng.normal(size=(200, BINS // 10, 1))).repeat(10, axis=1)
    counts = np.concatenate([rng.poisson(level), rng.poisson(level.mean(), level.shape)], 2)
    slow, fast = trait("persistence", with_counts(counts))
    assert slow > fast + 0.1


def test_few_spikes_and_unobserved_bins_say_nothing() -> None:
    counts = np.zeros((20, BINS, 2))
    counts[:4, 10, 0] = 1
    counts[:, ::5, 1] = 1
    one = with_counts(counts)
    found = traits_of(one)
    assert counts[..., 0].sum() < FEW
    assert np.isfinite(found[0]).tolist() == [name == "log rate" for name in NAMES]
    assert np.isfinite(found[1]).sum() == len(NAMES) - 1  # all but depth
    seen = np.ones(counts.shape, bool)
    seen[10:, :, 1] = False
    garbled = counts.copy()
    garbled[10:, :, 1] = 9
    hidden = replace(with_counts(garbled), observed=seen)
    np.testing.assert_allclose(traits_of(hidden)[1], found[1], atol=0.1)


def test_depth_is_along_the_probe_from_the_middle_of_the_region() -> None:
    one = with_counts(np.zeros((2, BINS, 5)), ["CA1", "CA1", "CA1", "DG", "DG"])
    places = np.array([[0, 0, 100], [16, 0, 200], [0, 0, 300], [0, 0, 1000], [np.nan] * 3])
    found = depths(replace(one, units=replace(one.units, positions=places)))
    np.testing.assert_array_equal(found, [-100, 0, 100, 0, np.nan])


def test_traits_are_kept_for_every_session_with_their_stretch() -> None:
    first, second = (populations.windows(count=20, bins=10, seed=i, session=f"m/{i}") for i in (0, 1))
    found = Traits.measured([second.take(range(8)), first], Vocabulary.from_windows([first, second]))
    np.testing.assert_allclose(found.table[12:], traits_of(second.take(range(8))), rtol=1e-6)
    assert found.stretches["m/1"] == {"windows": 8, "seconds": 1.6, "first": 0.0, "last": 35.2}
    assert "depth" not in found.known
    again = Traits.from_json(found.to_json(), found.table)
    np.testing.assert_array_equal(again.table, found.table)
    fewer = Traits.from_json({**found.to_json(), "names": ["log rate", "something else"]}, found.table[:, :2])
    assert fewer.known == ("log rate",)
