"""Opening a source: what it is, or in one sentence why it cannot be read."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from nwb_mtm.errors import RecordingError, SourceError
from nwb_mtm.nwb.ahead import fetch_headers
from nwb_mtm.nwb.view import Group, as_text, find_array, text_at
from nwb_mtm.nwb.view_hdf5 import Hdf5Group

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAD = 2048


@dataclass(frozen=True)
class Opened:
    """A file that is open for reading, and how it was opened."""

    root: Group
    backend: str  # hdf5, zarr or memory
    name: str
    local: bool
    headers: Callable[[Sequence[str]], None] | None = None  # fetches headers below some branches ahead, when remote


@contextmanager
def open_source(source: Any, *, name: str | None = None) -> Iterator[Opened]:
    """Open a path, a file-like object, an h5py or zarr object, or an NWBFile; close only what was opened here."""
    shown = name or (Path(source).name if isinstance(source, str | os.PathLike) else "The file")
    with _damage_said(shown), _open(source, name) as opened:
        yield opened


@contextmanager
def _open(source: Any, name: str | None) -> Iterator[Opened]:
    if isinstance(source, str | os.PathLike):
        with _open_path(Path(source), name) as opened:
            yield opened
    elif isinstance(source, h5py.Group):
        shown = name or Path(str(source.file.filename)).name
        yield _checked(Opened(Hdf5Group(source, "/"), "hdf5", shown, local=True))
    elif hasattr(source, "read") and hasattr(source, "seek"):
        shown = name or Path(str(getattr(source, "name", "") or "file")).name
        with _open_stream(source, shown) as opened:
            yield opened
    elif type(source).__module__.startswith("zarr"):
        from nwb_mtm.nwb.view_zarr import ZarrGroup

        yield _checked(Opened(ZarrGroup(source, "/", source), "zarr", name or "zarr", local=True))
    elif hasattr(source, "acquisition") and hasattr(source, "session_start_time"):
        from nwb_mtm.nwb.view_memory import root_of

        yield _checked(Opened(root_of(source), "memory", name or str(source.identifier), local=True))
    else:
        raise SourceError(
            f"Cannot read a {type(source).__name__}; pass a path, a binary file, an h5py or zarr group, or an NWBFile.",
            kind="bad_address",
        )


@contextmanager
def _damage_said(shown: str) -> Iterator[None]:
    """Turn what h5py and zarr say of damaged content into one sentence."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise SourceError(
            f"{shown} opens but part of it cannot be read ({error}); it is damaged. Download it again.",
            kind="unreadable",
        ) from error


@contextmanager
def _open_path(path: Path, name: str | None) -> Iterator[Opened]:
    shown = name or path.name
    if path.is_symlink() and not path.exists():
        target = os.readlink(path)
        raise _annex(path.name) if "annex" in target else _missing(path)
    if not path.exists():
        raise _missing(path)
    if path.is_dir():
        from nwb_mtm.nwb.view_zarr import open_folder

        with open_folder(path) as root:
            yield _checked(Opened(root, "zarr", shown, local=True))
        return
    try:
        with path.open("rb") as stream:
            check_bytes(stream.read(HEAD), path.stat().st_size, shown, is_hdf5=h5py.is_hdf5(path))
    except PermissionError as error:
        raise SourceError(f"{shown} cannot be read: {error.strerror}.", kind="unreadable") from error
    with _open_hdf5(path, shown) as file:
        yield _checked(Opened(Hdf5Group(file, "/"), "hdf5", shown, local=True))


@contextmanager
def _open_stream(stream: Any, shown: str) -> Iterator[Opened]:
    size = stream.seek(0, os.SEEK_END)
    size = stream.tell() if size is None else size
    stream.seek(0)
    head = stream.read(HEAD)
    stream.seek(0)
    check_bytes(head, size, shown, is_hdf5=head.startswith(SIGNATURE) or _signature_later(stream, size))
    with _open_hdf5(stream, shown) as file:
        here = isinstance(stream, io.BytesIO | io.BufferedReader | io.FileIO)
        headers = partial(fetch_headers, file, stream) if hasattr(stream, "announce") else None
        yield _checked(Opened(Hdf5Group(file, "/"), "hdf5", shown, local=here, headers=headers))


def _signature_later(stream: Any, size: int) -> bool:
    """HDF5 allows a block of the user's own before its signature, at 512, 1024, 2048, ... bytes."""
    place = 512
    while place < min(size, 1 << 20):
        stream.seek(place)
        if stream.read(8) == SIGNATURE:
            return True
        place *= 2
    stream.seek(0)
    return False


@contextmanager
def _open_hdf5(source: Any, shown: str) -> Iterator[h5py.File]:
    try:
        file = h5py.File(source, "r")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise _hdf5_error(shown, error) from error
    with file:
        yield file


def _hdf5_error(shown: str, error: Exception) -> SourceError:
    if isinstance(error, BlockingIOError) or "unable to lock" in str(error):
        return SourceError(
            f"{shown} is open for writing in another program; close it there and try again.", kind="unreadable"
        )
    return SourceError(
        f"{shown} begins as an HDF5 file but its end is missing or damaged, as after an interrupted download or copy; "
        "download it again and compare the sizes.",
        kind="truncated_hdf5",
    )


def check_bytes(head: bytes, size: int, shown: str, *, is_hdf5: bool) -> None:
    """Say what a file is when it is no HDF5 file, from its first bytes."""
    if size == 0:
        raise SourceError(
            f"{shown} is empty (0 bytes), as after an interrupted download; download it again.", kind="empty_file"
        )
    if is_hdf5:
        return
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"annex/objects" in head or text.startswith(b"version https://git-lfs"):
        raise _annex(shown)
    if SIGNATURE.startswith(head[:8]) and size < len(SIGNATURE):
        raise _hdf5_error(shown, OSError())
    raise SourceError(f"{shown} is no HDF5 file: {_looks_like(text)}", kind="not_hdf5")


def _looks_like(text: bytes) -> str:
    if text.startswith((b"<!doctype", b"<html", b"<head")) or b"<html" in text:
        return (
            "it is an HTML page, probably a login or error page saved in the file's place. "
            "Download the file itself (for DANDI: `dandi download`)."
        )
    if text.startswith(b"<?xml") or b"<error>" in text:
        return "it is an XML page, probably a server's error message. Ask for the file again, with a fresh address."
    if text.startswith(b"{"):
        return "it is JSON (a LINDI index or a server's message, perhaps). Pass the .nwb file that it stands for."
    if text.startswith(b"pk\x03\x04"):
        return "it is a zip archive. Unpack it and pass the .nwb file inside."
    if text.startswith((b"\x1f\x8b", b"bzh")):
        return "it is a compressed archive. Unpack it and pass the .nwb file inside."
    if text.startswith(b"matlab"):
        return "it is an old MATLAB file. Convert it to NWB first (for example with MatNWB or neuroconv)."
    return "its first bytes are not those of one. Download it again, or check that it is an NWB file."


def _annex(shown: str) -> SourceError:
    return SourceError(
        f"{shown} is only a git-annex pointer, its content is not on this machine. "
        f"Run `datalad get {shown}` (or `git annex get {shown}`) in its folder.",
        kind="git_annex_pointer",
    )


def _missing(path: Path) -> SourceError:
    return SourceError(f"There is no file {path}. Check the path for a typing mistake.", kind="not_found")


def _checked(opened: Opened) -> Opened:
    """Let an NWB 2 file through; say what anything else is."""
    root = opened.root
    version = as_text(root.attrs.get("nwb_version", "")) or text_at(root, "nwb_version") or ""
    number = version.upper().removeprefix("NWB").lstrip("-_ ")
    if number.startswith(("0.", "1.")) or (not number and "epochs" in root.names() and "general" in root.names()):
        raise RecordingError(
            f"{opened.name} is an NWB {number or 1} file; only NWB 2 is read. "
            "Convert it with its lab's script or neuroconv, and try again.",
            kind="nwb_version_1",
        )
    if not number and as_text(root.attrs.get("neurodata_type", "")) != "NWBFile" and not _core_paths(root):
        raise RecordingError(
            f"{opened.name} is {'a Zarr store' if opened.backend == 'zarr' else 'an HDF5 file'} but no NWB file: "
            "it says no NWB version. Pass the .nwb file of the session.",
            kind="not_nwb",
        )
    return opened


def _core_paths(root: Group) -> bool:
    """A file that lost its version but holds the units where NWB keeps them."""
    return find_array(root, "units/spike_times") is not None and find_array(root, "session_start_time") is not None
