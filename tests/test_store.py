"""The cache of recordings: what is kept is what was put, whatever happens on the way."""

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nwb_mtm.archive.pages import Pages
from nwb_mtm.errors import SourceError
from nwb_mtm.recording import Behavior, Intervals, Recording
from nwb_mtm.sources import packing, store
from nwb_mtm.sources.store import Key, Store

KEY = Key("etag-1", "reader-1", "")


def a_recording(seed: int = 0, units: int = 5) -> Recording:
    rng = np.random.default_rng(seed)
    ragged = np.empty(2, object)
    ragged[:] = [("a", "b"), np.arange(3.0)]
    trials = Intervals(
        np.array([0.0, 1.0]),
        np.array([1.0, 2.0]),
        {"cue": np.array([0.1, np.nan]), "side": np.array(["left", "right ü"]), "odd": ragged},
        dropped=((7, "nan_time"),),
    )
    wheel = Behavior("/processing/wheel", np.arange(4.0), np.arange(8.0).reshape(4, 2), "cm")
    return Recording.from_arrays(
        [rng.uniform(0, 100, 200) for _ in range(units)],
        session=f"s{seed}",
        regions=["CA1"] * units,
        trials=trials,
        behaviors=[wheel],
        observed=[[0.0, 100.0]],
    )


def same(a: Any, b: Any) -> bool:
    """The two hold the same, all the way down."""
    if is_dataclass(a) and not isinstance(a, type):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray):
        if a.dtype.hasobject:
            return all(same(x, y) for x, y in zip(a.ravel(), b.ravel(), strict=True))
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if hasattr(a, "items"):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) or (a != a and b != b)


def test_what_comes_out_is_what_was_put_in(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    recording = a_recording()
    assert kept.get(KEY) is None
    kept.put(KEY, recording)
    found = Store(tmp_path).get(KEY)
    assert found is not None
    assert same(found, recording)
    assert found.fingerprint == recording.fingerprint


def test_arrays_are_mapped_and_cannot_be_written(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.put(KEY, a_recording())
    found = kept.get(KEY)
    assert found is not None
    assert not found.spikes.times.flags.owndata
    with pytest.raises(ValueError):
        found.spikes.times[0] = 1.0


def test_any_reader_of_safetensors_can_open_an_entry(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    recording = a_recording()
    tensors = load_file(Store(tmp_path).put(KEY, recording))
    assert any(t.dtype == np.float64 and np.array_equal(t, recording.spikes.times) for t in tensors.values())


@pytest.mark.parametrize(
    "other", [Key("etag-2", "reader-1"), Key("etag-1", "reader-2"), Key("etag-1", "reader-1", "x")]
)
def test_content_reader_and_selection_make_the_key(tmp_path: Path, other: Key) -> None:
    kept = Store(tmp_path)
    kept.put(KEY, a_recording())
    assert KEY in kept
    assert other not in kept


def test_one_flipped_byte_anywhere_is_noticed_and_counts_as_missing(tmp_path: Path) -> None:
    path = Store(tmp_path).put(KEY, a_recording())
    whole = path.read_bytes()
    for at in [*range(0, len(whole), len(whole) // 40), 3, 8, len(whole) - 1]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        kept = Store(tmp_path)
        assert kept.get(KEY) is None, at
        assert kept.damaged
        assert not path.exists()


@pytest.mark.parametrize("length", [0, 5, 100, 5000])
def test_a_file_cut_short_counts_as_missing(tmp_path: Path, length: int) -> None:
    kept = Store(tmp_path)
    path = kept.put(KEY, a_recording())
    path.write_bytes(path.read_bytes()[:length])
    assert Store(tmp_path).get(KEY) is None


def test_the_digest_is_compared_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Store(tmp_path)
    kept.put(KEY, a_recording())
    checks: list[object] = []
    monkeypatch.setattr(packing, "check", checks.append)
    kept.get(KEY)
    kept.get(KEY)
    assert len(checks) == 1


def test_verify_names_the_damaged_entry(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.put(KEY, a_recording())
    bad = kept.put(Key("etag-2", "reader-1"), a_recording(1))
    bad.write_bytes(bad.read_bytes()[:-1] + b"\0")
    found = {entry.path: wrong for entry, wrong in kept.verify()}
    assert len(found) == 2
    assert [path for path, wrong in found.items() if wrong] == [bad]


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_above_the_limit_the_least_recently_used_go_first(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    paths = [kept.put(Key(f"etag-{i}", "r"), a_recording(i)) for i in range(4)]
    for i, path in enumerate(paths):
        aged(path, 10_000 - i)
    kept.get(Key("etag-0", "r"))
    aged(paths[0], 5_000)
    small = Store(tmp_path, limit=paths[0].stat().st_size * 2 + 100)
    assert {entry.path for entry in small.trim()} == {paths[1], paths[2]}
    assert paths[0].exists()
    assert paths[3].exists()


def test_entries_in_use_are_spared(tmp_path: Path) -> None:
    kept = Store(tmp_path, limit=1)
    first = kept.put(KEY, a_recording())
    opened = kept.get(KEY)
    aged(first, 10_000)
    assert kept.trim() == ()
    del opened
    assert [entry.path for entry in kept.trim()] == [first]


def test_entries_another_process_has_just_used_are_spared(tmp_path: Path) -> None:
    Store(tmp_path).put(KEY, a_recording())
    assert Store(tmp_path, limit=1).trim() == ()


def test_clear_leaves_nothing(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.put(KEY, a_recording())
    kept.put_listing("dandi/000409/draft", [1])
    assert kept.clear() > 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept.get_listing("dandi/000409/draft") is None


def test_listings_are_kept_by_name(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.put_listing("../../etc/x", {"a": [1, None]})
    assert kept.get_listing("../../etc/x") == {"a": [1, None]}
    assert all(tmp_path in path.parents for path in tmp_path.rglob("*"))


class FullFile:
    """A file on a disk that has no room left."""

    def __call__(self, file: Any, recording: Recording, facts: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "write", FullFile())
    with pytest.raises(SourceError) as caught:
        Store(tmp_path).put(KEY, a_recording())
    assert caught.value.kind == "no_space"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError) as caught:
        Store(tmp_path / "file").put(KEY, a_recording())
    assert caught.value.kind == "cannot_write"


def test_what_died_half_written_is_swept_a_day_later(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    path = kept.put(KEY, a_recording())
    old, new = path.with_name(".old.part"), path.with_name(".new.part")
    for partial in (old, new):
        partial.write_bytes(b"half")
    aged(old, 100_000)
    kept.trim()
    assert not old.exists()
    assert new.exists()
    assert len(kept.ls()) == 1


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NWB_MTM_CACHE", str(tmp_path / "here"))
    assert store.default_folder() == tmp_path / "here"


SHARE = """
import sys
from pathlib import Path
import numpy as np
from nwb_mtm.recording import Recording
from nwb_mtm.sources.store import Key, Store
kept = Store(Path(sys.argv[1]), limit=200_000)
wrong = 0
for step in range(40):
    n = step % 5
    found = kept.get(Key(f"etag-{n}", "r"))
    if found is None:
        trains = [np.arange(2000) * 0.5 + n for _ in range(3)]
        kept.put(Key(f"etag-{n}", "r"), Recording.from_arrays(trains, session=str(n)))
    else:
        wrong += found.spikes.times[0] != n or found.session != str(n)
print(wrong, len(kept.damaged))
"""


def test_four_processes_share_one_cache(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHARE, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[0].split() for process in running] == [["0", "0"]] * 4
    assert not list(tmp_path.rglob("*.part"))


DIE = """
import os, signal, sys
from pathlib import Path
import numpy as np
from nwb_mtm.sources import store
from nwb_mtm.recording import Recording
point = sys.argv[2]
if point == "before-move":
    store.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
else:
    store.os.fsync = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
recording = Recording.from_arrays([np.arange(5000.0)], session="1")
store.Store(Path(sys.argv[1])).put(store.Key("etag-1", "reader-1"), recording)
"""


@pytest.mark.parametrize("point", ["in-writing", "before-move"])
def test_killed_while_writing_the_cache_stays_whole(tmp_path: Path, point: str) -> None:
    died = subprocess.run([sys.executable, "-c", DIE, str(tmp_path), point], check=False)
    assert died.returncode == -9
    kept = Store(tmp_path)
    assert kept.get(KEY) is None
    assert kept.ls() == ()
    kept.put(KEY, a_recording())
    assert kept.get(KEY) is not None


def test_no_file_says_where_it_was_made(tmp_path: Path) -> None:
    path = Store(tmp_path).put(KEY, a_recording())
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    assert str(Path.home()) not in json.dumps(header)
    assert str(tmp_path) not in json.dumps(header)


def some_pages(etag: str = "etag-1") -> Pages:
    held = {number: memoryview(bytes([number]) * 64) for number in (0, 1, 5)}
    return Pages(64 * 6, etag, 64, held)


def test_pages_come_back_as_they_were(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.put_pages(some_pages())
    found = kept.get_pages("etag-1")
    assert found is not None
    assert {number: bytes(page) for number, page in found.held.items()} == {n: bytes([n]) * 64 for n in (0, 1, 5)}
    assert (found.size, found.etag, found.page) == (384, "etag-1", 64)
    assert kept.get_pages("etag-2") is None


def test_one_flipped_byte_in_pages_is_noticed(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.put_pages(some_pages())
    (entry,) = kept.pages()
    whole = entry.path.read_bytes()
    for at in range(0, len(whole), 13):
        entry.path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert kept.get_pages("etag-1") is None


def test_pages_make_room_before_recordings(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    recording = kept.put(KEY, a_recording())
    kept.put_pages(some_pages())
    (pages,) = kept.pages()
    aged(recording, 20_000)
    aged(pages.path, 10_000)
    assert [e.path for e in Store(tmp_path, limit=recording.stat().st_size).trim()] == [pages.path]
