"""What the loopback archive holds, the faults it plays, and the log it keeps."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PART = 64 * 1024 * 1024
NOW = "2024-01-01T00:00:00.000000Z"


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose path matches `where`, after `skip` good ones."""

    where: str
    times: int = 1
    skip: int = 0
    status: int = 0  # answer this instead
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None  # close the connection after so many bytes of the body
    short: int | None = None  # announce and send so many bytes fewer
    whole: bool = False  # ignore the range
    etag: str | None = None  # claim another version
    wait: float = 0.0
    call: Callable[[], None] | None = None  # happens first


@dataclass(frozen=True)
class Exchange:
    """One request and what was sent back."""

    method: str
    path: str
    span: tuple[int, int] | None
    status: int
    sent: int
    started: float
    ended: float
    authorized: bool


@dataclass
class Blob:
    """Stored bytes: a file, or a folder of files for a Zarr store."""

    place: Path
    etag: str
    embargoed: bool = False

    @property
    def size(self) -> int:
        """Bytes in all."""
        if self.place.is_dir():
            return sum(p.stat().st_size for p in self.place.rglob("*") if p.is_file())
        return self.place.stat().st_size


@dataclass
class Version:
    """The assets of one version: rows of the listing by path."""

    name: str
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Held:
    """A dandiset with its versions, oldest first; `draft` is always there."""

    embargoed: bool = False
    versions: dict[str, Version] = field(default_factory=dict)
    licence: str = "spdx:CC-BY-4.0"


def dandi_etag(path: Path) -> str:
    """The digest of an object uploaded in parts, as storage names it."""
    digests = []
    with path.open("rb") as file:
        while part := file.read(PART):
            digests.append(hashlib.md5(part).digest())
    return f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"


def folder_digest(folder: Path) -> str:
    """A digest that changes with any file of a Zarr store."""
    total = hashlib.md5()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return f"{total.hexdigest()}-1--1"
