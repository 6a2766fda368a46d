"""One remote asset, from bytes to an entry of the cache."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nwb_mtm.archive.addresses import without_secrets
from nwb_mtm.archive.assets import Asset
from nwb_mtm.archive.remote import RemoteFile, open_kept, open_remote
from nwb_mtm.archive.transfer import Patience
from nwb_mtm.errors import ConfigError, SourceError
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.nwb.reader import read
from nwb_mtm.recording import Recording
from nwb_mtm.sources.store import Key, Store

READER_VERSION = "1"  # another one whenever the same bytes are read into another recording
SMALL = 100 * 1024 * 1024  # a file up to this size is downloaded without asking, when nothing else works
REPORT_EVERY = 0.5  # seconds


@dataclass(frozen=True)
class Traffic:
    """What reading one asset moved."""

    requests: int = 0
    bytes: int = 0


def key_of(asset: Asset, selection: ReadOptions) -> Key:
    """The cache's name for what is read from an asset."""
    content = asset.etag or f"{without_secrets(asset.urls[-1])} {asset.size}"
    chosen = {name: _told(value) for name, value in asdict(selection).items()}
    return Key(content, READER_VERSION, json.dumps(chosen, sort_keys=True))


def _told(value: Any) -> Any:
    """An option's value; of a file of the user's, what is in it."""
    if isinstance(value, str | Path) and str(value).endswith(".csv") and Path(value).is_file():
        return hashlib.blake2b(Path(value).read_bytes(), digest_size=16).hexdigest()
    return str(value) if isinstance(value, Path) else value


def stream(
    asset: Asset,
    kept: Store,
    *,
    selection: ReadOptions,
    largest_download: int = SMALL,
    patience: Patience | None = None,
    offline: bool = False,
    report: Callable[[int, int], None] = lambda moved, expected: None,
) -> Traffic:
    """Read an asset piece by piece into the cache; download it only when that is the one way left."""
    try:
        with opened(asset, kept, patience, offline=offline) as (content, moved), _reporting(moved, report):
            recording = read(content, selection, prefetch=getattr(moved, "prefetch", None), name=asset.path)
            traffic = Traffic(moved.requests, moved.bytes)
    except SourceError as error:
        if error.kind != "no_ranges":
            raise
        recording, traffic = _read_whole(asset, kept, selection, largest_download, patience)
    kept.put(key_of(asset, selection), with_source(recording, asset))
    return traffic


def with_source(recording: Recording, asset: Asset) -> Recording:
    """The recording with the asset's provenance, which may be another than when it was cached."""
    dandiset = asset.dandiset
    told = replace(
        recording.source,
        name=asset.path,
        etag=asset.etag,
        url=without_secrets(asset.urls[0]) if asset.urls else "",
        species=recording.source.species or asset.species,
    )
    if dandiset is not None:
        told = replace(
            told,
            dandiset=dandiset.dandiset,
            version=dandiset.version,
            doi=dandiset.doi,
            licence=dandiset.licence,
        )
    return replace(recording, source=told)


@contextmanager
def opened(
    asset: Asset, kept: Store, patience: Patience | None = None, *, offline: bool = False
) -> Iterator[tuple[Any, Any]]:
    """What to read, and what counts the bytes; a failure underneath is said instead of what it led to."""
    if asset.zarr:
        pieces, root = _open_zarr(asset, patience)
        with closing(pieces):
            yield root, pieces
        return
    pages = kept.get_pages(asset.etag) if asset.etag else None
    with open_kept(asset, pages) if offline else open_remote(asset, patience=patience, pages=pages) as file:
        try:
            yield file, file
        except Exception as error:
            if file.failure is not None and error is not file.failure:
                raise file.failure from error
            raise
        if file.bytes and file.etag:
            _keep_pages(file, kept)


def _keep_pages(file: RemoteFile, kept: Store) -> None:
    """Keep what was moved, where there is room: what was read of it is smaller, and may still find some."""
    try:
        kept.put_pages(file.pages())
    except SourceError as error:
        if error.kind != "no_space":
            raise


def _open_zarr(asset: Asset, patience: Patience | None) -> tuple[Any, Any]:
    try:
        from nwb_mtm.archive.zarrs import open_zarr
    except ImportError as error:
        text = f"{asset.name} is a Zarr store; reading it needs the extra: pip install 'nwb-mtm[zarr]'."
        raise ConfigError(text, kind="missing_extra") from error
    return open_zarr(asset, patience)


@contextmanager
def _reporting(moved: Any, report: Callable[[int, int], None]) -> Iterator[None]:
    """Tell now and then how many bytes came so far, and of how many, once that is known."""
    done = threading.Event()

    def tell() -> None:
        while not done.wait(REPORT_EVERY):
            report(moved.bytes, getattr(moved, "expected", 0))

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _read_whole(
    asset: Asset, kept: Store, selection: ReadOptions, largest: int, patience: Patience | None
) -> tuple[Recording, Traffic]:
    if asset.size > largest:
        raise SourceError(
            f"{asset.name} cannot be read piece by piece, and {asset.size / 1e6:,.0f} MB are too much to "
            "download without asking; pass --allow-download to do it.",
            kind="needs_download",
        )
    from nwb_mtm.archive.download import download

    target = kept.scratch()
    try:
        moved = download(asset, target, patience=patience)
        return read(target, selection, name=asset.path), Traffic(1, moved)
    finally:
        target.unlink(missing_ok=True)
