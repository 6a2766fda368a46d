"""From a dandiset's number to recordings, on an archive on this machine: what is moved, kept and said."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loopback import Fault, LoopbackArchive

from nwb_mtm.archive.assets import Asset
from nwb_mtm.archive.pages import Pages
from nwb_mtm.archive.remote import PAGE
from nwb_mtm.config import Config
from nwb_mtm.errors import NwbMtmError, SourceError
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.recording import Recording
from nwb_mtm.road.gathering import gather
from nwb_mtm.sources import workers
from nwb_mtm.sources.manifest import Listed, SourceSettings, write_manifest
from nwb_mtm.sources.reading import (
    Outcome,
    Progress,
    SourceItem,
    SourceOptions,
    follow,
    read,
    read_all,
    resolve,
    resolve_all,
    spread,
)
from nwb_mtm.sources.streaming import stream
from nwb_mtm.sources.traffic import estimate

PUBLISHED = "0.240101.0000"


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four small sessions of three subjects, by their path in the dandiset."""
    folder = tmp_path_factory.mktemp("sessions")
    made = {}
    for subject, session in (("a", "1"), ("a", "2"), ("b", "1"), ("c", "1")):
        rng = np.random.default_rng(len(made))
        trains = [np.sort(rng.uniform(0, 60, 300)) for _ in range(6)]
        recording = Recording.from_arrays(trains, session=session, subject=subject, regions=["CA1"] * 6)
        path = folder / f"sub-{subject}_ses-{session}.nwb"
        recording.to_nwb(path)
        made[f"sub-{subject}/{path.name}"] = path
    return made


@pytest.fixture
def archive(sessions: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackArchive]:
    monkeypatch.delenv("NWB_MTM_OFFLINE", raising=False)
    with LoopbackArchive() as running:
        for path, file in sessions.items():
            subject = path.split("/")[0].removeprefix("sub-")
            running.add("000409", path, file, subject=subject, session=path[-5])
        yield running


@pytest.fixture
def options(archive: LoopbackArchive, tmp_path: Path) -> SourceOptions:
    return SourceOptions(instance=archive.url, cache_dir=tmp_path / "cache", jobs=2)


def recordings(items: tuple[SourceItem, ...], options: SourceOptions) -> list[Recording]:
    found = [result for _, result in read_all(items, options=options)]
    for one in found:
        assert isinstance(one, Recording), one
    return [one for one in found if isinstance(one, Recording)]


def test_a_number_is_enough_to_read_a_dandiset(archive: LoopbackArchive, options: SourceOptions) -> None:
    found = recordings(resolve(["000409"], options), options)
    assert [one.key for one in found] == ["a/1", "a/2", "b/1", "c/1"]
    source = found[0].source
    assert (source.dandiset, source.version, source.licence) == ("000409", "draft", "CC-BY-4.0")
    assert source.name == "sub-a/sub-a_ses-1.nwb"
    assert source.etag.endswith("-1")
    assert all("127.0.0.1" in source.url for _ in found)


def test_the_second_time_nothing_but_a_drafts_listing_moves(archive: LoopbackArchive, options: SourceOptions) -> None:
    first = recordings(resolve(["000409"], options), options)
    archive.log.clear()
    second = recordings(resolve(["000409"], options), options)
    assert not archive.data_log()
    assert sum("assets" in exchange.path for exchange in archive.log) == 1
    assert [r.fingerprint for r in first] == [r.fingerprint for r in second]


def test_a_published_version_is_listed_once_only(archive: LoopbackArchive, options: SourceOptions) -> None:
    archive.publish("000409", PUBLISHED)
    pinned = f"DANDI:000409/{PUBLISHED}"
    recordings(resolve([pinned], options), options)
    archive.log.clear()
    found = recordings(resolve([pinned], options), options)
    assert not archive.log
    assert found[0].source.version == PUBLISHED
    assert found[0].source.doi


def test_offline_opens_no_socket_and_reads_what_is_kept(
    archive: LoopbackArchive, options: SourceOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings(resolve(["000409"], options), options)
    archive.log.clear()
    monkeypatch.setenv("NWB_MTM_OFFLINE", "1")
    monkeypatch.setattr("socket.socket.connect", _no_socket)
    assert len(recordings(resolve(["000409"], options), options)) == 4
    assert not archive.log


def _no_socket(*_: object) -> None:
    raise AssertionError("a socket was opened")


def test_offline_names_what_is_missing(archive: LoopbackArchive, options: SourceOptions) -> None:
    offline = replace(options, offline=True)
    with pytest.raises(SourceError, match="000409") as caught:
        resolve(["000409"], offline)
    assert caught.value.kind == "offline"
    recordings(resolve(["DANDI:000409/sub-a/"], options), options)
    missing = [i.name for i, r in read_all(resolve(["000409"], offline), options=offline) if isinstance(r, NwbMtmError)]
    assert missing == ["000409/sub-b/sub-b_ses-1.nwb", "000409/sub-c/sub-c_ses-1.nwb"]


def test_a_bad_asset_is_reported_and_the_rest_goes_on(
    archive: LoopbackArchive, options: SourceOptions, tmp_path: Path
) -> None:
    (tmp_path / "bad.nwb").write_bytes(b"<html>" * 100)
    archive.add("000409", "sub-b/sub-b_ses-0.nwb", tmp_path / "bad.nwb", subject="b")
    outcomes = list(read_all(resolve(["000409"], options), options=options))
    bad = [(item.name, result) for item, result in outcomes if isinstance(result, NwbMtmError)]
    assert [name for name, _ in bad] == ["000409/sub-b/sub-b_ses-0.nwb"]
    assert isinstance(bad[0][1], NwbMtmError)
    assert bad[0][1].kind == "not_hdf5"
    assert len(outcomes) == 5
    with pytest.raises(SourceError):
        list(read_all(resolve(["000409"], options), options=options, strict=True))


def test_faults_in_the_middle_of_reading_are_lived_through(archive: LoopbackArchive, options: SourceOptions) -> None:
    archive.faults += [Fault("s3", 1, status=503), Fault("s3", 1, cut=100), Fault("s3", 1, short=7)]
    assert len(recordings(resolve(["000409"], options), options)) == 4


def test_an_asset_replaced_since_it_was_listed_is_said(archive: LoopbackArchive, options: SourceOptions) -> None:
    items = resolve(["DANDI:000409/sub-b"], options)
    for blob in archive.blobs.values():
        blob.etag = "another-1"
    ((_, result),) = read_all(items, options=options)
    assert isinstance(result, SourceError)
    assert result.kind == "changed"


def test_what_happens_is_told_while_it_happens(archive: LoopbackArchive, options: SourceOptions) -> None:
    events = list(follow(resolve(["000409"], options), options=options))
    assert [type(event) for event in events].count(Outcome) == 4
    last = [event for event in events if isinstance(event, Progress)][-1]
    assert last.done == last.total == 4
    assert sum(event.bytes for event in events if isinstance(event, Outcome)) > 0


def test_a_run_hands_on_how_far_its_reading_is(archive: LoopbackArchive, options: SourceOptions) -> None:
    told = [e for e in gather(["000409"], Config(), options) if isinstance(e, Progress)]
    assert {event.item.name for event in told if event.finished} == {i.name for i in resolve(["000409"], options)}
    assert not [e for e in gather(["000409"], Config(), options) if isinstance(e, Progress)]  # all from the cache


def test_a_flipped_byte_in_the_cache_is_read_again(archive: LoopbackArchive, options: SourceOptions) -> None:
    items = resolve(["DANDI:000409/sub-b"], options)
    (first,) = recordings(items, options)
    (entry,) = options.store().ls()
    whole = entry.path.read_bytes()
    entry.path.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    (second,) = recordings(items, options)
    assert first.fingerprint == second.fingerprint


def forks_of(process: int) -> set[str]:
    """The processes that a process has made."""
    return set(Path(f"/proc/{process}/task/{process}/children").read_text().split())


@pytest.mark.parametrize("forks", sorted({workers.FORKS, False}))
def test_a_reader_that_is_killed_costs_one_asset(
    forks: bool, archive: LoopbackArchive, options: SourceOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    give = workers._Crew.give

    def give_and_kill(self: workers._Crew, number: int, task: dict[str, object]) -> None:
        before = forks_of(self.process.pid) if forks and self.process is not None else set()
        give(self, number, task)
        if number != 1 or self.process is None:
            return
        reader = {str(self.process.pid)}
        while forks and not (reader := forks_of(self.process.pid) - before):
            time.sleep(0.01)
        os.kill(int(*reader), signal.SIGKILL)

    monkeypatch.setattr(workers, "FORKS", forks)
    monkeypatch.setattr(workers._Crew, "give", give_and_kill)
    items = resolve(["000409"], options)
    results = [result for _, result in read_all(items, options=replace(options, jobs=1))]
    assert [isinstance(result, Recording) for result in results] == [True, False, True, True]
    assert isinstance(results[1], SourceError)
    assert results[1].kind == "reader_died"
    assert "status -9" in str(results[1])
    monkeypatch.undo()
    archive.log.clear()
    assert len(recordings(items, options)) == 4
    assert len({exchange.path for exchange in archive.data_log()}) == 1


def test_a_url_is_read_and_kept_like_an_asset(archive: LoopbackArchive, options: SourceOptions) -> None:
    url = f"{archive.url}/s3/blobs/{next(iter(archive.blobs))}"
    (first,) = recordings(resolve([url], options), options)
    archive.log.clear()
    (second,) = recordings(resolve([url], options), options)
    assert first.fingerprint == second.fingerprint
    assert sum(exchange.sent for exchange in archive.data_log()) == 1
    offline = replace(options, offline=True)
    assert len(recordings(resolve([url], offline), offline)) == 1


class FullDisk:
    """Writes half of something, and then there is no room left."""

    def __init__(self, place: int) -> None:
        self.place = place  # of the file or path among the arguments

    def __call__(self, *given: Any) -> None:
        target = given[self.place]
        if isinstance(target, Path):
            target.write_bytes(b"half")
        else:
            target.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")


def files_of(options: SourceOptions) -> list[str]:
    return [path.suffix for path in options.store().folder.rglob("*") if path.is_file() and path.suffix != ".json"]


def test_a_disk_too_full_for_pages_may_hold_what_was_read(
    archive: LoopbackArchive, options: SourceOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    (item,) = resolve(["DANDI:000409/sub-b"], options)
    monkeypatch.setattr("nwb_mtm.sources.store.write_pages", FullDisk(0))
    assert isinstance(item.place, Asset)
    stream(item.place, options.store(), selection=ReadOptions())
    assert files_of(options) == [".safetensors"]
    assert len(recordings([item], options)) == 1


def test_a_full_disk_is_said_once_and_the_cache_stays_whole(
    archive: LoopbackArchive, options: SourceOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = resolve(["000409"], options)
    assert len(recordings([first], options)) == 1
    before = files_of(options)
    monkeypatch.setattr("nwb_mtm.sources.store.write_pages", FullDisk(0))
    monkeypatch.setattr("nwb_mtm.sources.packing.write", FullDisk(0))
    assert isinstance(second.place, Asset)
    with pytest.raises(SourceError, match=f"The disk is full, so what was read of .*{second.place.path}") as caught:
        stream(second.place, options.store(), selection=ReadOptions())
    assert caught.value.kind == "no_space"
    assert files_of(options) == before
    assert [wrong for _, wrong in options.store().verify()] == [None] * len(before)


def test_a_full_disk_during_a_download_leaves_nothing(
    archive: LoopbackArchive, options: SourceOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    (item,) = resolve(["DANDI:000409/sub-b"], options)
    archive.faults.append(Fault("s3", 1000, whole=True))
    monkeypatch.setattr("nwb_mtm.archive.client.Archive.save", FullDisk(1))
    assert isinstance(item.place, Asset)
    with pytest.raises(SourceError, match="The disk is full, so .* could not be downloaded") as caught:
        stream(item.place, options.store(), selection=ReadOptions())
    assert caught.value.kind == "no_space"
    assert files_of(options) == []


def test_an_asset_without_ranges_is_downloaded_when_it_is_small(
    archive: LoopbackArchive, options: SourceOptions
) -> None:
    archive.faults.append(Fault("s3", 1000, whole=True))
    items = resolve(["DANDI:000409/sub-b"], options)
    assert len(recordings(items, options)) == 1
    assert not list((options.store().folder / "scratch").iterdir())


def test_a_large_one_is_downloaded_only_when_that_is_allowed(
    archive: LoopbackArchive, options: SourceOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nwb_mtm.sources.reading.SMALL", 1000)
    archive.faults.append(Fault("s3", 1000, whole=True))
    items = resolve(["DANDI:000409/sub-b"], options)
    ((_, result),) = read_all(items, options=options)
    assert isinstance(result, SourceError)
    assert result.kind == "needs_download"
    assert "--allow-download" in str(result)
    assert len(recordings(items, replace(options, allow_download=True))) == 1


def test_filters_choose_and_tell_what_they_left(
    archive: LoopbackArchive, options: SourceOptions, sessions: dict[str, Path]
) -> None:
    file = next(iter(sessions.values()))
    archive.add("000409", "sub-a/sub-a_ses-1_desc-mtm_ecephys.nwb", file, subject="a")
    archive.add("000409", "sub-d/sub-d.nwb", file, subject="d", measured=("TwoPhotonSeries",))
    archive.add("000409", "sub-e/sub-e.nwb", file, subject="e", species="Rattus norvegicus")
    archive.add("000409", "sub-f/../../x.nwb", file, subject="f")
    chosen = replace(options, species=("mus",), subjects=("a", "b", "d"))
    found = resolve_all(["000409"], chosen)
    assert [item.subject for item in found.items] == ["a", "a", "b"]
    reasons = {left.name.split("/")[1]: left.why for left in found.left}
    assert reasons["sub-a"] == "written by nwb-mtm itself"
    assert reasons["sub-c"] == "another subject"
    assert "TwoPhotonSeries" in reasons["sub-d"]
    assert reasons["sub-f"] == "its path leads out of the dandiset"
    everything = resolve_all(["000409"], replace(options, species=("rat",)))
    assert [item.subject for item in everything.items] == ["e"]


def test_an_asset_named_by_its_path_is_read_whatever_is_listed(
    archive: LoopbackArchive, options: SourceOptions, sessions: dict[str, Path]
) -> None:
    archive.add("000409", "sub-d/sub-d.nwb", next(iter(sessions.values())), measured=("TwoPhotonSeries",))
    assert len(resolve(["DANDI:000409/sub-d/sub-d.nwb"], options)) == 1


def test_a_dandiset_without_units_is_said_plainly(
    archive: LoopbackArchive, options: SourceOptions, sessions: dict[str, Path]
) -> None:
    archive.add("000111", "sub-d/sub-d.nwb", next(iter(sessions.values())), measured=("TwoPhotonSeries",))
    with pytest.raises(SourceError, match="TwoPhotonSeries") as caught:
        resolve(["000111"], options)
    assert caught.value.kind == "no_units_table"


@pytest.mark.parametrize(("source", "kind"), [("DANDI:000409/sub-z/", "no_asset"), ("000998", "no_dandiset")])
def test_what_is_not_there_is_said_plainly(options: SourceOptions, source: str, kind: str) -> None:
    with pytest.raises(SourceError) as caught:
        resolve([source], options)
    assert caught.value.kind == kind


def test_a_limit_is_spread_over_subjects(options: SourceOptions) -> None:
    found = resolve_all(["000409"], replace(options, max_sessions=3))
    assert [item.subject for item in found.items] == ["a", "b", "c"]
    assert [left.name for left in found.left] == ["000409/sub-a/sub-a_ses-2.nwb"]
    assert resolve(["000409"], replace(options, max_sessions=9)) == resolve(["000409"], options)


def test_the_spread_does_not_depend_on_what_else_is_asked() -> None:
    items = [SourceItem(f"sub-{s}/sub-{s}_ses-{n}.nwb", Path(f"{s}{n}")) for s in "abc" for n in range(4)]
    for limit in range(1, 12):
        fewer, more = spread(items, limit)[0], spread(items, limit + 1)[0]
        assert len(fewer) == limit
        assert set(fewer) < set(more)


def test_the_same_bytes_in_two_versions_are_moved_once(archive: LoopbackArchive, options: SourceOptions) -> None:
    archive.publish("000409", PUBLISHED)
    items = resolve(["DANDI:000409/draft/sub-b", f"DANDI:000409/{PUBLISHED}/sub-b"], options)
    first, second = recordings(items, options)
    assert [first.source.version, second.source.version] == ["draft", PUBLISHED]
    assert len([e for e in archive.data_log() if e.span and e.span[0] == 0]) == 1


def test_an_embargoed_dandiset_is_read_with_the_key_from_the_environment(
    archive: LoopbackArchive, options: SourceOptions, sessions: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("000123", "sub-a/sub-a.nwb", next(iter(sessions.values())), embargoed=True)
    monkeypatch.setenv(archive.variable, archive.key)
    (found,) = recordings(resolve(["000123"], options), options)
    assert found.key == "a/1"
    kept = b"".join(p.read_bytes() for p in options.store().folder.rglob("*") if p.is_file())
    assert archive.key.encode() not in kept
    assert b"Signature" not in kept


def test_one_asset_is_read_by_its_address(archive: LoopbackArchive, options: SourceOptions) -> None:
    assert read("DANDI:000409/sub-b/sub-b_ses-1.nwb", options=options).key == "b/1"
    with pytest.raises(SourceError, match="holds 2 recordings"):
        read("DANDI:000409/sub-a/", options=options)


def test_a_local_file_is_read_by_its_path(sessions: dict[str, Path]) -> None:
    assert read(str(sessions["sub-b/sub-b_ses-1.nwb"]), quality="none").key == "b/1"


def test_other_options_move_nothing_that_is_here(archive: LoopbackArchive, options: SourceOptions) -> None:
    items = resolve(["DANDI:000409/sub-b"], options)
    recordings(items, options)
    archive.log.clear()
    offline = replace(options, offline=True)
    ((_, found),) = read_all(items, options=offline, selection=ReadOptions(min_rate=1e6))
    assert isinstance(found, Recording)
    assert not found.units.inputs.any()
    assert not archive.log


def test_pages_that_do_not_hold_what_is_asked_for_are_not_enough_offline(
    archive: LoopbackArchive, options: SourceOptions
) -> None:
    items = resolve(["DANDI:000409/sub-b"], options)
    asset = items[0].place
    assert isinstance(asset, Asset)
    options.store().put_pages(Pages(asset.size, asset.etag, PAGE, {1: memoryview(bytes(PAGE))}))
    offline = replace(options, offline=True)
    ((_, found),) = read_all(items, options=offline)
    assert isinstance(found, SourceError)
    assert found.kind == "offline"


FETCH = """
import sys
from pathlib import Path
from nwb_mtm.sources.reading import SourceOptions, read_all, resolve
options = SourceOptions(instance=sys.argv[1], cache_dir=Path(sys.argv[2]), jobs=1)
for item, result in read_all(resolve(["000409"], options), options=options):
    print(item.name, result, flush=True)
"""


@pytest.mark.parametrize("after", [0, 1, 3])
def test_killed_at_any_point_it_goes_on_where_it_was(
    archive: LoopbackArchive, options: SourceOptions, after: int
) -> None:
    running: list[subprocess.Popen[bytes]] = []
    archive.faults.append(Fault("s3/blobs", 1, skip=after, call=lambda: running[0].kill(), wait=0.2))
    command = [sys.executable, "-c", FETCH, archive.url, str(options.cache_dir)]
    running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    assert running[0].wait(60) == -9
    kept = options.store()
    assert all(wrong is None for _, wrong in kept.verify())
    before = {entry.facts["etag"] for entry in kept.ls()}
    archive.log.clear()
    items = resolve(["000409"], options)
    assert len(recordings(items, options)) == 4
    moved = {exchange.path for exchange in archive.data_log()}
    assert len(moved) <= 4 - len(before)
    assert all(wrong is None for _, wrong in options.store().verify())


def test_the_estimate_tells_what_will_move_before_it_moves(
    archive: LoopbackArchive, options: SourceOptions, large: Path
) -> None:
    archive.add("000222", "sub-l/sub-l.nwb", large, subject="l")
    items = resolve(["000222"], options)
    told = estimate(items, options=options)
    looked = sum(exchange.sent for exchange in archive.data_log())
    archive.log.clear()
    recordings(items, options)
    moved = sum(exchange.sent for exchange in archive.data_log())
    assert looked < large.stat().st_size / 4
    assert moved / 2 <= told.to_move <= 2 * moved
    assert (told.files, told.cached, told.looked_into) == (1, 0, 1)
    assert estimate(items, options=options).to_move == 0


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with so many spikes that they are worth counting."""
    trains = [np.random.default_rng(unit).uniform(0, 100, 100_000) for unit in range(10)]
    recording = Recording.from_arrays(trains, session="1", subject="l", regions=["CA1"] * 10)
    return recording.to_nwb(tmp_path_factory.mktemp("large") / "l.nwb")


def test_nothing_that_a_server_says_leads_out_of_the_cache(
    archive: LoopbackArchive, options: SourceOptions, tmp_path: Path
) -> None:
    for blob in archive.blobs.values():
        blob.etag = "../../../../escaped"
    for row in archive.dandisets["000409"].versions["draft"].rows.values():
        row["metadata"]["digest"]["dandi:dandi-etag"] = "../../../../escaped"
        row["metadata"]["wasAttributedTo"][0]["identifier"] = "../../sub"
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert len(recordings(resolve(["000409"], options), options)) == 4
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert made
    assert all(tmp_path / "cache" in path.parents for path in made)
    assert not list(tmp_path.parent.rglob("*escaped*"))


def test_a_list_tells_how_each_of_its_files_is_read(
    archive: LoopbackArchive, options: SourceOptions, sessions: dict[str, Path], tmp_path: Path
) -> None:
    local = sessions["sub-c/sub-c_ses-1.nwb"]
    settings = SourceSettings(region="group", quality="none")
    listed = [Listed("DANDI:000409/sub-b", archive.url, settings), Listed(str(local), None, settings)]
    path = write_manifest([*listed, Listed("DANDI:000409/sub-a/sub-a_ses-1.nwb", archive.url)], tmp_path / "runs.toml")
    grouped, also, plain = recordings(resolve([str(path)], options), options)
    assert set(plain.units.regions) == {"CA1"}
    for found in (grouped, also):
        assert found.units.regions == found.units.groups
        assert found.units.regions != plain.units.regions


CARD = "identifier: DANDI:000409\nversion: 0.230101.1234\ndoi: 10.48324/dandi.000409\nlicense:\n- spdx:CC-BY-4.0\n"


def test_a_local_copy_of_a_dandiset_says_where_it_is_from(sessions: dict[str, Path], tmp_path: Path) -> None:
    source = next(iter(sessions.values()))
    path = tmp_path / "000409" / "sub-a" / source.name
    path.parent.mkdir(parents=True)
    path.write_bytes(source.read_bytes())
    (tmp_path / "000409" / "dandiset.yaml").write_text(CARD)
    for given in (path, str(path)):
        told = read(given).source
        assert (told.dandiset, told.version, told.doi) == ("000409", "0.230101.1234", "10.48324/dandi.000409")
        assert (told.name, told.licence) == (f"sub-a/{source.name}", "spdx:CC-BY-4.0")
    ((_, found),) = read_all(resolve([str(tmp_path / "000409")]))
    assert isinstance(found, Recording)
    assert found.source.dandiset == "000409"


def test_a_derivative_that_is_no_dandiset_yet_gives_no_number(sessions: dict[str, Path], tmp_path: Path) -> None:
    source = next(iter(sessions.values()))
    (tmp_path / source.name).write_bytes(source.read_bytes())
    (tmp_path / "dandiset.yaml").write_text('identifier: "DANDI:000000"\n')
    assert read(tmp_path / source.name).source.dandiset == ""
