"""What an archive's listing says about one file, before any byte of it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from nwb_mtm.errors import SourceError


@dataclass(frozen=True)
class Dandiset:
    """One version of one dandiset."""

    instance: str  # name of the archive, as the dandi client knows it
    api: str
    dandiset: str
    version: str
    name: str = ""
    doi: str = ""
    licence: str = ""
    embargoed: bool = False


@dataclass(frozen=True)
class Asset:
    """One file of a dandiset; what is said about its content is a hint, never truth."""

    path: str
    size: int
    asset_id: str
    etag: str
    urls: tuple[str, ...]
    dandiset: Dandiset | None = None
    subject: str = ""
    session: str = ""
    species: str = ""
    measured: tuple[str, ...] = ()
    zarr: bool = False
    embargoed: bool = False

    @property
    def says_no_units(self) -> bool:
        """The listing names what the file holds, and units are not among it."""
        return bool(self.measured) and "Units" not in self.measured

    @property
    def name(self) -> str:
        """The path as people write it, below its dandiset."""
        return f"{self.dandiset.dandiset}/{self.path}" if self.dandiset else self.path


def asset_of(row: Mapping[str, Any], metadata: Mapping[str, Any], dandiset: Dandiset | None) -> Asset:
    """Read one row of a listing; what is missing stays empty."""
    subject = _first(metadata, "wasAttributedTo")
    species = subject.get("species") or {}
    digest = metadata.get("digest") or {}
    zarr = row.get("zarr") is not None
    return Asset(
        path=str(row["path"]),
        size=int(row["size"]),
        asset_id=str(row["asset_id"]),
        etag=str(digest.get("dandi:dandi-zarr-checksum" if zarr else "dandi:dandi-etag") or ""),
        urls=tuple(str(url) for url in metadata.get("contentUrl") or ()),
        dandiset=dandiset,
        subject=str(subject.get("identifier") or ""),
        session=_session(metadata),
        species=str(species.get("name") or ""),
        measured=_measured(metadata),
        zarr=zarr,
        embargoed=any(a.get("status") == "dandi:EmbargoedAccess" for a in metadata.get("access") or ()),
    )


def safe_path(path: str) -> str:
    """Refuse a path that could leave the folder it is put under.

    >>> safe_path("sub-1/a.nwb")
    'sub-1/a.nwb'
    """
    parts = PurePosixPath(path).parts
    bad = not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in path
    if bad or any(not character.isprintable() for character in path):
        raise SourceError(
            f"The archive names an asset {path!r}; a path below the dandiset was needed.", kind="unsafe_path"
        )
    return path


def _first(metadata: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = metadata.get(name) or ()
    return found[0] if found else {}


def _session(metadata: Mapping[str, Any]) -> str:
    sessions = [a for a in metadata.get("wasGeneratedBy") or () if a.get("schemaKey", "Session") == "Session"]
    return str(sessions[0].get("identifier") or "") if sessions else ""


def _measured(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    named = metadata.get("variableMeasured") or ()
    return tuple(str(m.get("value") if isinstance(m, dict) else m) for m in named)
