"""Sources become recordings: local files as they are, remote ones through the cache, several at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nwb_mtm.archive.addresses import LocalAddress, parse
from nwb_mtm.archive.assets import Asset
from nwb_mtm.errors import NwbMtmError, SourceError
from nwb_mtm.nwb import reader
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.recording import Recording
from nwb_mtm.sources.folders import with_dandiset
from nwb_mtm.sources.resolution import Left, Resolution, SourceItem, SourceOptions, resolve, resolve_all, spread
from nwb_mtm.sources.store import Key
from nwb_mtm.sources.streaming import SMALL, key_of, with_source
from nwb_mtm.sources.workers import Done, Moved, run_all

__all__ = [
    "Left",
    "Outcome",
    "Progress",
    "Resolution",
    "SourceItem",
    "SourceOptions",
    "follow",
    "read",
    "read_all",
    "resolve",
    "resolve_all",
    "spread",
]


@dataclass(frozen=True)
class Progress:
    """So far as one file has come: bytes moved, and how many of the files that are not in the cache are read."""

    item: SourceItem
    bytes: int
    done: int
    total: int
    finished: bool = False
    expected: int = 0  # bytes that will have moved, once that is known


@dataclass(frozen=True)
class Outcome:
    """One file has been read, or could not be; `cached` when nothing had to move."""

    item: SourceItem
    result: Recording | NwbMtmError
    cached: bool = False
    requests: int = 0
    bytes: int = 0


def read(
    source: Any,
    selection: ReadOptions | None = None,
    *,
    options: SourceOptions | None = None,
    units_path: str | None = None,
    quality: str | None = None,
    min_rate: float | None = None,
    regions: str | tuple[str, ...] | None = None,
    regions_from: str | Path | None = None,
    region_level: str | None = None,
    trials: str | None = None,
    trials_table: str | None = None,
    within: str | None = None,
    behaviors: str | tuple[str, ...] | None = None,
) -> Recording:
    """Read a path, URL, dandiset asset, file-like object, open h5py or zarr group, or NWBFile.

    An asset of a dandiset is named as `DANDI:000409/0.230101.1234/sub-1/sub-1.nwb`.
    """
    asked = {
        "units_path": units_path,
        "quality": quality,
        "min_rate": min_rate,
        "regions": (regions,) if isinstance(regions, str) else regions,
        "regions_from": regions_from,
        "region_level": region_level,
        "trials": trials,
        "trials_table": trials_table,
        "within": within,
        "behaviors": behaviors,
    }
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    wanted = replace(selection or ReadOptions(), **given)
    if not isinstance(source, str):
        recording = reader.read(source, wanted)
        return with_dandiset(recording, source) if isinstance(source, Path) else recording
    address = parse(source)
    if isinstance(address, LocalAddress):
        return with_dandiset(reader.read(source, wanted), address.path)
    return _read_remote(source, wanted, options)


def _read_remote(source: str, selection: ReadOptions, options: SourceOptions | None) -> Recording:
    items = resolve([source], options)
    if len(items) > 1:
        text = f"{source} holds {len(items)} recordings; name one, such as {items[0].name}, or use fit."
        raise SourceError(text, kind="bad_address")
    _, result = next(read_all(items, selection=selection, options=options, strict=True))
    assert isinstance(result, Recording)
    return result


def read_all(
    items: Sequence[SourceItem],
    *,
    selection: ReadOptions | None = None,
    options: SourceOptions | None = None,
    strict: bool = False,
) -> Iterator[tuple[SourceItem, Recording | NwbMtmError]]:
    """Every file's recording, in order; a bad file is handed over as its error and never stops the rest."""
    for event in follow(items, selection=selection, options=options, strict=strict):
        if isinstance(event, Outcome):
            yield event.item, event.result


def follow(
    items: Sequence[SourceItem],
    *,
    selection: ReadOptions | None = None,
    options: SourceOptions | None = None,
    strict: bool = False,
) -> Iterator[Progress | Outcome]:
    """As `read_all`, with what happens in between."""
    chosen = options or SourceOptions()
    queue = _Queue(items, selection or ReadOptions(), chosen)
    try:
        for item in items:
            yield from queue.wait_for(item)
            outcome = queue.outcome(item)
            if strict and isinstance(outcome.result, NwbMtmError):
                raise outcome.result
            yield outcome
    finally:
        queue.close()


class _Queue:
    """The remote files that have to be read, and how far each is."""

    def __init__(self, items: Sequence[SourceItem], selection: ReadOptions, options: SourceOptions) -> None:
        self._selection = selection
        self._options = options
        self._kept = options.store()
        remote = [(item, item.place) for item in items if isinstance(item.place, Asset)]
        self._keys = {place: key_of(place, self._wanted(item)) for item, place in remote}
        absent = {self._keys[place]: item for item, place in remote if self._absent(place)}
        if options.without_network:  # what was moved for another purpose may do
            absent = {key: item for key, item in absent.items() if self._kept.has_pages(key.etag)}
        self._items = tuple(absent.values())
        self._tasks = {key: number for number, key in enumerate(absent)}
        self._done: dict[Key, Done] = {}
        self._events = run_all([self._task(item) for item in self._items], options.jobs)

    def wait_for(self, item: SourceItem) -> Iterator[Progress]:
        """Tell what happens until the file is read; at once when it is here."""
        if isinstance(item.place, Path):
            return
        key = self._keys[item.place]
        while key in self._tasks and key not in self._done:
            yield self._note(next(self._events), self._items)
        if key not in self._tasks and not self._options.without_network and self._kept.get(key) is None:
            # it was there, but damaged
            for event in run_all([self._task(item)], 1):
                yield self._note(event, (item,))

    def outcome(self, item: SourceItem) -> Outcome:
        """What came of a file."""
        asset = item.place
        if isinstance(asset, Path):
            return Outcome(item, self._local(item, asset))
        done = self._done.get(self._keys[asset])
        moved = (done.requests, done.bytes) if done else (0, 0)
        if done is not None and done.error is not None:
            return Outcome(item, done.error, False, *moved)
        recording = self._kept.get(self._keys[asset])
        if recording is None:
            return Outcome(item, self._not_here(item), False, *moved)
        return Outcome(item, with_source(recording, asset), done is None, *moved)

    def close(self) -> None:
        """End the processes."""
        self._events.close()

    def _wanted(self, item: SourceItem) -> ReadOptions:
        """The selection, with what a reviewed list says of this file."""
        settings = item.settings
        told: dict[str, Any] = {"quality": settings.quality} if settings.quality else {}
        return replace(self._selection, **told, **_regions(settings.region))

    def _local(self, item: SourceItem, path: Path) -> Recording | NwbMtmError:
        try:
            return with_dandiset(reader.read(path, self._wanted(item)), path)
        except NwbMtmError as error:
            return error

    def _note(self, event: Moved | Done, items: Sequence[SourceItem]) -> Progress:
        item = items[event.task]
        if isinstance(event, Done) and isinstance(item.place, Asset):
            self._done[self._keys[item.place]] = event
        total = max(len(self._tasks), len(self._done))
        expected = event.expected if isinstance(event, Moved) else event.bytes
        return Progress(item, event.bytes, len(self._done), total, isinstance(event, Done), expected)

    def _absent(self, place: Asset) -> bool:
        return self._keys[place] not in self._kept

    def _not_here(self, item: SourceItem) -> SourceError:
        if self._options.without_network:
            return SourceError(f"{item.name} is not in the cache, and --offline was asked for.", kind="offline")
        limit = f"{self._options.cache_limit / 1e9:.1f} GB"
        return SourceError(f"{item.name} did not stay in the cache, which is limited to {limit}.", kind="no_space")

    def _task(self, item: SourceItem) -> Mapping[str, Any]:
        assert isinstance(item.place, Asset)
        return {
            "asset": asdict(item.place),
            "selection": {
                name: str(value) if isinstance(value, Path) else value
                for name, value in asdict(self._wanted(item)).items()
            },
            "cache": str(self._kept.folder),
            "limit": self._kept.limit,
            "offline": self._options.without_network,
            "largest_download": item.place.size if self._options.allow_download else SMALL,
        }


def _regions(told: str | None) -> Mapping[str, Any]:
    """What a reviewed list says of regions: `group`, a table of regions, or a level.

    >>> _regions("group"), _regions("mine.csv"), _regions("cosmos"), _regions(None)
    ({'regions': ('group',)}, {'regions_from': 'mine.csv'}, {'region_level': 'cosmos'}, {})
    """
    if told is None:
        return {}
    if told == "group":
        return {"regions": (told,)}
    return {"regions_from" if told.endswith(".csv") else "region_level": told}
