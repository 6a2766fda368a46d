"""What is asked for is what is read, and what is left out is said."""

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest
from zoo import build
from zoo_bricks import intervals, series, start, trains, units, wander

from nwb_mtm.errors import ConfigError, NwbMtmError, RecordingError
from nwb_mtm.nwb.inspection import inspect
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.sources.reading import read


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Four units, two regions, ten trials, six series of behaviour."""
    path = tmp_path / "session.nwb"
    begin = np.arange(10) * 10.0
    with start(path) as f:
        units(f, trains(4, each=500), region=["A", "A", "B", "B"], snr=[1.0, 5.0, 5.0, 1.0],
              quality=["good", "mua", "noise", "good"])  # fmt: skip
        intervals(f, "trials", begin, begin + 5, side=["l", "r"] * 5, laser=[0, 0, 0, 0, 1] * 2)
        intervals(f, "epochs", [0.0, 50.0], [50.0, 100.0], label=["sleep", "maze"])
        for name in ("wheel", "hand", "pupil", "other_1", "other_2", "other_3"):
            series(f, f"processing/behavior/{name}", wander(1000), rate=10.0)
    return path


def test_a_recording_holds_what_inspect_shows(session: Path) -> None:
    recording, answer = read(session), inspect(session).to_json()
    assert list(recording.units.regions) == answer["units"]["regions"]
    assert list(recording.units.quality) == answer["units"]["quality"]
    assert recording.spikes.counts.tolist() == answer["units"]["spike_counts"]
    assert recording.trials is not None
    assert len(recording.trials) == answer["trials"]["valid"]
    assert recording.trials.targets == ("side", "laser")
    assert set(recording.intervals) == set(answer["intervals"])
    assert recording.key == "m1/s1"
    assert recording.source.name == "session.nwb"


def test_noise_is_no_input_and_only_good_units_are_scored(session: Path) -> None:
    recording = read(session)
    assert recording.units.inputs.tolist() == [True, True, False, True]
    assert recording.units.scored.tolist() == [True, False, False, True]


def test_a_condition_replaces_the_quality_rule(session: Path) -> None:
    assert read(session, quality="snr > 3").units.quality == (False, True, True, False)
    assert read(session, quality="none").units.quality == (None,) * 4


def test_regions_and_rates_choose_inputs_and_drop_no_row(session: Path) -> None:
    chosen = read(session, regions="B")
    assert len(chosen.units) == 4
    assert chosen.units.inputs.tolist() == [False, False, False, True]
    assert not read(session, min_rate=100.0).units.inputs.any()


def test_what_each_rule_kept_is_told_by_region(session: Path) -> None:
    kept = inspect(session, ReadOptions(min_rate=5.015)).kept
    assert [dict(k.of_region) for k in kept] == [
        {"A": (2, 2), "B": (1, 2)},
        {"A": (0, 2), "B": (2, 2)},
        {"A": (1, 2), "B": (1, 2)},
    ]


def test_trials_are_chosen_by_condition_and_their_time_with_them(session: Path) -> None:
    recording = read(session, trials="laser == 0 and side == 'l'")
    assert recording.trials is not None
    assert recording.trials.rows is not None
    assert recording.trials.rows.tolist() == [0, 2, 6, 8]
    assert recording.observed is not None
    assert recording.observed.sets[0][:2].tolist() == [[0.0, 10.0], [15.0, 30.0]]


def test_another_table_can_be_taken_for_trials(session: Path) -> None:
    assert len(read(session, trials="epochs").trials or ()) == 2
    assert len(read(session, trials="epochs[label == 'maze']").trials or ()) == 1
    assert len(read(session, trials_table="/intervals/epochs").trials or ()) == 2


def test_time_can_be_confined_to_intervals(session: Path) -> None:
    recording = read(session, within="epochs[label == 'maze']")
    assert recording.observed is not None
    assert recording.observed.sets[0][0, 0] == 50.0


def test_five_behaviours_are_read_by_preference_unless_others_are_named(session: Path) -> None:
    place = "/processing/behavior"
    assert list(read(session).behaviors)[:3] == [f"{place}/wheel", f"{place}/hand", f"{place}/pupil"]
    assert len(read(session).behaviors) == 5
    assert len(read(session, behaviors="all").behaviors) == 6
    assert read(session, behaviors="none").behaviors == {}
    assert list(read(session, behaviors=(f"{place}/other_3",)).behaviors) == [f"{place}/other_3"]


def test_groups_can_stand_for_regions(tmp_path: Path) -> None:
    path, _ = build("turner_000947", tmp_path)
    assert set(read(path, regions="group").units.regions) == {"unknown"}
    path, _ = build("human_000004", tmp_path)
    assert read(path, regions="group").units.regions == ("w0", "w1", "w2", "w3")


def test_names_that_are_not_there_are_refused_with_those_that_are(session: Path) -> None:
    for options, told in (
        ({"trials_table": "encoding"}, "/intervals/epochs"),
        ({"within": "mazes"}, "/intervals/epochs"),
        ({"units_path": "/processing/units"}, "/units"),
        ({"behaviors": ("/nowhere",)}, "/processing/behavior/wheel"),
        ({"trials": "sides == 'l'"}, "Did you mean 'side'"),
        ({"quality": "snrr > 2"}, "Did you mean 'snr'"),
    ):
        with pytest.raises(NwbMtmError, match=told):
            read(session, ReadOptions(**options))  # type: ignore[arg-type]


def test_keywords_change_a_selection(session: Path) -> None:
    options = ReadOptions(quality="none", behaviors="none")
    recording = read(session, options, quality="auto")
    assert recording.units.quality[0] is True
    assert recording.behaviors == {}
    assert dataclasses.asdict(options)["quality"] == "none"


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_rate"):
        ReadOptions(min_rate=-1.0)


def test_damage_beside_the_spikes_is_a_warning(tmp_path: Path) -> None:
    path, _ = build("nlb_000128_train", tmp_path)
    with h5py.File(path, "a") as f:
        f["units/electrodes_index"][:] = [6, 5, 4, 3, 2, 1]
    answer = inspect(path).to_json()
    assert {w["kind"] for w in answer["warnings"]} >= {"damaged_column"}
    assert answer["units"]["count"] == 6


def test_a_damaged_behaviour_named_is_an_error(tmp_path: Path) -> None:
    path, _ = build("behaviour_gaps", tmp_path)
    with pytest.raises(RecordingError, match="990 timestamps"):
        read(path, behaviors=("/processing/any/short",))


def test_values_carry_their_unit_conversion_and_gaps(tmp_path: Path) -> None:
    path, _ = build("buzsaki_000044", tmp_path)
    (place,) = read(path).behaviors.values()
    assert np.isnan(place.values[100:200]).all()
    assert np.isfinite(place.values[200:]).all()
    path, _ = build("giocomo_000053", tmp_path)
    with h5py.File(path) as f:
        stored = f["processing/behavior/Position/position/data"][:]
    moved = read(path).behaviors["/processing/behavior/Position/position"]
    np.testing.assert_allclose(moved.values, stored * 0.01, rtol=1e-5)
    assert read(path).behaviors["/processing/behavior/head_direction"].circular


def test_unlikely_poses_are_missing(tmp_path: Path) -> None:
    path, _ = build("map_000363", tmp_path)
    jaw = read(path).behaviors["/acquisition/BehavioralTimeSeries/Camera0_side_JawTracking"]
    assert jaw.values.shape == (8000, 2)
    assert jaw.columns == ("x", "y")
    assert np.isnan(jaw.values[:100]).all()
    assert np.isfinite(jaw.values[100:]).all()


def test_a_unit_that_vanishes_is_left_out_of_the_headline(tmp_path: Path) -> None:
    path = tmp_path / "gone.nwb"
    made = trains(4, end=1000.0, each=500)
    made[2] = made[2][made[2] < 400]
    with start(path) as f:
        units(f, made)
    recording = read(path)
    assert recording.units.scored.tolist() == [True, True, False, True]
    assert [kind for kind, _ in recording.source.warnings] == ["vanishing_units"]


def test_silence_that_was_not_observed_is_no_vanishing(tmp_path: Path) -> None:
    from zoo_bricks import Ragged

    path = tmp_path / "parts.nwb"
    made = [t[(t < 200) | (t > 800)] for t in trains(3, end=1000.0, each=800)]
    with start(path) as f:
        units(f, made, obs_intervals=Ragged([[[0.0, 200.0], [800.0, 1000.0]]] * 3))
    assert read(path).units.scored.all()


def test_a_probe_that_starts_late_is_not_observed_before(tmp_path: Path) -> None:
    from zoo_bricks import Refs, electrode_groups

    path = tmp_path / "late.nwb"
    made = trains(3, end=1000.0) + [t + 200 for t in trains(3, end=800.0)]
    with start(path) as f:
        electrode_groups(f, {"a": "V1", "b": "V2"})
        units(f, made, electrode_group=Refs([f"/general/extracellular_ephys/{g}" for g in "aaabbb"]))
    recording = read(path)
    assert [kind for kind, _ in recording.source.warnings] == ["silent_group"]
    assert recording.observed is not None
    first, late = (recording.observed.sets[i] for i in recording.observed.index[[0, 3]])
    assert first[0, 0] == 0.0
    assert late[0, 0] == min(train[0] for train in made[3:])
    assert inspect(path).to_json()["observed"] is None  # what the file says, not what we conclude
