"""Pairs that share spikes are found, and hidden with their targets."""

from dataclasses import replace

import numpy as np
import pytest
from poisson import Toy, toy

from nwb_mtm.evaluation.guards import distances, flag_pairs, guard, same_place
from nwb_mtm.levels import are_related
from nwb_mtm.passes import companions, passes
from nwb_mtm.recording import Recording, Spikes
from nwb_mtm.windows import Windows


@pytest.fixture(scope="module")
def clean() -> Toy:
    return toy(seed=1)


def flagged(recording: Recording, windows: Windows) -> set[tuple[int, int]]:
    assert windows.partition is not None
    return {(p.first, p.second) for p in flag_pairs(recording, windows.units, windows.partition.train).pairs}


def with_trains(one: Toy, change: dict[int, np.ndarray]) -> Recording:
    trains = [change.get(u, one.recording.spikes[u]) for u in range(len(one.recording.units))]
    return replace(one.recording, spikes=Spikes.from_trains(trains))


def test_a_clean_recording_has_no_pairs(clean: Toy) -> None:
    assert flagged(clean.recording, clean.windows) == set()


def test_a_duplicate_is_flagged_even_on_another_probe(clean: Toy) -> None:
    copy = clean.recording.spikes[2] + np.random.default_rng(0).uniform(0, 3e-4, clean.recording.spikes.counts[2])
    assert flagged(with_trains(clean, {20: copy}), clean.windows) == {(2, 20)}


def test_bleeding_of_a_third_of_the_spikes_is_flagged(clean: Toy) -> None:
    leaked = clean.recording.spikes[3][::3] + 5e-5
    mixed = np.concatenate([clean.recording.spikes[4], leaked])
    assert flagged(with_trains(clean, {4: mixed}), clean.windows) == {(3, 4)}


def test_a_unit_that_is_handed_over_to_a_neighbour_is_flagged() -> None:
    long = toy(seed=2, seconds=1800.0, units=12, shared=0.3)
    train = long.recording.spikes[4]
    stay = np.random.default_rng(0).random(len(train)) > train / train.max()
    recording = with_trains(long, {4: train[stay], 5: train[~stay]})
    pairs = flag_pairs(recording, long.windows.units, np.array([[0.0, 1800.0]])).pairs
    assert [(p.first, p.second, p.reason) for p in pairs if p.reason == "split"] == [(4, 5, "split")]


def test_only_training_time_is_looked_at(clean: Toy) -> None:
    assert clean.windows.partition is not None
    test = clean.windows.partition.test
    train = clean.recording.spikes[2]
    inside = (train[:, None] >= test[:, 0]) & (train[:, None] < test[:, 1])
    copied = train[inside.any(axis=1)] + 1e-4
    assert flagged(with_trains(clean, {20: copied}), clean.windows) == set()


def test_spikes_kept_in_bins_are_said_to_be_too_coarse(clean: Toy) -> None:
    rounded = {u: np.round(clean.recording.spikes[u], 2) for u in range(24)}
    assert clean.windows.partition is not None
    found = flag_pairs(with_trains(clean, rounded), clean.windows.units, clean.windows.partition.train)
    assert "too coarse" in found.note


def test_neighbours_are_hidden_with_every_target(clean: Toy) -> None:
    units = clean.windows.units
    found = guard(units, flag_pairs(clean.recording, units, np.zeros((0, 2))))
    near = distances(units) <= 100.0
    for step in passes(units, "co-smoothing", folds=4, hide_with=found.hide_with):
        assert step.hidden[near[step.targets].any(axis=0)].all()
    targets = np.concatenate([s.targets for s in passes(units, "co-smoothing", folds=4, hide_with=found.hide_with)])
    assert sorted(targets) == list(range(len(units)))


def test_without_places_the_whole_group_is_one_place(clean: Toy) -> None:
    blind = replace(clean.windows.units, positions=np.full((24, 3), np.nan))
    near = same_place(blind)
    assert near[0, 1:12].all()
    assert not near[0, 12:].any()
    assert "same group" in guard(blind, flag_pairs(clean.recording, blind, np.zeros((0, 2)))).rule


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("VIS", "VISp", True), ("VISp2/3", "VISp5", True), ("CA", "CA1", True), ("CA1", "CA3", False)]
    + [("probe1", "probe10", False), ("PO", "POL", False), ("left CA1", "right CA1", False), ("MOp", "MOs", False)],
)
def test_relatives_are_told_by_their_labels(one: str, other: str, same: bool) -> None:
    assert are_related(one, other) is same
    assert are_related(other, one) is same


def test_a_hidden_region_takes_unknown_units_and_relatives_with_it(clean: Toy) -> None:
    labels = ["VISp"] * 8 + ["VISp5"] * 2 + ["unknown"] * 2 + ["DG"] * 12
    units = replace(clean.windows.units, regions=tuple(labels))
    found = companions(units, "VISp")
    assert found["relatives"].tolist() == [8, 9]
    assert found["unknown"].tolist() == [10, 11]
    strict = {s.region: s for s in passes(units, "inter-region")}["VISp"]
    loose = {s.region: s for s in passes(units, "inter-region", strict=False)}["VISp"]
    assert np.flatnonzero(strict.hidden).tolist() == list(range(12))
    assert np.flatnonzero(loose.hidden).tolist() == list(range(8))
    assert strict.targets.tolist() == list(range(8))
