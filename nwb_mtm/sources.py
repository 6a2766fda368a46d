"""From what was typed to sessions: any mix of files, folders, patterns, URLs and dandisets."""

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nwb_mtm.archive.addresses import LocalAddress, parse
from nwb_mtm.archive.assets import Asset
from nwb_mtm.errors import NwbMtmError, SourceError
from nwb_mtm.recording import Recording

OWN = re.compile(r"_desc-([^_]*-)?mtm(?=[_.])")
SUFFIXES = (".nwb", ".nwb.zarr")


@dataclass(frozen=True)
class SourceSettings:
    """What a reviewed list may say about one source; None leaves it to the run."""

    align: str | None = None
    region: str | None = None
    quality: str | None = None
    targets: tuple[str, ...] | None = None
    weight: float = 1.0
    role: str = "train"


@dataclass(frozen=True)
class SourceItem:
    """One file to read, wherever it lies."""

    name: str
    place: Path | Asset
    settings: SourceSettings = field(default_factory=SourceSettings)


@dataclass(frozen=True)
class SourceOptions:
    """How sources are found and read."""

    instance: str | None = None
    version: str | None = None


def resolve(sources: Sequence[str], options: SourceOptions | None = None) -> tuple[SourceItem, ...]:
    """Every file behind the sources, each once, in the order given."""
    chosen = options or SourceOptions()
    found: dict[Path | Asset, SourceItem] = {}
    for text in sources:
        for item in _resolve_one(text, chosen):
            found.setdefault(item.place, item)
    return tuple(found.values())


def read_all(
    items: Sequence[SourceItem], *, selection: Any = None, strict: bool = False
) -> Iterator[tuple[SourceItem, Recording | NwbMtmError]]:
    """Read one after another; a bad one is handed over as its error and never stops the rest."""
    for item in items:
        try:
            yield item, _read_local(item, selection)
        except NwbMtmError as error:
            if strict:
                raise
            yield item, error


def is_own(name: str) -> bool:
    """The file is one that we wrote from another.

    >>> is_own("sub-1_desc-mtm_ecephys.nwb"), is_own("sub-1_desc-raw-mtm.nwb"), is_own("sub-mtm.nwb")
    (True, True, False)
    """
    return OWN.search(name) is not None


def _resolve_one(text: str, options: SourceOptions) -> tuple[SourceItem, ...]:
    address = parse(text, instance=options.instance, version=options.version)
    if not isinstance(address, LocalAddress):
        raise SourceError(f"{text} is not on this machine.", kind="not_found")
    return tuple(SourceItem(shown_name(path), path) for path in _local_files(address.path))


def shown_name(path: Path) -> str:
    """The file's name with its folder, and nothing of the machine above it."""
    return "/".join(path.parts[-2:]) if path.parent.name.startswith("sub-") else path.name


def _local_files(path: Path) -> tuple[Path, ...]:
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
    return tuple(file for one in matched for file in _local_files(one))


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


def _read_local(item: SourceItem, selection: Any) -> Recording:
    from nwb_mtm.nwb.reader import read

    if isinstance(item.place, Asset):
        raise SourceError(f"{item.name} is not on this machine.", kind="not_found")
    return read(item.place, selection) if selection is not None else read(item.place)
