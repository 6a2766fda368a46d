"""Decoding: planted labels and series are found, chance is not, and time leaks nowhere."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from nwb_mtm import splits
from nwb_mtm.decoding.clock import previous_labels
from nwb_mtm.decoding.cross import cross_fit, cross_fit_labels, cross_fit_series
from nwb_mtm.decoding.decoder import DecodingConfig, decode
from nwb_mtm.decoding.features import PUBLISHED, TrialFeatures, series_features, trailing
from nwb_mtm.decoding.fit import Basis, Products, choose_ridge, fit_ridge, fit_softmax
from nwb_mtm.decoding.folds import apart, consecutive_folds, session_folds
from nwb_mtm.decoding.lags import choose_lag, lagged
from nwb_mtm.decoding.metrics import SeriesSums, auc, confusion, weighted_auc
from nwb_mtm.decoding.nulls import (
    has_long_runs,
    memory,
    p_value,
    permuted_labels,
    run_numbers,
    runs_matter,
    whole_runs,
    window_shifts,
)
from nwb_mtm.decoding.problem import SeriesProblem
from nwb_mtm.decoding.sentences import decoding_lines
from nwb_mtm.decoding.series import decode_series
from nwb_mtm.decoding.sessions import across_sessions
from nwb_mtm.decoding.targets import Labels, choose, events_inside, giveaway, is_position, labels_of
from nwb_mtm.decoding.trials import LabelProblem, decode_trials, fit_labels, null_auc, score_labels
from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import Behavior, Intervals, Recording
from nwb_mtm.windows import Windows

QUICK = DecodingConfig(permutations=39, draws=50, sliding_permutations=39)
COUNT, BINS, BIN = 120, 20, 0.05


def session(rng, *, coupling=1.5, columns=None, behaviors=(), units=16):
    """Two regions; the first fires with the label, 0.3 s after the trial's event, and with a slow series."""
    choice = rng.integers(0, 2, COUNT)
    event = 2.0 + 3.0 * np.arange(COUNT)
    edges = np.arange(0, event[-1] + 3, BIN)
    rate = np.full((len(edges), units), 8.0)
    wheel = np.convolve(rng.standard_normal(len(edges)), np.ones(6) / 6, mode="same") * 2.5
    for trial, at in enumerate(event):
        late = (edges >= at + 0.3) & (edges < at + 0.8)
        rate[late, : units // 2] *= np.exp(coupling * (choice[trial] - 0.5))
    rate[:, : units // 4] *= np.exp(0.5 * coupling * wheel[:, None])
    counts = rng.poisson(rate * BIN)
    trains = [np.sort(np.repeat(edges, c) + rng.random(c.sum()) * BIN) for c in counts.T]
    table = {"choice": np.array(["left", "right"])[choice], "cue_time": event, "response_time": event + 0.9}
    table |= columns or {}
    trials = Intervals(
        event - 0.5, event + 1.0, table, events=("cue_time", "response_time"), targets=("choice", *(columns or {}))
    )
    series = (Behavior("/processing/behavior/wheel_velocity", edges + BIN / 2, wheel[:, None]), *behaviors)
    recording = Recording.from_arrays(
        trains, session="a", regions=["A"] * (units // 2) + ["B"] * (units // 2), trials=trials, behaviors=series
    )
    return Windows.around(recording, "cue_time", before=0.2, after=0.8, bin_size=BIN).with_split("blocks")


@pytest.fixture(scope="module")
def found():
    windows = session(np.random.default_rng(0))
    return windows, decode(windows, config=QUICK)


def test_a_planted_label_and_series_are_decoded_beyond_the_clock(found):
    _, decoding = found
    choice = decoding.labels["choice"]
    assert choice.scores["counts"].balanced_accuracy.value > 0.8
    assert choice.scores["counts"].p == choice.p_floor == pytest.approx(1 / 40)
    assert choice.scores["clock"].auc.high > 0.3
    assert choice.scores["clock"].p is None
    wheel = decoding.series["/processing/behavior/wheel_velocity"]
    assert wheel.scores["counts"].r2_after_clock.low > 0.05
    assert wheel.scores["counts"].p == wheel.p_floor
    assert abs(wheel.scores["clock"].r2.value) < 0.1


def test_a_region_that_knows_nothing_decodes_nothing(monkeypatch):
    import nwb_mtm.decoding.decoder as room

    monkeypatch.setattr(
        room, "region_masks", lambda w: {r: np.array(w.units.regions) == r for r in sorted(set(w.units.regions))}
    )
    windows = session(np.random.default_rng(0))
    regions = decode(windows, config=QUICK).labels["choice"].regions
    assert regions["A"]["counts"].auc.value > 0.85
    assert regions["B"]["counts"].auc.value < 0.75
    assert regions["A"]["counts"].units == 8


def test_sliding_windows_see_nothing_before_it_happens(found):
    _, decoding = found
    sliding = decoding.labels["choice"].sliding["counts"]
    assert sliding.first is not None
    assert 0.3 <= sliding.first <= 0.8
    early = [a.value for t, a in zip(sliding.time, sliding.auc) if t <= 0.3]
    assert max(early) < 0.8


def test_a_stretch_uses_no_later_bin():
    counts = np.random.default_rng(0).poisson(1.0, (3, 12, 4)).astype(np.float32)
    changed = counts.copy()
    changed[:, 7:] += 5
    times, before = trailing(counts, 0.1, width=0.3, step=0.1)
    _, after = trailing(changed, 0.1, width=0.3, step=0.1)
    for time, one, other in zip(times, before, after):
        assert np.array_equal(one, other) == (time < 0.75)


def test_an_event_that_gives_the_label_away_is_named():
    windows = session(np.random.default_rng(0))
    assert not giveaway("choice", events_inside(windows))
    longer = Windows.around(_recording_of(windows), "cue_time", before=0.2, after=1.0, bin_size=BIN)
    warning = giveaway("choice", events_inside(longer))
    assert "response_time" in warning
    assert "--after" in warning
    assert not giveaway("contrast", events_inside(longer))


def _recording_of(windows):
    return Recording.from_arrays([[0.1, 365.0]], session="a", trials=windows.trials)


def test_the_clock_reads_a_label_that_follows_time():
    columns = {"block": np.repeat(["x", "y"] * 6, 10)}
    decoding = decode(session(np.random.default_rng(1), columns=columns), targets=["block"], config=QUICK)
    block = decoding.labels["block"]
    assert block.scores["clock"].auc.value > 0.75
    assert block.scores["counts"].gain_over_clock.value < 0
    assert "run lengths" in block.null


def test_too_few_runs_are_not_tested_and_said():
    columns = {"half": np.repeat(["x", "y", "x", "y"], 30)}
    half = decode(session(np.random.default_rng(1), columns=columns), targets=["half"], config=QUICK).labels["half"]
    assert half.status.startswith(("not tested: 4 runs", "not decoded"))
    assert all(score.p is None for score in half.scores.values())


def test_one_label_only_is_said_and_not_scored():
    labels = Labels.of("same", ["a"] * 50)
    start = np.arange(50.0)
    part = splits.blocks(start, start + 0.5).parts(start, start + 0.5)
    found, _ = decode_trials({"counts": np.ones((50, 2))}, labels, part, start, start + 0.5, permutations=9, draws=9)
    assert found.status == "not decoded: fewer than two labels have enough windows"
    assert not found.scores
    json.dumps(found.to_json(), allow_nan=False)


def test_results_are_json_without_nan_and_tidy_rows(found):
    _, decoding = found
    entry = json.loads(json.dumps(decoding.to_json(), allow_nan=False))
    assert entry["choice"]["model_features"] == "counts"
    assert set(entry["choice"]["baselines"]) == {"clock"}
    rows = list(decoding.rows())
    assert {"session", "target", "features", "region", "metric", "value", "low", "high", "p", "units"} == set(rows[0])


def test_label_permutations_call_chance_significant_rarely():
    """Labels in runs, features that drift: the share of p < .05 stays near .05."""
    start = np.arange(100) * 3.0
    part = splits.blocks(start, start + 2).parts(start, start + 2)
    ps = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = Labels.of("label", np.cumsum(rng.random(100) < (0.5 if seed % 2 else 0.25)) % 2)
        problem = LabelProblem.of(labels, part, start, start + 2, permutations=39, draws=3, seed=seed)
        drift = np.cumsum(rng.standard_normal((100, 12)), axis=0) * 0.3
        fit = fit_labels(problem, (drift + rng.standard_normal((100, 12)))[problem.rows])
        ps.append(score_labels(problem, fit, None, null_auc(problem, fit)).p)
    assert np.mean(np.array(ps, float) < 0.0501) <= 0.15


def test_softmax_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 300))
    y = (x[:, 0] + rng.standard_normal(80) > 0).astype(int)
    train = np.arange(80) < 60
    basis = Basis.of(x, train)
    penalty = 0.1 * basis.scale / 60
    model = fit_softmax(basis, np.arange(60), np.eye(2)[y[:60]][:, None], np.ones((60, 1)), np.array([penalty]))
    ours = model.probabilities(basis.scores)[60:, 0]
    theirs = LogisticRegression(C=2 / penalty, tol=1e-8, max_iter=5000).fit(x[:60] - x[:60].mean(0), y[:60])
    assert np.allclose(ours, theirs.predict_proba(x[60:] - x[:60].mean(0)), atol=2e-3)


def test_two_labels_are_fitted_as_any_number_of_labels():
    """The short way with two labels gives what a third label that never comes gives."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 8))
    y = (x[:, 0] + rng.standard_normal(60) > 0).astype(int)
    basis, rows = Basis.of(x, np.arange(60) < 50), np.arange(50)
    penalty, weight = np.array([0.1 * basis.scale]), np.ones((50, 1))
    two, three = (fit_softmax(basis, rows, np.eye(k)[y[:50]][:, None], weight, penalty) for k in (2, 3))
    assert len(two.weights) == 1
    found = two.probabilities(basis.scores)[50:, 0]
    assert found.shape == (10, 2)
    assert np.allclose(found.sum(axis=1), 1)
    assert np.allclose(found, three.probabilities(basis.scores)[50:, 0, :2], atol=0.03)


def test_ridge_agrees_with_its_definition_and_prefers_no_penalty_by_test_windows():
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((500, 6)), rng.standard_normal((6, 2))
    y = x @ weights + 0.1 * rng.standard_normal((500, 2))
    parts = [Products.of(x[k::5].astype(np.float32), y[k::5]) for k in range(5)]
    fitted, penalties = fit_ridge(parts)
    assert np.allclose(fitted, weights, atol=0.05)
    assert penalties.max() <= 1e-2
    noise = [Products.of(x[k::5].astype(np.float32), rng.standard_normal((100, 1))) for k in range(5)]
    assert choose_ridge(noise)[0] == 5
    direct = ((y - x @ fitted) ** 2).sum(axis=0)
    whole = Products.of(x.astype(np.float32), y)
    assert np.allclose(whole.squared_error(fitted), direct, rtol=1e-2)


def test_the_lag_of_a_series_is_found_on_training_windows_and_said():
    """A series that follows its spikes by 0.2 s is read at that lag; test windows have no say."""
    rng = np.random.default_rng(0)
    told = gaussian_filter1d(rng.standard_normal((100, 60, 3)), 1.0, axis=1)
    late = lagged(told, 4)[..., :1]
    start = np.arange(100.0) * 5
    part = splits.blocks(start, start + 3).parts(start, start + 3)
    problem = SeriesProblem.of(late, np.ones((100, 60), bool), part, start, start + 3, permutations=9, draws=9)
    assert problem.bin_size == pytest.approx(0.05)
    assert choose_lag(problem, told[problem.rows]) == 4
    broken = np.where(problem.test[:, None, None], 0.0, told[problem.rows])
    assert choose_lag(problem, broken) == 4
    found, _ = decode_series(
        {"counts": told}, "s", late, problem.valid, part, start, start + 3, permutations=9, draws=9
    )
    assert found.scores["counts"].lag == pytest.approx(0.2)
    assert found.scores["counts"].r2.value > 0.9
    assert found.to_json()["features"]["counts"]["lag"] == pytest.approx(0.2)


def test_a_region_is_tested_against_the_best_of_all_regions(found):
    windows, _ = found
    regions = decode(windows, targets=["choice", "wheel_velocity"], config=QUICK)
    for one in (*regions.labels.values(), *regions.series.values()):
        assert one.regions["A"]["counts"].p == pytest.approx(one.p_floor, abs=0.02)
    blind = regions.labels["choice"].regions["B"]["counts"]
    assert blind.p is not None
    assert blind.p > 0.05


def test_series_figures_agree_with_scikit_learn():
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    y, p = rng.standard_normal((10, 5, 2)), rng.standard_normal((10, 5, 2))
    valid = rng.random((10, 5)) < 0.8
    sums, once = SeriesSums.of(y, p, valid), np.ones((1, 10))
    assert sums.r2(once)[0] == pytest.approx(r2_score(y[valid], p[valid]))
    each = [np.corrcoef(y[valid][:, k], p[valid][:, k])[0, 1] for k in range(2)]
    assert sums.correlation(once)[0] == pytest.approx(np.mean(each))


def test_auc_agrees_with_scikit_learn_also_for_resamples():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 60)
    chance = rng.random((60, 3)).round(1)
    each = [roc_auc_score(codes == k, chance[:, k]) for k in range(3)]
    assert auc(chance[:, None], codes[:, None])[0] == pytest.approx(np.mean(each))
    draws = np.stack([np.ones(60), rng.integers(0, 3, 60)])
    found = weighted_auc(chance, codes, draws)
    repeated = np.repeat(np.arange(60), draws[1].astype(int))
    again = [roc_auc_score(codes[repeated] == k, chance[repeated, k]) for k in range(3)]
    assert found == pytest.approx([np.mean(each), np.mean(again)])
    assert confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2) == ((1, 0), (1, 1))


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.lists(st.integers(0, 2), min_size=20, max_size=80), st.integers(0, 99))
def test_permutations_keep_every_label_as_often_as_it_was(codes, seed):
    array = np.array(codes)
    null = permuted_labels(array, 5, np.random.default_rng(seed))
    for column in null.codes.T:
        assert np.array_equal(np.bincount(column, minlength=3), np.bincount(array, minlength=3))


def test_long_runs_exchange_their_lengths_and_keep_their_order():
    codes = np.repeat([0, 1, 0, 1, 0, 1, 0, 1], [9, 12, 15, 8, 11, 10, 14, 13])
    assert has_long_runs(codes)
    null = permuted_labels(codes, 20, np.random.default_rng(0))
    lengths = [sorted(np.bincount(run_numbers(c))[::2]) for c in null.codes.T]
    assert all(one == [9, 11, 14, 15] for one in lengths)
    assert len({tuple(c) for c in null.codes.T}) > 10


def test_a_p_is_never_below_its_floor():
    assert p_value(9.0, np.zeros(19), 0.2) == 0.2
    assert p_value(0.0, np.zeros(19), 0.05) == 1.0
    few = permuted_labels(np.repeat([0, 1] * 4, [20, 20, 20, 20, 20, 20, 20, 21]), 500, np.random.default_rng(0))
    assert few.floor == pytest.approx(1 / 4)


def test_a_series_that_never_forgets_is_not_tested():
    slow = np.cumsum(np.random.default_rng(0).standard_normal(100))[:, None, None]
    assert memory(slow - slow.mean(), 12) == 13
    assert memory(np.random.default_rng(0).standard_normal((100, 5, 1)), 12) == 1
    assert len(window_shifts(100, 10, 200)) == 81


def test_windows_that_overlap_test_windows_train_nothing():
    start = np.arange(100) * 0.5
    part = np.where(np.arange(100) % 20 < 15, splits.TRAIN, splits.TEST)
    problem = LabelProblem.of(Labels.of("l", np.arange(100) % 2), part, start, start + 2.0, permutations=3, draws=3)
    kept, test = problem.rows[problem.fits], problem.rows[problem.test]
    assert problem.dropped["overlap"] > 0
    assert min(abs(start[k] - start[t]) for k in kept for t in test) >= 2.0


def test_a_run_of_labels_is_on_one_side():
    codes = np.repeat(np.arange(20) % 2, 6)
    start = np.arange(120) * 3.0
    part = np.where(np.arange(120) % 40 < 30, splits.TRAIN, splits.TEST)
    problem = LabelProblem.of(Labels.of("l", codes), part, start, start + 2.0, permutations=3, draws=3)
    run = run_numbers(problem.codes)
    assert not set(run[problem.fits]) & set(run[problem.test])
    assert not set(run[problem.fits & (problem.fold == 0)]) & set(run[problem.fits & (problem.fold == 1)])


def test_previous_labels_never_hold_the_label_itself():
    codes = np.array([0, 1, 1, 0, 1])
    before = previous_labels(codes, np.arange(5.0), 2)
    assert before[0].tolist() == [0.0] * 6
    assert before[1, :2].tolist() == [1.0, 0.0]
    changed = previous_labels(np.array([0, 1, 1, 0, 0]), np.arange(5.0), 2)
    assert np.array_equal(before, changed)


def test_folds_are_consecutive_and_apart():
    fold = session_folds(np.arange(100.0), 5)
    assert np.bincount(fold).tolist() == [20] * 5
    assert (np.diff(fold) != 0).sum() == 9
    assert consecutive_folds(10, 2).tolist() == [0] * 5 + [1] * 5
    start = np.arange(10.0)
    away = apart(start, start + 2.0, start == 5.0)
    assert np.flatnonzero(~away).tolist() == [4, 5, 6]


def test_cross_fitting_never_decodes_a_window_from_itself():
    """Labels of pure chance stay undecoded, though every window's own noise would tell them."""
    rng = np.random.default_rng(0)
    features, codes = rng.standard_normal((100, 400)), rng.integers(0, 2, 100)
    start = np.arange(100.0)
    found = cross_fit_labels(features, Labels.of("l", codes), start, start + 0.9)
    assert 0.3 < found.accuracy < 0.7
    assert set(found.fold) == set(range(5))
    values = rng.standard_normal((100, 4, 1)).astype(np.float32)
    tables = rng.standard_normal((100, 4, 90)).astype(np.float32)
    series = cross_fit_series(tables, "s", values, np.ones((100, 4), bool), start, start + 0.9)
    assert series.r2 < 0.1
    assert np.isfinite(series.values).all()


def test_cross_fitting_decodes_what_is_planted_in_every_window(found):
    windows, _ = found
    choice = cross_fit(windows, windows.counts, "choice")
    assert choice.accuracy > 0.8
    assert (choice.codes >= 0).all()
    wheel = cross_fit(windows, windows.counts, "/processing/behavior/wheel_velocity")
    assert wheel.r2 > 0.1
    assert wheel.values.shape == (COUNT, BINS, 1)


def test_default_targets_follow_the_documented_preference():
    rng = np.random.default_rng(0)
    names = ("eye", "pupil", "wheel_velocity2", "cursor", "running_speed", "whisker", "zebra")
    times = np.arange(0, 370, 0.05)
    extra = tuple(Behavior(f"/processing/behavior/{n}", times, rng.standard_normal((len(times), 1))) for n in names)
    windows = session(rng, behaviors=extra, columns={"only": np.array(["x"] * COUNT)})
    chosen = choose(windows)
    assert [n.rsplit("/", 1)[-1] for n in chosen.series] == [
        "wheel_velocity", "wheel_velocity2", "cursor", "running_speed", "whisker",
    ]  # fmt: skip
    assert chosen.columns == ("choice",)
    assert "--target" in chosen.left["/processing/behavior/zebra"]
    assert "only one label" in chosen.left["only"]


def test_an_unknown_target_names_those_there_are():
    windows = session(np.random.default_rng(0))
    with pytest.raises(RecordingError, match=r"no target 'choise'.*choice.*wheel_velocity") as caught:
        choose(windows, ["choise"])
    assert caught.value.kind == "bad_selection"
    with pytest.raises(RecordingError, match="different values"):
        labels_of(windows, "cue_time")


def test_labels_count_what_is_missing_and_rare():
    labels = Labels.of("x", [1.0] * 9 + [0.0] * 9 + [np.nan] * 3 + [2.0])
    assert labels.classes == ("0", "1")
    assert labels.missing == 3
    assert labels.rare == {"2": 1}
    assert (labels.codes < 0).sum() == 4


def test_a_slow_series_is_scored_only_where_it_has_samples():
    rng = np.random.default_rng(0)
    start = np.arange(60.0)
    part = splits.blocks(start, start + 0.9).parts(start, start + 0.9)
    values = rng.standard_normal((60, 10, 1))
    valid = np.zeros((60, 10), bool)
    valid[:, ::2] = True
    features = np.where(valid[..., None], values, 99.0) + 0.1 * rng.standard_normal((60, 10, 1))
    found, _ = decode_series(
        {"counts": features}, "s", values, valid, part, start, start + 0.9, permutations=19, draws=20
    )
    assert found.coverage == pytest.approx(0.5)
    assert found.scores["counts"].r2.value > 0.9


def test_published_features_hold_every_bin():
    counts = np.arange(24.0).reshape(2, 4, 3)
    assert np.array_equal(PUBLISHED.of(counts, 0.1), counts.reshape(2, 12))
    assert TrialFeatures(pool=0.2).of(counts, 0.1).shape == (2, 6)


def test_many_units_are_reduced_and_still_decode():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.5, (20, 10, 450)).astype(np.uint8)
    assert series_features(counts, 0.02, np.arange(15)).shape == (20, 10, 1200)


def test_a_position_without_velocity_gets_one():
    assert is_position("/processing/behavior/hand_pos", ("/processing/behavior/hand_pos",))
    assert not is_position("/a/hand_pos", ("/a/hand_pos", "/a/hand_vel"))
    assert not is_position("/a/wheel_velocity", ())


def test_labels_that_only_follow_the_clock_are_not_called_decoded():
    """Choices in long runs, unknown to every unit: never significant, never better than the clock."""
    from nwb_mtm.synthetic import simulate

    quick = DecodingConfig(permutations=39, draws=100, regions=False, sliding_width=0.0)
    for seed in range(3):
        simulated = next(simulate(sessions=1, units=30, trials=200, seed=seed, flaws=["clock-confounded-choice"]))
        windows = Windows.around(simulated.recording, "trials.stim_on_time").with_split("random", seed=seed)
        found = decode(windows, targets=["choice"], config=quick).labels["choice"]
        counts = found.scores["counts"]
        assert counts.p is None or counts.p > 0.05
        assert counts.gain_over_clock is None or counts.gain_over_clock.low <= 0


def test_runs_of_a_label_go_to_one_side_and_every_label_has_both():
    codes = np.repeat(np.arange(10) % 2, 20)
    test = np.random.default_rng(0).random(200) < 0.2
    fits, held = whole_runs(codes, ~test, test)
    run = run_numbers(codes)
    assert not set(run[fits]) & set(run[held])
    assert set(codes[fits]) == set(codes[held]) == {0, 1}
    assert not (held & ~test).any()
    assert not (fits & test).any()
    assert runs_matter(codes)
    assert not runs_matter(np.random.default_rng(0).integers(0, 2, 200))


def test_sessions_are_resampled_by_subject(found):
    _, decoding = found
    assert across_sessions([decoding]) == []
    rows = across_sessions([decoding, replace(decoding, session="other/a"), replace(decoding, session="other/b")])
    row = next(r for r in rows if r["target"] == "choice" and r["features"] == "counts" and r["metric"] == "auc")
    assert (row["sessions"], row["subjects"]) == (3, 2)
    assert row["value"] == row["each"][0]
    assert {r["target"] for r in rows} == {"choice", "wheel_velocity"}


def test_decoding_and_the_map_follow_the_schema_of_scores(found):
    from importlib.resources import files

    import jsonschema

    from nwb_mtm.road.decoding import session_parts

    windows, decoding = found
    schema = json.loads(files("nwb_mtm").joinpath("scores.schema.json").read_text(encoding="utf-8"))
    parts = session_parts(windows, config=replace(QUICK, sliding_width=0.0))
    for name, entry in (*parts.items(), ("decoding", decoding.to_json())):
        local = {"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]}
        jsonschema.validate(json.loads(json.dumps(entry, allow_nan=False)), local)


def test_columns_that_say_the_same_are_decoded_once():
    rng = np.random.default_rng(0)
    power = (rng.random(COUNT) < 0.4) * 1.5
    columns = {"laser_power": power, "laser_on": power > 0}
    chosen = choose(session(rng, columns=columns))
    assert chosen.columns == ("choice", "laser_power")
    assert chosen.left["laser_on"] == "it says the same as laser_power"


def test_a_table_without_named_targets_offers_its_columns_that_are_no_events():
    windows = session(np.random.default_rng(0))
    bare = replace(windows, trials=replace(windows.trials, targets=()))
    assert choose(bare).columns == ("choice",)


def test_nothing_to_decode_is_said():
    windows = session(np.random.default_rng(0))
    silent = decode(replace(windows, trials=None, behaviors={}), config=QUICK)
    assert "nothing to decode" in silent.warnings[0]
    assert "nothing to decode" in repr(silent)


def test_a_target_that_could_not_be_tested_says_so_beside_its_figures() -> None:
    features = {
        "rates": {"balanced_accuracy": {"value": 0.62}, "p": None, "verdict": ""},
        "clock": {"balanced_accuracy": {"value": 0.5}, "p": None, "verdict": ""},
    }
    entry = {"kind": "labels", "status": "not tested: 5 test windows", "features": features}
    edges = [{"source": "CA1", "target": "DG", "lead": {"q": 0.01}}, {"source": "DG", "target": "CA1", "lead": {}}]
    session = {"decoding": {"choice": entry, "not_decoded": []}, "regions": {"edges": edges, "tests": 2}}
    assert list(decoding_lines(session)) == [
        "choice: rates best, balanced accuracy 0.62, the clock 0.50: not tested: 5 test windows",
        "map of regions: CA1 leads DG (q < 0.05 of 2 pairs)",
    ]
