"""NWB files on this machine: those a path, a folder or a pattern means."""

import glob
import re
from collections.abc import Iterator
from pathlib import Path

from nwb_mtm.errors import SourceError

OWN = re.compile(r"_desc-([^_]*-)?mtm(?=[_.])")
SUFFIXES = (".nwb", ".nwb.zarr")


def is_own(name: str) -> bool:
    """The file is one that we wrote from another.

    >>> is_own("sub-1_desc-mtm_ecephys.nwb"), is_own("sub-1_desc-raw-mtm.nwb"), is_own("sub-mtm.nwb")
    (True, True, False)
    """
    return OWN.search(name) is not None


def shown_name(path: Path) -> str:
    """The file's name with its folder, and nothing of the machine above it."""
    return "/".join(path.parts[-2:]) if path.parent.name.startswith("sub-") else path.name


def local_files(path: Path) -> tuple[Path, ...]:
    if path.is_dir() and not _is_zarr(path):
        found = tuple(p for p in _walk(path) if not is_own(p.name))
        if not found:
            raise SourceError(f"No NWB file lies in the folder {path}.", kind="not_found")
        return found
    if path.exists():
        return (path,)
    if not glob.has_magic(str(path)):
        raise SourceError(f"There is no file or folder {path}.", kind="not_found")
    matched = tuple(Path(p) for p in sorted(glob.glob(str(path), recursive=True)) if not is_own(Path(p).name))
    if not matched:
        raise SourceError(f"No file matches {path}.", kind="not_found")
    return tuple(file for one in matched for file in local_files(one))


def _walk(folder: Path) -> Iterator[Path]:
    """NWB files below a folder, in order; a Zarr store counts as one file and is not entered."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.name.endswith(SUFFIXES) and (not path.is_dir() or _is_zarr(path)):
            yield path  # a dangling link too: the reader says what it is
        elif path.is_dir() and not _is_zarr(path) and path.resolve() not in folder.resolve().parents:
            yield from _walk(path)


def _is_zarr(path: Path) -> bool:
    return (path / ".zgroup").exists() or (path / ".zmetadata").exists() or (path / "zarr.json").exists()
