"""`nwb-mtm find` and `nwb-mtm cache`, against an archive on this machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from loopback import Fault, LoopbackArchive
from nwb_mtm_cli.main import group

from nwb_mtm.errors import NwbMtmError
from nwb_mtm.recording import Intervals, Recording
from nwb_mtm.sources.manifest import read_manifest
from nwb_mtm.sources.reading import SourceOptions, read_all, resolve


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    starts = np.arange(0.0, 50.0, 5.0)
    trials = Intervals(starts, starts + 2, {"cue_time": starts + 0.5}, events=("cue_time",))
    rng = np.random.default_rng(0)
    trains = [np.sort(rng.uniform(0, 60, 300)) for _ in range(5)]
    regions = ["CA1", "CA1", "CA3", "CA3", "DG"]
    recording = Recording.from_arrays(trains, session="1", subject="a", regions=regions, trials=trials)
    return recording.to_nwb(tmp_path_factory.mktemp("file") / "a.nwb")


@pytest.fixture
def archive(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackArchive]:
    monkeypatch.setenv("NWB_MTM_CACHE", str(tmp_path / "cache"))
    with LoopbackArchive() as running:
        monkeypatch.setenv("DANDI_INSTANCE", running.url)
        for name in ("sub-a/sub-a_ses-1.nwb", "sub-b/sub-b_ses-1.nwb"):
            running.add("000409", name, file, subject=name[4], session="1")
        running.add("000409", "sub-c/sub-c.nwb", file, subject="c", measured=("TwoPhotonSeries",))
        yield running


def invoke(*words: str) -> Result:
    done = CliRunner().invoke(group, list(words), prog_name="nwb-mtm")
    if done.exception is not None and not isinstance(done.exception, SystemExit | NwbMtmError):
        raise done.exception
    return done


def test_find_lists_what_can_be_used_without_a_byte_of_a_file(archive: LoopbackArchive) -> None:
    done = invoke("find", "000409")
    assert done.exit_code == 0, done.output
    assert "2 of 3 files can be used" in done.stdout
    assert "TwoPhotonSeries" in done.stdout
    assert "draft" in done.stdout
    assert not archive.data_log()


def test_find_as_json_has_every_fact(archive: LoopbackArchive) -> None:
    told = json.loads(invoke("find", "000409", "--json").stdout)
    first, _, last = told["files"]
    assert (first["path"], first["subject"], first["usable"]) == ("sub-a/sub-a_ses-1.nwb", "a", True)
    assert (first["dandiset"], first["version"], first["species"]) == ("000409", "draft", "Mus musculus")
    assert (last["usable"], last["measured"]) == (False, ["TwoPhotonSeries"])
    assert last["why_not"]


def test_find_deep_tells_what_is_inside_and_keeps_it(archive: LoopbackArchive) -> None:
    told = json.loads(invoke("find", "000409", "--deep", "--json").stdout)
    first = told["files"][0]
    assert (first["units"], first["trials"]) == (5, 10)
    assert first["regions"] == {"CA1": 2, "CA3": 2, "DG": 1}
    assert "cue_time" in first["events"]
    archive.log.clear()
    assert "CA3:2" in invoke("find", "000409", "--deep").stdout
    assert not archive.data_log()


def test_find_writes_a_list_that_is_read_back(archive: LoopbackArchive, tmp_path: Path) -> None:
    path = tmp_path / "runs.toml"
    assert invoke("find", "000409", "--manifest", str(path)).exit_code == 0
    assert [entry.source for entry in read_manifest(path)] == [
        "DANDI:000409/draft/sub-a/sub-a_ses-1.nwb",
        "DANDI:000409/draft/sub-b/sub-b_ses-1.nwb",
    ]
    path.write_text(path.read_text().replace('role = "train"', 'role = "held-out"\nalign = "cue_time"', 1))
    options = SourceOptions(cache_dir=tmp_path / "cache")
    items = resolve([str(path)], options)
    assert [item.settings.role for item in items] == ["held-out", "train"]
    assert items[0].settings.align == "cue_time"
    assert all(isinstance(result, Recording) for _, result in read_all(items, options=options))


def test_a_list_that_exists_is_not_overwritten_unasked(archive: LoopbackArchive, tmp_path: Path) -> None:
    path = tmp_path / "runs.toml"
    path.write_text("mine")
    done = invoke("find", "000409", "--manifest", str(path))
    assert isinstance(done.exception, NwbMtmError)
    assert done.exception.kind == "exists"
    invoke("find", "000409", "--manifest", str(path), "-e", "skip")
    assert path.read_text() == "mine"
    invoke("find", "000409", "--manifest", str(path), "-e", "overwrite")
    assert "DANDI:000409" in path.read_text()


def test_a_list_of_local_files_says_nothing_of_this_machine(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.nwb").write_bytes(file.read_bytes())
    invoke("find", str(folder), "--manifest", str(tmp_path / "runs.toml"))
    assert [item.place for item in resolve([str(tmp_path / "runs.toml")])] == [folder / "a.nwb"]
    assert str(tmp_path) not in (tmp_path / "runs.toml").read_text()


def test_fetch_fills_the_cache_and_offline_uses_it(archive: LoopbackArchive, tmp_path: Path) -> None:
    done = invoke("cache", "fetch", "000409")
    assert "2 of 2 recordings are in the cache" in done.stdout
    archive.log.clear()
    again = invoke("cache", "fetch", "000409", "--offline")
    assert "0 read now, 0.0 MB" in again.stdout
    assert not archive.log
    # the two assets hold the same bytes, which are kept once
    (entry,) = json.loads(invoke("cache", "ls", "--json").stdout)
    assert (entry["units"], entry["version"]) == (5, "draft")
    assert "1 recordings" in invoke("cache", "ls").stdout


def test_fetch_reports_what_fails_and_ends_well_when_anything_is_read(archive: LoopbackArchive, tmp_path: Path) -> None:
    (tmp_path / "bad.nwb").write_bytes(b"no file" * 99)
    archive.add("000409", "sub-d/sub-d.nwb", tmp_path / "bad.nwb")
    done = invoke("cache", "fetch", "000409")
    assert done.exit_code == 0
    assert "sub-d/sub-d.nwb" in done.stderr
    assert "2 of 3" in done.stdout


def test_fetch_fails_when_nothing_is_read(archive: LoopbackArchive) -> None:
    archive.faults.append(Fault("s3", 10_000, status=404))
    done = invoke("cache", "fetch", "000409")
    assert isinstance(done.exception, NwbMtmError)
    assert done.exception.kind == "nothing_to_do"


def test_verify_drops_what_is_damaged_and_clear_everything(archive: LoopbackArchive, tmp_path: Path) -> None:
    invoke("cache", "fetch", "000409")
    assert "2 files are whole, 0 were damaged" in invoke("cache", "verify").stdout
    (path,) = (tmp_path / "cache" / "recordings").rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert "1 files are whole, 1 were damaged" in invoke("cache", "verify").stdout
    assert not path.exists()
    invoke("cache", "fetch", "000409")
    assert "MB dropped" in invoke("cache", "clear").stdout
    assert not [one for one in (tmp_path / "cache").rglob("*") if one.is_file()]
