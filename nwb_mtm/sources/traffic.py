"""What reading some sources will move, found out before it is moved."""

from collections.abc import Sequence
from dataclasses import dataclass

from nwb_mtm.archive.assets import Asset
from nwb_mtm.archive.remote import RemoteFile
from nwb_mtm.errors import NwbMtmError
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.nwb.reader import read
from nwb_mtm.sources.resolution import SourceItem, SourceOptions
from nwb_mtm.sources.store import Store
from nwb_mtm.sources.streaming import key_of, opened

SAMPLES = 3  # files that are opened; the others are taken to be like them


@dataclass(frozen=True)
class Estimate:
    """Bytes that a reading will move and keep."""

    files: int
    cached: int  # files of which nothing has to move
    local: int
    to_move: int
    to_keep: int
    looked_into: int
    total: int  # bytes of all remote files


class _AllAnnounced(Exception):  # noqa: N818 - it ends a reading before it moves anything
    """The reader has said what it needs."""


def estimate(
    items: Sequence[SourceItem], *, selection: ReadOptions | None = None, options: SourceOptions | None = None
) -> Estimate:
    """Open a few of the files that are not in the cache, as far as their headers, and count what they need."""
    chosen, wanted = options or SourceOptions(), selection or ReadOptions()
    kept = chosen.store()
    remote = [item.place for item in items if isinstance(item.place, Asset)]
    missing = [asset for asset in remote if key_of(asset, wanted) not in kept]
    sample = [] if chosen.without_network else _spread([asset for asset in missing if not asset.zarr])
    needs = [need for asset in sample if (need := _need(asset, kept, wanted)) is not None]
    share = sum(left for left, _ in needs) / max(1, len(needs))
    whole = sum(all_of_it for _, all_of_it in needs) / max(1, len(needs))
    return Estimate(
        files=len(items),
        cached=len(remote) - len(missing),
        local=len(items) - len(remote),
        to_move=round(share * len(missing)),
        to_keep=round(2 * whole * len(missing)),  # the pages that were moved, and what was read from them
        looked_into=len(needs),
        total=sum(asset.size for asset in remote),
    )


def _spread(assets: list[Asset]) -> list[Asset]:
    """A few assets of all sizes."""
    ordered = sorted(assets, key=lambda asset: (asset.size, asset.path))
    step = max(1, len(ordered) // SAMPLES)
    return ordered[step // 2 :: step][:SAMPLES]


def _need(asset: Asset, kept: Store, selection: ReadOptions) -> tuple[int, int] | None:
    """Bytes that are still to be moved, and all that are needed; None when the file cannot be read."""
    told: list[tuple[int, int]] = []

    def stop(extents: Sequence[tuple[int, int]]) -> None:
        told.extend(extents)
        raise _AllAnnounced

    try:
        with opened(asset, kept) as (file, _):
            assert isinstance(file, RemoteFile)
            try:
                read(file, selection, prefetch=stop, name=asset.path)
            except _AllAnnounced:
                return file.missing(told), file.held + file.missing(told)
    except NwbMtmError:
        return None
    return 0, 0
