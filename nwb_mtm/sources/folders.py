"""NWB files on this machine: those a path, a folder or a pattern means."""

import glob
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nwb_mtm.errors import SourceError
from nwb_mtm.recording import Recording

OWN = re.compile(r"_desc-([^_]*-)?mtm(?=[_.])")
CARD = "dandiset.yaml"
PLACEHOLDER = "000000"  # of a dandiset that is not on an archive yet
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


def dandiset_of(path: Path) -> Path | None:
    """The dandiset's folder in which a file lies, one folder deep at most, if it is one."""
    return next((folder for folder in list(path.absolute().parents)[:2] if (folder / CARD).is_file()), None)


def with_dandiset(recording: Recording, path: Path) -> Recording:
    """The recording with the provenance that a local copy of a dandiset gives it."""
    folder = dandiset_of(path)
    if folder is None:
        return recording
    facts = read_card((folder / CARD).read_text(encoding="utf-8", errors="replace"))
    if not facts:
        return recording
    name = path.absolute().relative_to(folder).as_posix()
    version, doi, licence = (facts.get(fact, "") for fact in ("version", "doi", "licence"))
    source = replace(recording.source, name=name, dandiset=facts["dandiset"], version=version, doi=doi, licence=licence)
    return replace(recording, source=source)


def read_card(text: str) -> dict[str, str]:
    """Number, version, DOI and licence in a dandiset.yaml, as archives write it; nothing without a number.

    >>> read_card("identifier: DANDI:000409\\nversion: draft\\nlicense:\\n- spdx:CC-BY-4.0\\n")
    {'dandiset': '000409', 'version': 'draft', 'licence': 'spdx:CC-BY-4.0'}
    """
    patterns = {
        "dandiset": r"^identifier:\s*['\"]?(?:[A-Z]+:)?(\d{6})\b",
        "version": r"^version:\s*['\"]?([\w.]+)",
        "doi": r"^doi:\s*['\"]?(10\.\S+?)['\"]?\s*$",
        "licence": r"^license:[^\n]*(?:\n[ \t]*-[^\n]*)*?(spdx:[\w.\-]+)",
    }
    found = {name: match[1] for name, pattern in patterns.items() if (match := re.search(pattern, text, re.MULTILINE))}
    return found if found.get("dandiset", PLACEHOLDER) != PLACEHOLDER else {}


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
