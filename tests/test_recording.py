"""A recording keeps what the file said, frozen, under names that do not collide."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import (
    Behavior,
    Intervals,
    Recording,
    Source,
    Spikes,
    overlap_share,
    session_key,
    unique_keys,
    unit_keys,
)


def recording(count: int = 3, *, shift: float = 0.0, session: str = "s", seed: int = 0) -> Recording:
    rng = np.random.default_rng(seed)
    trains = [np.sort(rng.uniform(0, 100, 200)) + shift for _ in range(count)]
    return Recording.from_arrays(trains, session=session, regions=["CA1"] * count)


@given(st.lists(st.one_of(st.integers(), st.text(max_size=3), st.floats(allow_nan=False)), max_size=20))
def test_unit_keys_never_collide(ids: list[int | float | str]) -> None:
    keys = unit_keys(ids)
    assert len(set(keys)) == len(ids)


def test_ids_that_repeat_give_way_to_rows() -> None:
    assert unit_keys([3, 3, 5]) == ("row:0", "row:1", "row:2")


@pytest.mark.parametrize(
    ("subject", "session", "key"),
    [("m", "s", "m/s"), (None, "s", "/s/id"), ("m", None, "m//id"), (None, None, "//id"), ("", "s", "/s/id")],
)
def test_a_missing_name_brings_the_identifier_in(subject: str | None, session: str | None, key: str) -> None:
    assert session_key(subject, session, "id") == key


def test_recordings_that_collide_get_their_identifiers() -> None:
    a, b = (replace(recording(), source=Source("f", identifier=name)) for name in ("one", "two"))
    c = recording(session="other")
    assert [r.key for r in unique_keys([a, b, c])] == ["subject/s/one", "subject/s/two", "subject/other"]


def test_trains_come_back_sorted_and_finite() -> None:
    spikes = Spikes.from_trains([[2.0, np.nan, 1.0], [], [np.inf, 3.0]])
    assert [spikes[u].tolist() for u in range(3)] == [[1.0, 2.0], [], [3.0]]
    assert spikes.counts.tolist() == [2, 0, 1]


@given(st.permutations(range(5)))
def test_choosing_units_keeps_each_with_its_train(order: list[int]) -> None:
    r = recording(5)
    chosen = r.select(order)
    assert chosen.units.keys == tuple(str(i) for i in order)
    for row, unit in enumerate(order):
        np.testing.assert_array_equal(chosen.spikes[row], r.spikes[unit])


def test_a_mask_chooses_units_too_and_must_have_their_number() -> None:
    assert recording().select(np.array([True, False, True])).units.keys == ("0", "2")
    with pytest.raises(RecordingError, match="3 rows need"):
        recording().select(np.array([True, False]))


def test_arrays_cannot_be_changed_through_a_recording() -> None:
    r = recording()
    for array in (r.spikes.times, r.units.inputs, r.units.positions):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(TypeError):
        r.behaviors["new"] = None  # type: ignore[index]


def test_the_arrays_of_the_caller_stay_writeable() -> None:
    values = np.zeros(5, np.float32)
    Behavior("/x", np.arange(5.0), values[:, None])
    values[0] = 1.0
    assert values.flags.writeable


def test_a_fingerprint_knows_a_recording_under_another_name() -> None:
    r = recording(6)
    shifted = recording(6, shift=1234.5, session="renamed")
    assert overlap_share(shifted.fingerprint, r.fingerprint) > 0.8
    assert r.select([4, 2, 0]).fingerprint == tuple(sorted(set(r.select([0, 2, 4]).fingerprint)))
    assert overlap_share(recording(6, seed=1).fingerprint, r.fingerprint) == 0.0


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(RecordingError, match="2 regions for 1 spike trains"):
        Recording.from_arrays([[0.1]], session="s", regions=["a", "b"])
    r = recording()
    with pytest.raises(RecordingError, match="3 units but 1 spike trains"):
        Recording("k", "s", "m", r.units, Spikes.from_trains([[0.1]]))


def test_the_span_is_observed_time_or_first_to_last_spike() -> None:
    assert Recording.from_arrays([[1.0, 9.0]], session="s", observed=[[0.0, 10.0]]).span == (0.0, 10.0)
    low, high = Recording.from_arrays([[1.0, 9.0]], session="s").span
    assert low == 1.0
    assert 9.0 < high < 9.001
    assert Recording.from_arrays([[]], session="s").span == (0.0, 0.0)


def test_units_that_fail_the_file_s_rule_are_inputs_but_not_scored() -> None:
    r = Recording.from_arrays([[0.1]] * 3, session="s", quality=[True, False, None])
    assert r.units.inputs.all()
    assert r.units.scored.tolist() == [True, False, True]


def test_tables_become_data_frames() -> None:
    pytest.importorskip("pandas", reason="needs the pandas extra")
    table = recording().units.to_pandas()
    assert table["region"].tolist() == ["CA1"] * 3
    trials = Intervals(np.array([1.0, 2.0]), np.array([1.5, 2.5]), {"side": np.array(["l", "r"])})
    assert trials.take([1]).to_pandas()["side"].tolist() == ["r"]


def test_a_recording_shows_what_it_holds() -> None:
    r = recording()
    assert repr(r) == "Recording('subject/s': 3 units in 1 regions, 600 spikes, no trials)"
    assert "<td>CA1</td><td>3</td>" in r._repr_html_()


def test_labels_from_a_file_are_escaped_on_a_page() -> None:
    r = Recording.from_arrays([[0.1]], session="<b>", regions=["<script>"])
    assert "<script>" not in r._repr_html_()
