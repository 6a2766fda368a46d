"""Bits per spike against references written from the formulas."""

import numpy as np
import pytest
from scipy.special import gammaln

from nwb_mtm import metrics
from nwb_mtm.evaluation.tallies import Tally, gain, verdict, windows_to_tell
from nwb_mtm.intervals import block_draws, interval, subject_draws, tail_share
from nwb_mtm.metrics import STATISTICS, bits_per_spike, sums, train_mean, unit_scores


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    rates = rng.gamma(2.0, 0.1, (30, 12, 7))
    counts = rng.poisson(rates)
    counts[..., 6] = 0
    return counts, rates.astype(np.float32)


def table(counts: np.ndarray, rates: np.ndarray) -> dict[str, float]:
    scores = unit_scores(sums(counts, rates).total(), counts.mean(axis=(0, 1)))
    return {name: float(statistic(scores)[0]) for name, statistic in STATISTICS.items()}


def nll(rates: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return rates - counts * np.log(rates) + gammaln(counts + 1.0)


def test_pooled_score_is_the_benchmarks_formula(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    counts, rates = drawn
    rates = rates.copy()
    rates[0, 0, 0] = 0.0
    floored = np.where(rates == 0, 1e-9, rates).astype(np.float64)
    null = np.broadcast_to(counts.mean(axis=(0, 1), keepdims=True), counts.shape)
    null = np.where(null == 0, 1e-9, null)
    expected = (nll(null, counts).sum() - nll(floored, counts).sum()) / counts.sum() / np.log(2)
    live = counts.sum(axis=(0, 1)) > 0
    silent = (nll(null, counts) - nll(floored, counts))[..., ~live].sum() / counts.sum() / np.log(2)
    assert table(counts, rates)["bps_pooled"] == pytest.approx(expected - silent, abs=1e-6)


def test_mean_score_is_the_published_mean_over_units_that_spike(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    counts, rates = drawn
    published = []
    for unit in range(counts.shape[2]):
        x, r = counts[..., unit], rates[..., unit].astype(np.float64)
        if x.sum():
            published.append((nll(np.full(x.shape, x.mean()), x).sum() - nll(r, x).sum()) / (np.log(2) * x.sum()))
    found = table(counts, rates)
    assert found["bps_mean"] == pytest.approx(np.mean(published), abs=1e-6)
    assert found["bps_median"] == pytest.approx(np.median(published), abs=1e-6)
    assert found["share_positive"] == pytest.approx(np.mean(np.array(published) > 0))
    assert np.isnan(bits_per_spike(counts, rates)[6])


def test_deviance_explained_follows_its_definition(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    counts, rates = drawn
    shares = []
    for unit in range(6):
        x, r = counts[..., unit].astype(float), rates[..., unit].astype(np.float64)
        best = nll(np.maximum(x, 1e-300), x).sum()
        null = nll(np.full(x.shape, x.mean()), x).sum()
        shares.append(1 - (nll(r, x).sum() - best) / (null - best))
    assert table(counts, rates)["d2_mean"] == pytest.approx(np.mean(shares), abs=1e-6)


def test_the_constant_model_scores_zero_against_the_null_it_is() -> None:
    rng = np.random.default_rng(1)
    train, test = rng.poisson(0.2, (40, 10, 5)), rng.poisson(0.25, (20, 10, 5))
    mean = train_mean(train)
    expected = np.broadcast_to(mean, test.shape)
    scores = unit_scores(sums(test, expected).total(), mean)
    assert np.abs(scores.bps_train_null).max() < 1e-12
    assert scores.bps.max() <= 0


def test_what_was_not_observed_or_not_predicted_is_not_scored(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    counts, rates = drawn
    valid = np.random.default_rng(2).random(counts.shape) < 0.7
    hidden = np.where(valid, rates, np.nan)
    absurd = np.where(valid, counts, 200)
    once, twice = sums(absurd, rates, valid=valid), sums(absurd, hidden)
    assert np.allclose(once.loss, twice.loss)
    assert np.array_equal(once.entries.sum(axis=0), valid.sum(axis=(0, 1)))


def test_resampled_sums_equal_sums_of_resampled_windows(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    counts, rates = drawn
    weights = block_draws(30, draws=3, seed=4)
    rows = np.repeat(np.arange(30), weights[1].astype(int))
    again = unit_scores(sums(counts[rows], rates[rows]).total(), np.full(7, 0.2))
    drawn_scores = unit_scores(sums(counts, rates).weighted(weights), np.full(7, 0.2))
    assert np.allclose(drawn_scores.bps[1], again.bps[0], equal_nan=True)


def test_a_model_that_sees_the_hidden_unit_is_beyond_the_truth() -> None:
    rng = np.random.default_rng(3)
    rates = rng.gamma(2.0, 0.1, (60, 20, 8)).astype(np.float32)
    counts = rng.poisson(rates)
    weights = block_draws(60)
    truth = Tally(sums(counts, rates), rates.mean(axis=(0, 1)), weights)
    cheat = Tally(sums(counts, 0.5 * rates + 0.5 * counts), rates.mean(axis=(0, 1)), weights)
    assert verdict(gain(cheat, truth, np.ones(8, bool))) == "better"


def test_the_paired_interval_is_shorter_than_an_unpaired_one() -> None:
    rng = np.random.default_rng(5)
    rates = (rng.gamma(2.0, 0.1, (60, 20, 8)) * rng.gamma(3, 1 / 3, (60, 1, 1))).astype(np.float32)
    counts = rng.poisson(rates)
    weights, every = block_draws(60), np.ones(8, bool)
    one, other = (Tally(sums(counts, rates * f), rates.mean(axis=(0, 1)), weights) for f in (1.0, 1.05))
    paired = gain(one, other, every)
    alone = one.table(every).bps_pooled
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)


def test_cannot_tell_says_how_many_windows_would() -> None:
    from nwb_mtm.intervals import Value

    assert windows_to_tell(Value(0.02, -0.01, 0.05), 60) > 60
    assert windows_to_tell(Value(0.02, 0.01, 0.03), 60) is None
    assert verdict(Value(float("nan"))) == "not scored"


def test_few_blocks_widen_the_interval() -> None:
    draws = np.random.default_rng(6).normal(size=2000)
    wide, narrow = interval(0.0, draws, units=8), interval(0.0, draws, units=1000)
    assert wide.high - wide.low > 1.15 * (narrow.high - narrow.low)
    assert tail_share(1) == 0.0


def test_subjects_are_resampled_before_sessions() -> None:
    weights = subject_draws(["a", "a", "a", "b"], draws=200, seed=0)
    by_subject = np.stack([weights[:, :3].sum(axis=1), weights[:, 3]])
    assert set(np.unique(by_subject[0])) <= {0.0, 3.0, 6.0}
    assert set(np.unique(by_subject[1])) <= {0.0, 1.0, 2.0}


def test_intervals_cover_the_expectation() -> None:
    """A small form of benchmarks/scores.py: 60 windows, 12 units, 200 data sets; at least 170 must cover."""
    rng = np.random.default_rng(7)
    base = rng.gamma(2.0, 0.05, (20, 12))
    weights = block_draws(60, draws=300)
    tallies = [
        Tally(sums(rng.poisson(base, (60, 20, 12)), np.broadcast_to(base, (60, 20, 12))), base.mean(axis=0), weights)
        for _ in range(200)
    ]
    every = np.ones(12, bool)
    values = [tally.table(every).bps_mean for tally in tallies]
    center = np.mean([value.value for value in values])
    assert sum(v.low <= center <= v.high for v in values) >= 170


def test_nothing_scored_gives_no_number_and_no_warning() -> None:
    empty = unit_scores(sums(np.zeros((3, 4, 2)), np.full((3, 4, 2), 0.1)).total(), np.full(2, 0.1))
    assert all(np.isnan(f(empty)[0]) for f in STATISTICS.values())
    assert metrics.sums(np.zeros((0, 4, 2)), np.zeros((0, 4, 2))).loss.shape == (0, 2)
