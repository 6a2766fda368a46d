"""Recordings become windows with parts and chosen units; everything left out is counted and said."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nwb_mtm.batch import Roster
from nwb_mtm.config import Config
from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import Intervals, Recording, Source
from nwb_mtm.road.preparation import check_training, prepare, prepare_one, shared_regions
from nwb_mtm.sampling import Sampler
from nwb_mtm.sources.manifest import SourceSettings
from nwb_mtm.splits import TEST, TRAIN, VALID
from nwb_mtm.windows import Windows


def recording(session: str = "s", *, seed: int = 0, seconds: float = 600.0, units: int = 12) -> Recording:
    rng = np.random.default_rng(seed)
    trains = [np.sort(rng.uniform(0, seconds, int(5 * seconds))) for _ in range(units)]
    start = np.arange(2.0, seconds - 6, 4.0)
    trials = Intervals(start, start + 3, {"go_cue_time": start + 0.5})
    regions = ["CA1"] * (units // 2) + ["DG"] * (units - units // 2)
    r = Recording.from_arrays(trains, session=session, regions=regions, trials=trials, observed=[[0.0, seconds]])
    return replace(r, source=Source(f"{session}.nwb", identifier=f"id-{seed}"))


def test_every_window_has_a_part_and_the_parts_are_apart() -> None:
    prepared = prepare([recording()], Config())
    train, test = prepared.part("train")[0], prepared.part("test")[0]
    assert len(train) > len(test) > 0
    assert not set(train.start) & set(test.start)


def test_the_same_recording_under_two_names_is_used_once() -> None:
    first = recording("first")
    again = replace(first, key="subject/again", source=Source("again.nwb"))
    prepared = prepare([first, again], Config())
    assert [s.windows.session for s in prepared.sessions] == ["subject/first"]
    assert "holds the same units as first.nwb" in str(prepared.skipped[0][1])


def test_two_recordings_of_one_name_get_keys_of_their_own() -> None:
    prepared = prepare([recording(seed=0), recording(seed=1)], Config())
    assert [s.windows.session for s in prepared.sessions] == ["subject/s", "subject/s/id-1"]
    assert len(prepared.vocabulary) == 24


def test_a_recording_that_cannot_be_used_is_skipped_with_its_reason() -> None:
    short = recording("short", seed=1, seconds=1.0)
    prepared = prepare([short, recording()], Config())
    assert [name for name, _ in prepared.skipped] == ["short.nwb"]
    with pytest.raises(RecordingError, match=r"No recording can be used \(short.nwb: .*; none.nwb: "):
        prepare([short, replace(short, key="none", source=Source("none.nwb"))], Config())


def test_one_recording_that_cannot_be_used_is_the_error_itself() -> None:
    with pytest.raises(RecordingError, match=r"^short.nwb: .* no window of tiles") as raised:
        prepare([recording("short", seed=1, seconds=1.0)], Config())
    assert raised.value.kind == "no_windows"


def test_the_rate_floor_is_measured_on_training_time_alone() -> None:
    r = recording()
    config = Config()
    windows = prepare_one(r, config).windows
    assert windows.part is not None
    spans = [(s, s + windows.width) for s in windows.start[windows.part == TRAIN]]
    train = r.spikes[0]
    quiet = train[~np.any([(train >= a) & (train < b) for a, b in spans], axis=0)]
    trains = [quiet, *(r.spikes[u] for u in range(1, 12))]
    silent = Recording.from_arrays(
        trains, session="s", regions=r.units.regions, trials=r.trials, observed=[[0.0, 600.0]]
    )
    session = prepare_one(silent, config)
    assert len(quiet) > 100
    assert session.windows.units.keys == tuple(str(u) for u in range(1, 12))
    assert [(item.count, item.why) for item in session.left_out] == [(1, "below 0.1 spikes/s in training time")]


def test_noise_is_no_input() -> None:
    r = recording()
    inputs = np.arange(12) != 3
    noisy = replace(r, units=replace(r.units, inputs=inputs))
    session = prepare_one(noisy, Config())
    assert "3" not in session.windows.units.keys
    assert session.left_out[0].why == "labelled as noise or artefact"


def test_chosen_regions_alone_are_used() -> None:
    session = prepare_one(recording(), Config().changed({"units.regions": ["DG"]}))
    assert set(session.windows.units.regions) == {"DG"}
    assert any("inter- and intra-region" in text for text in session.warnings)


def test_a_region_that_no_unit_lies_in_is_said_beside_those_there_are() -> None:
    with pytest.raises(
        RecordingError, match=r"No unit lies in CA11. Did you mean 'CA1'\? The regions are CA1"
    ) as raised:
        prepare_one(recording(), Config().changed({"units.regions": ["CA11"]}))
    assert raised.value.kind == "bad_selection"


def test_a_region_without_its_side_chooses_both_sides_and_counts_the_rest_as_elsewhere() -> None:
    r = recording()
    sided = tuple({"CA1": "CA1_left", "DG": "DG_right"}[name] for name in r.units.regions)
    marked = replace(r.units, regions=sided, raw_regions=sided, inputs=np.arange(12) < 6)  # as the reader marks them
    session = prepare_one(replace(r, units=marked), Config().changed({"units.regions": ["CA1"]}))
    assert set(session.windows.units.regions) == {"CA1_left"}
    assert [(item.count, item.why) for item in session.left_out] == [(6, "outside the chosen regions")]


def test_probes_for_regions_keep_every_unit() -> None:
    session = prepare_one(recording(), Config().changed({"units.regions": ["group"]}))
    assert len(session.windows.units) == 12


def test_no_unit_left_says_why() -> None:
    with pytest.raises(RecordingError, match=r"12 below 100 spikes/s .* Lower --min-rate\.") as raised:
        prepare_one(recording(), Config().changed({"units.min_rate": 100.0}))
    assert raised.value.kind == "nothing_to_do"


def test_too_few_windows_to_train_on_are_an_error_that_says_what_to_do() -> None:
    few = prepare([recording(seconds=40.0)], Config().changed({"windows.tile": 4.0}))
    with pytest.raises(RecordingError, match=r"a model needs at least 10. Choose more trials with --trials") as raised:
        check_training(few)
    assert raised.value.kind == "no_windows"
    check_training(prepare([recording()], Config()))


def test_a_known_split_is_kept_however_windows_are_cut() -> None:
    first = prepare_one(recording(), Config()).windows
    assert first.partition is not None
    other = Config().changed({"windows.tile": 1.0, "split.seed": 9})
    assert first.partition is not None
    again = prepare_one(recording(), other, splits=(first.partition,)).windows
    seen = np.concatenate([first.partition.train, first.partition.valid])
    for start in again.start[again.part == TEST]:
        assert not ((seen[:, 0] < start + 1.0) & (start < seen[:, 1])).any()


def test_a_split_column_of_the_file_wins() -> None:
    r = recording()
    assert r.trials is not None
    labels = np.array(["train", "val"])[(np.arange(len(r.trials)) % 5 == 0).astype(int)]
    marked = replace(r, trials=replace(r.trials, columns={**r.trials.columns, "split": labels}))
    windows = prepare_one(marked, Config()).windows
    assert windows.partition is not None
    assert windows.partition.kind == "column:split"


def test_sources_json_names_no_folder() -> None:
    entry = prepare_one(recording(), Config()).to_json()
    assert entry["name"] == "s.nwb"
    assert entry["windows"]["train"] > 0  # type: ignore[index]
    assert "go_cue_time" in str(entry["alignment"])


def test_shared_regions_are_those_of_two_sessions() -> None:
    a, b = (Windows.tile(recording(s, seed=i)) for i, s in enumerate("ab"))
    assert shared_regions([a, b]) == {"CA1", "DG"}
    assert shared_regions([a]) == set()


def test_a_list_decides_weight_targets_event_and_role() -> None:
    told = SourceSettings(align="trials.start_time", weight=3.0, targets=("choice",))
    listed = {"subject/a": told, "subject/b": SourceSettings(role="valid")}
    first, second = prepare([recording("a"), recording("b", seed=1)], Config(), listed=listed).sessions
    assert (first.windows.weight, first.targets) == (3.0, ("choice",))
    assert first.windows.alignment.startswith("trials.start_time")
    assert first.windows.take([0, 1]).weight == 3.0
    assert first.is_tested
    assert not second.is_tested
    assert set(second.windows.part.tolist()) == {VALID}  # type: ignore[union-attr]


def test_a_session_is_drawn_as_often_as_its_weight_says() -> None:
    listed = {"subject/a": SourceSettings(weight=4.0)}
    prepared = prepare([recording("a"), recording("b", seed=1)], Config(), listed=listed)
    windows = prepared.part("train")
    rosters = [Roster.of(one.units, one.session, prepared.vocabulary) for one in windows]
    config = Config().changed({"train.masks": 4000})
    sampler = Sampler(windows, rosters, config, torch.Generator().manual_seed(0))
    drawn = sampler._draw_sessions(4000, needs_regions=False)
    assert 3.4 < drawn.count(0) / drawn.count(1) < 4.6
