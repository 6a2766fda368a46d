"""Evaluation: what is scored, what is refused, and what is said."""

from dataclasses import replace

import numpy as np
import pytest
from poisson import Toy, toy

from nwb_mtm.errors import RunError
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.scoring import Trained, evaluate, join_parts
from nwb_mtm.passes import Score, forward_bins, passes
from nwb_mtm.scores import Scores
from nwb_mtm.windows import Windows

QUICK = Options(draws=100, baselines=("constant", "psth", "drift", "ridge"), horizons=(0.02, 0.1))


class Knowing:
    """A predictor made of the true rates, blended with what it must not see."""

    def __init__(self, one: Toy, leak: float = 0.0) -> None:
        self.one, self.leak = one, leak

    def predict(
        self,
        windows: Windows,
        *,
        score: Score,
        folds: int | None = 10,
        hide_with: np.ndarray | None = None,
        strict: bool = True,
    ) -> np.ndarray:
        expected = (1 - self.leak) * self.one.truth.expected(windows) + self.leak * windows.counts
        out = np.full(expected.shape, np.nan, np.float32)
        plan = passes(windows.units, score, folds=folds, hide_with=hide_with, strict=strict)
        first = windows.bins - forward_bins(windows.bins) if score == "forward" else 0
        for step in plan:
            out[:, first:, step.targets] = expected[:, first:, step.targets]
        return out


@pytest.fixture(scope="module")
def one() -> Toy:
    return toy()


@pytest.fixture(scope="module")
def scores(one: Toy) -> Scores:
    key = one.windows.session
    options = replace(QUICK, by=("choice",), conditions=("choice",))
    return evaluate(
        Knowing(one), one.windows, options=options, truths={key: one.truth}, recordings={key: one.recording}
    )


def test_the_truth_is_better_than_every_blind_baseline(scores: Scores) -> None:
    activity = scores.sessions["subject/s1"].scores["co-smoothing"]
    assert activity.verdict == "better"
    assert activity.gain.low > 0
    assert activity.against in ("constant", "psth", "drift")
    assert activity.model is not None
    assert activity.oracle is not None
    assert activity.model.scored.bps_pooled == activity.oracle.scored.bps_pooled


def test_every_score_has_its_tables_and_regions(scores: Scores) -> None:
    for activity in scores.sessions["subject/s1"].scores.values():
        assert activity.model is not None
        assert activity.model.scored.units == 24
        assert set(activity.model.per_region) == {"CA1", "DG"}
        assert activity.model.scored.bps_pooled.low <= activity.model.scored.bps_pooled.value


def test_ridge_scores_less_when_neighbours_are_hidden_too(scores: Scores) -> None:
    activity = scores.sessions["subject/s1"].scores["co-smoothing"]
    plain, guarded = activity.baselines["ridge"].scored.bps_pooled, activity.guarded["ridge"].scored.bps_pooled
    assert guarded.value < plain.value
    distance = activity.extra["distance"]
    assert [row["hidden"] for row in distance] == sorted(row["hidden"] for row in distance)


def test_classes_of_trials_are_scored_with_paired_differences(scores: Scores) -> None:
    found = scores.sessions["subject/s1"].scores["co-smoothing"].extra["by"]["choice"]
    assert set(found["classes"]) == {"a", "b"}
    assert found["classes"]["a"]["windows"] + found["classes"]["b"]["windows"] == 37
    assert found["differences"]["a - b"]["low"] is not None


def test_forward_is_also_a_curve_over_horizons(scores: Scores) -> None:
    curve = scores.sessions["subject/s1"].scores["forward"].extra["curve"]
    assert [row["horizon"] for row in curve] == [0.02, 0.1]
    assert curve[0]["oracle"]["value"] > curve[0]["constant"]["value"]


def test_named_variants_follow_the_wide_benchmark(scores: Scores) -> None:
    variants = scores.sessions["subject/s1"].scores["co-smoothing"].extra["variants"]
    assert variants["bwb-co-smoothing"]["model"]["d2_mean"]["value"] > 0


def test_held_out_units_of_the_file_are_scored_together_from_the_others(one: Toy) -> None:
    held = np.arange(24) % 6 == 0
    windows = replace(one.windows, units=replace(one.windows.units, heldout=held))
    options = replace(QUICK, scores=("co-smoothing",), guarded=False)
    variants = evaluate(Knowing(one), windows, options=options).sessions["subject/s1"].scores["co-smoothing"].extra
    found = variants["variants"]["nlb-co-smoothing"]
    assert (found["units"], found["held_in"]) == (4, 20)
    assert found["model"]["bps_pooled"]["value"] > found["ridge"]["bps_pooled"]["value"] > 0
    whole = evaluate(Knowing(one), one.windows, options=options).sessions["subject/s1"].scores["co-smoothing"]
    assert "nlb-co-smoothing" not in whole.extra["variants"]


def test_a_model_that_sees_the_hidden_unit_is_caught_by_the_truth(one: Toy) -> None:
    found = evaluate(Knowing(one, leak=0.3), one.windows, options=QUICK, truths={one.windows.session: one.truth})
    activity = found.sessions["subject/s1"].scores["co-smoothing"]
    assert activity.model is not None
    assert activity.oracle is not None
    assert activity.model.scored.bps_pooled.low > activity.oracle.scored.bps_pooled.high
    assert [c.status for c in found.checks if c.name == "beyond the truth"] == ["fail"]


def test_windows_cut_otherwise_never_bring_training_time_into_the_test(one: Toy) -> None:
    assert one.windows.partition is not None
    split = one.windows.partition
    again = Windows.tile(one.recording, 1.4, bin_size=0.02)  # no split of its own: all would be test
    found = evaluate(
        Knowing(one), again, options=QUICK, trained=Trained({one.windows.session: split}, {one.windows.session: ()})
    )
    seen = found.sessions["subject/s1"].windows
    assert 0 < seen["test"] < 0.3 * len(again)
    assert {c.name: c.status for c in found.checks}["unseen test time"] == "pass"


def test_a_recording_that_was_trained_on_under_another_name_is_refused(one: Toy) -> None:
    trained = Trained({"x/y": one.windows.partition}, {"x/y": one.windows.fingerprint})  # type: ignore[dict-item]
    with pytest.raises(RunError, match="trained on") as caught:
        evaluate(None, one.windows, options=QUICK, trained=trained)
    assert caught.value.kind == "seen_in_training"


def test_shared_subjects_are_named(one: Toy) -> None:
    trained = Trained({"subject/other": one.windows.partition})  # type: ignore[dict-item]
    found = evaluate(None, one.windows, options=replace(QUICK, scores=("co-smoothing",)), trained=trained)
    check = next(c for c in found.checks if c.name == "duplicate recordings")
    assert check.status == "warn"
    assert "subject" in check.message


def test_silent_units_are_counted_and_in_no_mean(one: Toy) -> None:
    counts = one.windows.counts.copy()
    counts[:, :, 3] = 0
    quiet = replace(one.windows, counts=counts)
    found = evaluate(None, quiet, options=replace(QUICK, scores=("co-smoothing",)))
    activity = found.sessions["subject/s1"].scores["co-smoothing"]
    table = activity.baselines["ridge"].scored
    assert (table.units, table.silent) == (23, 1)
    assert np.isfinite(table.bps_mean.value)
    assert any("1 of 24 units have no spike" in note for note in activity.notes)


def test_regions_that_are_too_small_are_said_not_scored(one: Toy) -> None:
    lone = replace(one.windows, units=replace(one.windows.units, regions=("CA1",) * 3 + ("unknown",) * 21))
    found = evaluate(None, lone, options=QUICK)
    activity = found.sessions["subject/s1"].scores["inter-region"]
    assert activity.verdict == "not scored"
    assert "no region has enough units" in activity.notes[0]


def test_one_region_alone_cannot_be_told_from_others(one: Toy) -> None:
    lone = replace(one.windows, units=replace(one.windows.units, regions=("CA1",) * 24))
    found = evaluate(None, lone, options=QUICK)
    assert "nothing stays visible" in found.sessions["subject/s1"].scores["inter-region"].notes[0]


def test_several_sessions_have_a_mean_with_counts() -> None:
    sessions = [toy(units=12, seconds=120.0, seed=s, session=f"s{s}").windows for s in range(3)]
    found = evaluate(None, sessions, options=replace(QUICK, scores=("co-smoothing",), guarded=False))
    mean = found.mean["co-smoothing"]
    assert (mean.sessions, mean.subjects, mean.baselines["ridge"].units) == (3, 1, 36)
    values = [s.scores["co-smoothing"].baselines["ridge"].scored.bps_pooled.value for s in found.sessions.values()]
    assert mean.baselines["ridge"].bps_pooled.value == pytest.approx(np.mean(values))
    assert mean.baselines["ridge"].bps_pooled.low < min(values) + 0.1
    assert {name: table.units for name, table in mean.per_region.items()} == {"CA1": 18, "DG": 18}


def test_parts_of_one_session_are_put_together(one: Toy) -> None:
    parts = [one.windows.only(part) for part in ("train", "valid", "test")]
    options = replace(QUICK, scores=("co-smoothing",), guarded=False)
    assert join_parts(parts)["subject/s1"].behaviors.keys() == one.windows.behaviors.keys()
    whole, joined = (evaluate(None, w, options=options) for w in (one.windows, parts))
    assert whole.mean["co-smoothing"].baselines == joined.mean["co-smoothing"].baselines


def test_test_windows_alone_give_no_baselines_and_say_so(one: Toy) -> None:
    found = evaluate(Knowing(one), one.windows.only("test"), options=replace(QUICK, scores=("co-smoothing",)))
    activity = found.sessions["subject/s1"].scores["co-smoothing"]
    assert activity.model is not None
    assert activity.baselines == {}
    assert any("no training windows" in note for note in activity.notes)
