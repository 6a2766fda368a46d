"""Inspection of any source: local files as they are, remote ones piece by piece, folders and dandisets file by file."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from nwb_mtm.archive.addresses import LocalAddress, parse
from nwb_mtm.errors import NwbMtmError
from nwb_mtm.nwb.inspection import Inspection, error_answer, inspect
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.sources.resolution import SourceItem, SourceOptions, resolve


def inspect_all(
    sources: Sequence[str],
    selection: ReadOptions | None = None,
    *,
    deep: bool = False,
    options: SourceOptions | None = None,
) -> Iterator[Inspection]:
    """Every file behind the sources, in order; what cannot be read is one of the answers."""
    for source in sources:
        try:
            items = _items(source, options)
        except NwbMtmError as error:
            yield Inspection(source, error_answer(source, error))
            continue
        for item in items:
            yield _inspect_item(item, selection, deep, options or SourceOptions())


def _items(source: str, options: SourceOptions | None) -> tuple[SourceItem, ...]:
    """One file is looked at as it is, whatever it is; anything else is resolved."""
    address = parse(source)
    if isinstance(address, LocalAddress):
        path = address.path
        single = path.is_file() or path.is_symlink() or not (path.exists() or glob.has_magic(source))
        if single and not path.is_dir():
            return (SourceItem(source, path),)
    return resolve([source], options)


def _inspect_item(item: SourceItem, selection: ReadOptions | None, deep: bool, options: SourceOptions) -> Inspection:
    if isinstance(item.place, Path):
        return inspect(item.place, selection, deep=deep)
    from nwb_mtm.sources.streaming import opened

    try:
        with opened(item.place, options.store(), offline=options.without_network) as (content, moved):
            prefetch = getattr(moved, "prefetch", None)
            return inspect(content, selection, deep=deep, name=item.place.path, prefetch=prefetch)
    except NwbMtmError as error:
        return Inspection(item.name, error_answer(item.name, error))
