"""Sources on this machine: what is found, in which order, and what is left alone."""

from pathlib import Path

import pytest

from nwb_mtm.errors import NwbMtmError, SourceError
from nwb_mtm.sources.reading import read_all, resolve


@pytest.fixture
def dandiset(tmp_path: Path) -> Path:
    for name in (
        "sub-b/sub-b_ses-2.nwb",
        "sub-a/sub-a_ses-1.nwb",
        "sub-a/sub-a_ses-1_desc-mtm_ecephys.nwb",
        "sub-a/sub-a_ses-1_desc-sorted-mtm.nwb",
        "sub-a/notes.txt",
        ".dandi/hidden.nwb",
        "sub-c/sub-c.nwb/.zgroup",
        "sub-c/sub-c.nwb/units/inner.nwb",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def test_a_folder_means_its_recordings_in_order_without_what_we_wrote(dandiset: Path) -> None:
    assert [item.name for item in resolve([str(dandiset)])] == [
        "sub-a/sub-a_ses-1.nwb",
        "sub-b/sub-b_ses-2.nwb",
        "sub-c/sub-c.nwb",
    ]


def test_a_file_named_twice_is_read_once(dandiset: Path) -> None:
    file = str(dandiset / "sub-b/sub-b_ses-2.nwb")
    items = resolve([file, str(dandiset / "sub-*/*_ses-?.nwb"), file])
    assert [item.name for item in items] == ["sub-b/sub-b_ses-2.nwb", "sub-a/sub-a_ses-1.nwb"]


def test_our_own_file_is_read_when_it_is_named(dandiset: Path) -> None:
    own = dandiset / "sub-a/sub-a_ses-1_desc-mtm_ecephys.nwb"
    assert [item.place for item in resolve([str(own)])] == [own]


def test_a_dangling_link_is_handed_on_so_that_it_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "a.nwb").symlink_to(tmp_path / ".git/annex/objects/a")
    assert [item.name for item in resolve([str(tmp_path)])] == ["a.nwb"]


def test_a_link_to_a_folder_above_is_not_followed_round_and_round(dandiset: Path) -> None:
    (dandiset / "sub-a" / "back").symlink_to(dandiset)
    assert len(resolve([str(dandiset)])) == 3


@pytest.mark.parametrize("missing", ["no.nwb", "no-folder/", "no-*.nwb", "."])
def test_what_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as caught:
        resolve([missing])
    assert caught.value.kind == "not_found"


def test_a_bad_file_is_handed_over_and_the_rest_goes_on(tmp_path: Path) -> None:
    for name in ("a.nwb", "b.nwb"):
        (tmp_path / name).write_bytes(b"")
    outcomes = list(read_all(resolve([str(tmp_path)])))
    assert [item.name for item, _ in outcomes] == ["a.nwb", "b.nwb"]
    assert all(isinstance(outcome, NwbMtmError) for _, outcome in outcomes)


def test_strict_stops_at_the_first_bad_file(tmp_path: Path) -> None:
    (tmp_path / "a.nwb").write_bytes(b"")
    with pytest.raises(NwbMtmError):
        list(read_all(resolve([str(tmp_path)]), strict=True))
