"""Reviewed lists of sources: what is written is read back, and a mistake is said."""

from pathlib import Path

import pytest

from nwb_mtm.errors import ConfigError, NwbMtmError, RunError, SourceError
from nwb_mtm.sources.manifest import Listed, SourceSettings, read_manifest, write_manifest

SETTINGS = SourceSettings("trials.cue", "location", "none", ("choice",), 2.0, "valid")
ENTRIES = (
    Listed("DANDI:000409/0.240101.0000/sub-1/a b.nwb", "dandi", SETTINGS, {"subject": "1"}),
    Listed("https://lab.example.org/a.nwb"),
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    first, second = read_manifest(write_manifest(ENTRIES, tmp_path / "runs.toml"))
    assert (first.source, first.instance, first.settings) == (ENTRIES[0].source, "dandi", SETTINGS)
    assert (second.source, second.instance, second.settings) == (ENTRIES[1].source, None, SourceSettings())


def test_paths_start_from_the_list(tmp_path: Path) -> None:
    path = write_manifest([Listed("data/a.nwb")], tmp_path / "runs.toml")
    assert [entry.source for entry in read_manifest(path)] == [str(tmp_path / "data" / "a.nwb")]


def test_an_existing_list_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    path = write_manifest(ENTRIES[:1], tmp_path / "runs.toml")
    with pytest.raises(RunError):
        write_manifest(ENTRIES, path)
    assert len(read_manifest(write_manifest(ENTRIES, path, existing="skip"))) == 1
    assert len(read_manifest(write_manifest(ENTRIES, path, existing="overwrite"))) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["runs.toml"]


HEAD = 'format = 1\n[[source]]\nsource = "a.nwb"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "format = 1"),
        ("format = 2\n[[source]]\nsource = 'a'", "format = 1"),
        ("format = 1", "source"),
        ("format = ", "no list"),
        ("format = 1\n[[source]]\npath = 'a'", "source = "),
        (HEAD + "aligned = 'x'", "aligned"),
        (HEAD + "weight = 0", "above 0"),
        (HEAD + "weight = true", "above 0"),
        (HEAD + "role = 'test'", "held-out"),
        (HEAD + "targets = 'choice'", "list of names"),
        (HEAD + "align = 3", "text"),
    ],
)
def test_a_mistake_is_said_with_what_was_needed(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "runs.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        read_manifest(path)
    assert "runs.toml" in str(caught.value)


def test_a_list_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read_manifest(tmp_path / "runs.toml")
    assert caught.value.kind == "not_found"


def test_no_room_for_the_list_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NwbMtmError):
        write_manifest(ENTRIES, tmp_path / "file" / "runs.toml")
