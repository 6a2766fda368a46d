"""A model's rows are found by name, never by position."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwb_mtm.errors import RunError
from nwb_mtm.recording import Recording
from nwb_mtm.vocabulary import Vocabulary, mask_groups
from nwb_mtm.windows import Windows


def windows(session: str, ids: list[int], region: str = "CA1") -> Windows:
    trains = [[0.1, 3.9]] * len(ids)
    return Windows.tile(Recording.from_arrays(trains, session=session, ids=ids, regions=[region] * len(ids)), 2.0)


def test_sessions_of_equal_size_have_rows_of_their_own() -> None:
    v = Vocabulary.from_windows([windows("a", [1, 2]), windows("b", [1, 2])])
    assert len(v) == 4
    assert v.unit_rows("subject/a", ["1", "2"]).tolist() == [0, 1]
    assert v.unit_rows("subject/b", ["2", "1"]).tolist() == [3, 2]


def test_two_windows_of_one_session_share_their_rows() -> None:
    assert len(Vocabulary.from_windows([windows("a", [1, 2]), windows("a", [1, 2])])) == 2
    with pytest.raises(RunError, match="two different lists of units"):
        Vocabulary.from_windows([windows("a", [1, 2]), windows("a", [1, 3])])


def test_what_the_model_does_not_know_is_named() -> None:
    v = Vocabulary.from_windows([windows("a", [1, 2])])
    with pytest.raises(RunError, match="no session 'subject/b'; it knows 1: subject/a"):
        v.session_row("subject/b")
    with pytest.raises(RunError, match=r"does not know: 7 \(1 in all\)"):
        v.unit_rows("subject/a", ["1", "7"])


def test_it_survives_being_written() -> None:
    v = Vocabulary.from_windows([windows("a.b/c", [1]), windows("ü", [5, 6], "DG")], level="beryl")
    assert Vocabulary.from_json(json.loads(json.dumps(v.to_json()))) == v


@given(st.lists(st.sampled_from(["CA1", "DG", "root", "unknown", "N/A", "fiber tracts"]), max_size=130))
def test_only_named_grey_regions_of_enough_units_are_masked(regions: list[str]) -> None:
    group, names = mask_groups(regions)
    smallest = 10 if len(regions) >= 100 else 5
    assert set(names) <= {"CA1", "DG"}
    for region in set(regions):
        rows = group[np.array(regions) == region]
        assert len(set(rows.tolist())) == 1
        if region in names:
            assert len(rows) >= smallest
            assert names[rows[0]] == region
        else:
            assert (rows == -1).all()
