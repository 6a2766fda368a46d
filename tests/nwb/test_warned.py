"""Every kind of warning is listed once, explained in the documentation, and none is made up."""

from pathlib import Path

import pytest

from nwb_mtm.nwb.warned import WARNINGS, Warnings

PAGE = Path(__file__).parents[2] / "docs" / "reading.md"


@pytest.mark.parametrize("kind", WARNINGS)
def test_a_kind_is_explained_where_files_are(kind: str) -> None:
    assert f"| `{kind}` | {WARNINGS[kind]} |" in PAGE.read_text(encoding="utf-8")


def test_a_kind_that_is_not_listed_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no kind of warning"):
        Warnings().add("odd_smell", "something is off")


def test_the_same_warning_is_kept_once() -> None:
    warnings = Warnings()
    for _ in range(2):
        warnings.add("silent_group", "Group a has no spikes.")
    assert warnings.found == [("silent_group", "Group a has no spikes.")]
