"""The simulator keeps the figures it promises, and its truth is the truth."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from nwb_mtm import synthetic
from nwb_mtm.binning import bin_edges, bin_spikes
from nwb_mtm.errors import ConfigError
from nwb_mtm.recording import Recording
from nwb_mtm.synthetic import FLAWS, Simulated, simulate
from nwb_mtm.windows import Windows

PENALTIES = (100, 300, 1000, 3000, 10000, 30000)


@pytest.fixture(scope="module")
def default() -> Simulated:
    return next(simulate(sessions=1))


@pytest.fixture(scope="module")
def figures(default: Simulated) -> dict[str, float]:
    return measure(default)


def planted(*flaws: str, units: int = 40, trials: int = 20) -> Simulated:
    return next(simulate(sessions=1, units=units, trials=trials, flaws=flaws))


def test_mean_rate_is_that_of_a_usual_recording() -> None:
    for session in simulate(sessions=2, units=60, trials=30, seed=3):
        spikes = session.recording.spikes.counts.sum() / session.rates.shape[0] / 0.01 / session.rates.shape[1]
        assert 4 < spikes < 8


def test_psth_explains_little_of_the_oracle(figures: dict[str, float]) -> None:
    assert 0.05 < figures["psth"] / figures["oracle"] < 0.40


def test_units_of_one_region_tell_more_than_other_regions(figures: dict[str, float]) -> None:
    assert figures["inter-region"] > 0.05
    assert figures["co-smoothing"] > 1.2 * figures["inter-region"]


def test_last_bins_copied_forward_fall_short(figures: dict[str, float]) -> None:
    assert figures["oracle forward"] > 0.1
    assert figures["copied"] < 0.6 * figures["oracle forward"]


def test_spikes_follow_the_rates(default: Simulated) -> None:
    counted = default.recording.spikes.counts
    expected = default.rates.sum(axis=0, dtype=np.float64) * 0.01
    assert np.abs((counted - expected) / np.sqrt(expected)).max() < 5


def test_same_seed_same_session() -> None:
    first, again = planted(), planted()
    other = next(simulate(sessions=1, units=40, trials=20, seed=1))
    assert np.array_equal(first.recording.spikes.times, again.recording.spikes.times)
    assert not np.array_equal(first.rates[:100], other.rates[:100])


def test_sessions_differ_but_share_regions_and_couplings() -> None:
    first, second = simulate(sessions=2, units=40, trials=10)
    assert set(first.recording.units.regions) == set(second.recording.units.regions)
    assert first.truth["couplings"] == second.truth["couplings"]
    assert first.recording.key != second.recording.key
    assert not set(first.recording.fingerprint) & set(second.recording.fingerprint)


def test_behavior_has_its_own_clocks(default: Simulated) -> None:
    wheel, whisking = default.recording.behaviors.values()
    assert np.median(np.diff(wheel.times)) == pytest.approx(0.01, rel=0.05)
    assert np.diff(whisking.times).std() < 1e-9


@pytest.mark.parametrize("flaw", FLAWS)
def test_every_flaw_has_its_truth_beside_it(flaw: str) -> None:
    session = planted(flaw)
    assert session.truth["flaws"][flaw]
    assert json.loads(json.dumps(session.truth)) == session.truth
    assert len(session.recording.units) == session.rates.shape[1]
    if flaw != "two-files":
        expected = session.rates.sum(axis=0, dtype=np.float64) * 0.01
        assert np.abs((session.recording.spikes.counts - expected) / np.sqrt(expected + 1)).max() < 6


def test_split_halves_make_up_the_unit() -> None:
    clean, split = planted(), planted("split-units")
    for first, second in split.truth["flaws"]["split-units"]["pairs"]:
        both = np.sort(np.concatenate([split.recording.spikes[first], split.recording.spikes[second]]))
        assert np.diff(both).min() >= 2.5e-3
        assert np.isin(both, clean.recording.spikes[first]).all()
        assert len(both) > 0.8 * len(clean.recording.spikes[first])
        assert split.recording.units.electrodes[first] == split.recording.units.electrodes[second]


def test_duplicates_fire_within_a_millisecond() -> None:
    session = planted("duplicates")
    for first, second in session.truth["flaws"]["duplicates"]["pairs"]:
        apart = session.recording.spikes[second] - session.recording.spikes[first]
        assert np.abs(apart).max() < 1e-3


def test_bleeding_spikes_are_in_both_units() -> None:
    session = planted("bleed")
    for source, target in session.truth["flaws"]["bleed"]["pairs"]:
        shared = np.isin(
            np.round(session.recording.spikes[source] + 5e-5, 7),
            np.round(session.recording.spikes[target], 7),
        )
        assert 0.2 < shared.mean() < 0.5


def test_common_noise_hits_one_probe() -> None:
    truth = (session := planted("common-noise")).truth["flaws"]["common-noise"]
    assert {session.recording.units.groups[i] for i in truth["units"]} == {truth["probe"]}


def test_vanished_units_are_silent_afterwards() -> None:
    session = planted("vanishing")
    truth = session.truth["flaws"]["vanishing"]
    for unit, time in zip(truth["units"], truth["time"]):
        assert session.recording.spikes[unit].max() <= time + 0.01


def test_unknown_probe_has_no_regions() -> None:
    units = planted("unknown-probe").recording.units
    unknown = [group for group, region in zip(units.groups, units.regions) if region == "unknown"]
    known = [group for group, region in zip(units.groups, units.regions) if region != "unknown"]
    assert set(known) == {"probe00"}
    assert unknown.count("probe00") == pytest.approx(len(known) / 2, abs=3)


def test_overlapping_trials_overlap() -> None:
    trials = planted("overlapping-trials").recording.trials
    assert trials is not None
    assert (trials.stop[:-1] > trials.start[1:]).any()


def test_confounded_choice_follows_the_clock() -> None:
    trials = planted("clock-confounded-choice", trials=120).recording.trials
    assert trials is not None
    choice = trials.columns["choice"]
    assert (choice[1:] != choice[:-1]).sum() <= 6


def test_laser_silences_one_region() -> None:
    clean, lit = planted(), planted("laser")
    truth = lit.truth["flaws"]["laser"]
    assert lit.rates[:, truth["units"]].sum() < clean.rates[:, truth["units"]].sum()
    assert lit.recording.trials is not None
    assert np.flatnonzero(lit.recording.trials.columns["laser"]).tolist() == truth["trials"]


def test_two_files_hold_one_session() -> None:
    parts = list(simulate(sessions=1, units=40, trials=10, flaws=("two-files",)))
    whole = planted(trials=10)
    assert [p.recording.key for p in parts] == [whole.recording.key] * 2
    assert len({p.recording.source.name for p in parts}) == 2
    assert sum(len(p.recording.units) for p in parts) == len(whole.recording.units)


def test_all_flaws_at_once() -> None:
    parts = list(simulate(sessions=1, units=60, trials=20, flaws=FLAWS))
    assert set(parts[0].truth["flaws"]) == set(FLAWS)


def test_unknown_flaw_is_said_plainly() -> None:
    with pytest.raises(ConfigError, match="no flaw 'spikes'"):
        next(simulate(flaws=("spikes",)))


def test_truth_is_found_beside_the_file(tmp_path: object) -> None:
    from pathlib import Path

    session = planted(units=20, trials=3)
    (path,) = synthetic.write_dandiset(Path(str(tmp_path)), [session])
    truth = synthetic.read_truth(path)
    assert truth is not None
    assert np.array_equal(truth.rates, session.rates)
    assert truth.t0 == 0.0
    assert synthetic.read_facts(path)["couplings"] == session.truth["couplings"]


def test_truth_of_another_file_is_not_taken(tmp_path: object) -> None:
    from pathlib import Path

    assert synthetic.read_truth(Path(str(tmp_path)) / "sub-1" / "real.nwb") is None


# References in plain numpy, apart from the package's own scores.


def measure(session: Simulated) -> dict[str, float]:
    """The figures by which the simulation is fixed; 2-s windows around the stimulus, 20-ms bins."""
    windows = Windows.around(session.recording, "stim_on_time", before=0.5, after=1.5, bin_size=0.02)
    counts = windows.counts.astype(float)
    order = np.random.default_rng(42).permutation(len(counts))
    train, valid, test = np.split(order, [int(0.7 * len(counts)), int(0.8 * len(counts))])
    expected = true_counts(session, windows.start, counts.shape[1], 0.02)[test]
    psth = gaussian_filter1d(counts[train].mean(axis=0), 1.5, axis=0)
    last = slice(-max(1, round(0.1 * counts.shape[1])), None)
    found = ridge(counts, np.array(session.recording.units.regions), train, valid, test)
    return {
        **found,
        "oracle": bits(expected, counts[test]),
        "psth": bits(np.broadcast_to(psth, counts[test].shape), counts[test]),
        "oracle forward": bits(expected[:, last], counts[test][:, last]),
        "copied": max(copied(counts, train, test, last)),
    }


def bits(rate: ndarray, counts: ndarray) -> float:
    rate, null = np.maximum(rate, 1e-3), counts.mean(axis=(0, 1))
    spikes = counts.sum(axis=(0, 1))
    fires = spikes > 0
    gained = (counts * np.log(rate) - rate).sum(axis=(0, 1))[fires]
    gained -= (counts[..., fires] * np.log(null[fires]) - null[fires]).sum(axis=(0, 1))
    return float(np.mean(gained / spikes[fires] / np.log(2)))


def true_counts(session: Simulated, start: ndarray, bins: int, bin_size: float) -> ndarray:
    edges = bin_edges(start - session.t0, bins, bin_size)
    summed = (
        np.concatenate([np.zeros((1, session.rates.shape[1])), np.cumsum(session.rates, axis=0, dtype=float)]) * 0.01
    )
    grid = np.arange(len(summed)) * 0.01
    return np.stack([np.diff(np.interp(edges, grid, column), axis=1) for column in summed.T], axis=-1)


def ridge(counts: ndarray, regions: ndarray, train: ndarray, valid: ndarray, test: ndarray) -> dict[str, float]:
    smooth = gaussian_filter1d(counts, 1.5, axis=1, mode="reflect")
    mean = smooth[train].mean(axis=(0, 1))
    rows = (smooth[train] - mean).reshape(-1, counts.shape[2])
    gram = rows.T @ rows
    found = {}
    for name, weights in (("co-smoothing", leave_out), ("inter-region", across)):
        trials = [weights(gram, penalty, regions) for penalty in PENALTIES]
        score = [bits((smooth[valid] - mean) @ w + mean, counts[valid]) for w in trials]
        best = trials[int(np.argmax(score))]
        found[name] = bits((smooth[test] - mean) @ best + mean, counts[test])
    return found


def leave_out(gram: ndarray, penalty: float, regions: ndarray) -> ndarray:
    inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def across(gram: ndarray, penalty: float, regions: ndarray) -> ndarray:
    weights = np.zeros_like(gram)
    for region in set(regions.tolist()):
        mine = regions == region
        other = gram[np.ix_(~mine, ~mine)] + penalty * np.eye(int((~mine).sum()))
        weights[np.ix_(~mine, mine)] = np.linalg.solve(other, gram[np.ix_(~mine, mine)])
    return weights


def copied(counts: ndarray, train: ndarray, test: ndarray, last: slice) -> Iterator[float]:
    mean = counts[train].mean(axis=(0, 1))
    hidden = counts[test][:, last]
    seen = counts[test][:, : -hidden.shape[1]]
    for bins in (1, 5, 10, 20, 50):
        for prior in (0, 3, 10, 30):
            level = (seen[:, -bins:].sum(axis=1, keepdims=True) + prior * mean) / (bins + prior)
            yield bits(np.broadcast_to(level, hidden.shape), hidden)


def test_counts_cover_all_spikes_inside_windows(default: Simulated) -> None:
    recording: Recording = default.recording
    counts = bin_spikes(recording.spikes, np.array([0.0]), bins=10, bin_size=1.0)
    assert counts.sum() == sum(int(((t >= 0) & (t < 10)).sum()) for t in (recording.spikes[i] for i in range(150)))
