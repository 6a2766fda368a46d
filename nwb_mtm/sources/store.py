"""Recordings already read, kept on disk: one file each, mapped when used again.

A file is written under a temporary name and moved into place, so that a reader sees all of it or none; there
are no locks, and any number of processes may share a folder.
"""

import contextlib
import hashlib
import json
import os
import time
import uuid
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nwb_mtm.archive.pages import DamagedPagesError, Pages, open_pages, write_pages
from nwb_mtm.recording import Recording
from nwb_mtm.sources import packing
from nwb_mtm.sources.packing import PARTIAL, drop, write_whole

LIMIT = 50 * 10**9
SUFFIX = ".safetensors"
PAGES = ".pages"
RESULTS = ".results"
IN_USE = 600.0  # seconds for which another process may be counting on an entry it has found
ABANDONED = 86_400.0  # seconds after which a half-written file is somebody's who died


@dataclass(frozen=True)
class Key:
    """What makes two readings the same: the content, the reader, and what was selected."""

    etag: str
    reader: str
    selection: str = ""

    @property
    def digest(self) -> str:
        """The entry's name."""
        text = json.dumps([self.etag, self.reader, self.selection])
        return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


@dataclass(frozen=True)
class Entry:
    """One recording in the cache."""

    path: Path
    size: int
    used: float  # seconds since the epoch
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it was read from."""
        return str(self.facts.get("name", "damaged"))


class Store:
    """A folder of recordings, within a limit of bytes."""

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder = folder or default_folder()
        self.limit = limit
        self.damaged: list[str] = []
        self._checked: set[tuple[str, int, int]] = set()
        self._open: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._total: int | None = None

    def __contains__(self, key: Key) -> bool:
        return self._path(key).exists()

    def get(self, key: Key) -> Recording | None:
        """The recording, or None; one that is damaged is dropped and counts as missing."""
        path = self._path(key)
        try:
            packed = packing.open_packed(path)
            self._check_once(path, packed)
            recording = packing.unpack(packed)
        except FileNotFoundError:
            return None
        except packing.DamagedError as error:
            self.damaged.append(f"{path.name}: {error}")
            drop(path)
            return None
        self._open[str(path)] = packed.mapped
        with contextlib.suppress(OSError):  # a shared cache may be for reading only
            os.utime(path)
        return recording

    def put(self, key: Key, recording: Recording) -> Path:
        """Keep a recording; the least recently used ones make room."""
        source = recording.source
        facts = {
            "name": f"{source.dandiset}/{source.name}" if source.dandiset else source.name,
            "etag": key.etag,
            "reader": key.reader,
            "selection": key.selection,
            "version": source.version,
            "units": len(recording.units),
            "spikes": len(recording.spikes.times),
        }
        path = self._path(key)
        called = f"what was read of {facts['name']}"
        write_whole(path, lambda file: packing.write(file, recording, facts), called=called)
        self._grow(path)
        return path

    def get_pages(self, etag: str) -> Pages | None:
        """The pages of a file that were moved for any purpose, or None."""
        path = self._pages_path(etag)
        try:
            pages = open_pages(path)
        except FileNotFoundError:
            return None
        except DamagedPagesError as error:
            self.damaged.append(f"{path.name}: {error}")
            drop(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return pages

    def has_pages(self, etag: str) -> bool:
        """Some pages of the file are kept."""
        return bool(etag) and self._pages_path(etag).exists()

    def put_pages(self, pages: Pages) -> None:
        """Keep the pages of one version of a file, in place of those kept before."""
        path = self._pages_path(pages.etag)
        write_whole(path, lambda file: write_pages(file, pages))
        self._grow(path)

    def get_results(self, name: str) -> bytes | None:
        """What was worked out under a name, or None."""
        path = self._results_path(name)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def put_results(self, name: str, data: bytes) -> None:
        """Keep what was worked out from recordings: the first thing to go when room is needed."""
        path = self._results_path(name)
        write_whole(path, lambda file: file.write(data), called="what was found about baselines")
        self._grow(path)

    def get_listing(self, name: str) -> Any:
        """What was last noted under a name, or None."""
        try:
            return json.loads(self._listing(name).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def put_listing(self, name: str, listing: Any) -> None:
        """Note a listing, so that it can be used without a network."""
        text = json.dumps(listing).encode()
        write_whole(self._listing(name), lambda file: file.write(text))

    def ls(self) -> tuple[Entry, ...]:
        """Every recording, the one used longest ago first."""
        return self._entries(SUFFIX)

    def pages(self) -> tuple[Entry, ...]:
        """The pages kept of every file, those used longest ago first."""
        return self._entries(PAGES)

    def results(self) -> tuple[Entry, ...]:
        """What was worked out from recordings, that used longest ago first."""
        return self._entries(RESULTS)

    def verify(self) -> Iterator[tuple[Entry, str | None]]:
        """Check every entry; with each comes what is wrong with it, or None."""
        for entry in (*self.ls(), *self.pages()):
            try:
                _verify(entry.path)
            except FileNotFoundError:
                continue
            except (packing.DamagedError, DamagedPagesError) as error:
                yield entry, str(error)
            else:
                yield entry, None

    def remove(self, entry: Entry) -> None:
        """Drop one entry."""
        drop(entry.path)
        self._total = None

    def clear(self) -> int:
        """Drop everything that the cache holds; return how many bytes that were."""
        paths = [path for suffix in (SUFFIX, PAGES, RESULTS, ".json", PARTIAL) for path in self._files(suffix)]
        freed = 0
        for path in paths:
            freed += drop(path)
        self._total = None
        return freed

    def scratch(self) -> Path:
        """A new name for a file that is needed only while something is read."""
        path = self.folder / "scratch" / f"{uuid.uuid4().hex}{PARTIAL}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def trim(self) -> tuple[Entry, ...]:
        """Drop the least recently used above the limit: results, then pages, then recordings not in use."""
        self._sweep()
        entries = (*self.results(), *self.pages(), *self.ls())
        total = sum(entry.size for entry in entries)
        dropped: list[Entry] = []
        for entry in entries:
            if total <= self.limit:
                break
            if str(entry.path) in self._open or time.time() - entry.used < IN_USE:
                continue
            drop(entry.path)
            total -= entry.size
            dropped.append(entry)
        self._total = total
        return tuple(dropped)

    def _path(self, key: Key) -> Path:
        return self.folder / "recordings" / key.digest[:2] / f"{key.digest}{SUFFIX}"

    def _pages_path(self, etag: str) -> Path:
        digest = hashlib.blake2b(etag.encode(), digest_size=20).hexdigest()
        return self.folder / "pages" / digest[:2] / f"{digest}{PAGES}"

    def _results_path(self, name: str) -> Path:
        return self.folder / "results" / name[:2] / f"{name}{RESULTS}"

    def _listing(self, name: str) -> Path:
        digest = hashlib.blake2b(name.encode(), digest_size=20).hexdigest()
        return self.folder / "listings" / f"{digest}.json"

    def _check_once(self, path: Path, packed: packing.Packed) -> None:
        facts = path.stat()
        seen = (path.name, facts.st_ino, facts.st_size)
        if seen not in self._checked:
            packing.check(packed)
            self._checked.add(seen)

    def _grow(self, path: Path) -> None:
        if self._total is not None:
            self._total += path.stat().st_size
        if self._total is None or self._total > self.limit:
            self.trim()

    def _entries(self, suffix: str) -> tuple[Entry, ...]:
        found = (self._entry(path) for path in self._files(suffix))
        return tuple(sorted((e for e in found if e is not None), key=lambda e: (e.used, e.path.name)))

    def _entry(self, path: Path) -> Entry | None:
        try:
            facts = path.stat()
            if path.suffix in (PAGES, RESULTS):
                return Entry(path, facts.st_size, facts.st_mtime, {"name": path.suffix[1:]})
            return Entry(path, facts.st_size, facts.st_mtime, packing.read_facts(path))
        except FileNotFoundError:
            return None
        except packing.DamagedError:
            return Entry(path, facts.st_size, facts.st_mtime, {})

    def _files(self, suffix: str) -> Iterator[Path]:
        for part in ("recordings", "pages", "results", "listings", "scratch"):
            yield from sorted((self.folder / part).rglob(f"*{suffix}"))

    def _sweep(self) -> None:
        """Drop what died half-written long ago."""
        for path in self._files(PARTIAL):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()


def _verify(path: Path) -> None:
    """Read all of an entry; raise when it is damaged."""
    if path.suffix == PAGES:
        open_pages(path)
        return
    packed = packing.open_packed(path)
    packing.check(packed)
    packing.unpack(packed)


def default_folder() -> Path:
    """`NWB_MTM_CACHE`, or the platform's folder for caches."""
    if named := os.environ.get("NWB_MTM_CACHE"):
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("nwb-mtm", appauthor=False)
