"""From what was typed to files: any mix of files, folders, patterns, URLs, dandisets and reviewed lists."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from nwb_mtm.archive.addresses import AssetAddress, DandisetAddress, LocalAddress, UrlAddress, parse
from nwb_mtm.archive.assets import Asset, safe_path
from nwb_mtm.errors import SourceError
from nwb_mtm.sources.catalog import Catalog
from nwb_mtm.sources.folders import is_own, local_files, shown_name
from nwb_mtm.sources.manifest import SourceSettings, read_manifest
from nwb_mtm.sources.store import LIMIT, Store

SUFFIXES = (".nwb", ".nwb.zarr", ".zarr")
SUBJECT = re.compile(r"(?:^|/)sub-([^_/]+)")


@dataclass(frozen=True)
class SourceItem:
    """One file to read, wherever it lies."""

    name: str
    place: Path | Asset
    settings: SourceSettings = field(default_factory=SourceSettings)

    @property
    def subject(self) -> str:
        """Whose it is, as far as the listing or the name tells."""
        told = self.place.subject if isinstance(self.place, Asset) else ""
        match = SUBJECT.search(self.name)
        return told or (match[1] if match else self.name)


@dataclass(frozen=True)
class SourceOptions:
    """Which files of the sources are meant, and how they are read."""

    instance: str | None = None
    version: str | None = None
    assets: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    species: tuple[str, ...] = ()
    max_sessions: int | None = None
    jobs: int = 4
    cache_dir: Path | None = None
    cache_limit: int = LIMIT
    offline: bool = False
    allow_download: bool = False

    @property
    def without_network(self) -> bool:
        """No socket may be opened."""
        return self.offline or os.environ.get("NWB_MTM_OFFLINE", "").lower() not in ("", "0", "false", "no")

    def store(self) -> Store:
        """The cache that the options name."""
        return Store(self.cache_dir, self.cache_limit)


@dataclass(frozen=True)
class Left:
    """A file that was not taken, and why."""

    name: str
    why: str
    place: Path | Asset | None = None


@dataclass(frozen=True)
class Resolution:
    """The files that the sources mean, those left out, and what to say about the choice."""

    items: tuple[SourceItem, ...]
    left: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    what: str = ""


def resolve(sources: Sequence[str], options: SourceOptions | None = None) -> tuple[SourceItem, ...]:
    """Every file behind the sources, each once, in the order given."""
    return resolve_all(sources, options).items


def resolve_all(sources: Sequence[str], options: SourceOptions | None = None) -> Resolution:
    """Every file behind the sources, with what was left out and why; a source without any is an error."""
    return _joined([_needed(part) for part in _parts(sources, options)], options)


def look(sources: Sequence[str], options: SourceOptions | None = None) -> Resolution:
    """As `resolve_all`, also when nothing is left of a source."""
    return _joined(_parts(sources, options), options)


def _parts(sources: Sequence[str], options: SourceOptions | None) -> list[Resolution]:
    chosen = options or SourceOptions()
    catalog = Catalog(chosen.store(), offline=chosen.without_network)
    return [_resolve_one(text, chosen, catalog) for text in sources]


def _joined(parts: Sequence[Resolution], options: SourceOptions | None) -> Resolution:
    limit = (options or SourceOptions()).max_sessions
    found: dict[Path | Asset, SourceItem] = {}
    for item in (item for part in parts for item in part.items):
        found.setdefault(item.place, item)
    items, beyond = spread(tuple(found.values()), limit)
    left = [one for part in parts for one in part.left]
    left += [Left(item.name, f"more than --max-sessions {limit}", item.place) for item in beyond]
    return Resolution(items, tuple(left), tuple(note for part in parts for note in part.notes))


def spread(items: Sequence[SourceItem], limit: int | None) -> tuple[tuple[SourceItem, ...], tuple[SourceItem, ...]]:
    """At most `limit` items, one of every subject before a second of any; and those beyond, all in order."""
    if limit is None or len(items) <= limit:
        return tuple(items), ()
    turns: dict[str, int] = {}
    ranked: list[tuple[int, str, int]] = []
    for place, item in enumerate(items):
        turn = turns.get(item.subject, 0)
        turns[item.subject] = turn + 1
        ranked.append((turn, item.subject, place))
    chosen = {place for _, _, place in sorted(ranked)[:limit]}
    kept = tuple(item for place, item in enumerate(items) if place in chosen)
    return kept, tuple(item for place, item in enumerate(items) if place not in chosen)


def _resolve_one(text: str, options: SourceOptions, catalog: Catalog) -> Resolution:
    address = parse(text, instance=options.instance, version=options.version)
    match address:
        case LocalAddress() if address.path.suffix == ".toml":
            return _from_list(address.path, options, catalog)
        case LocalAddress():
            return _from_folder(local_files(address.path), options)
        case UrlAddress():
            return Resolution((_item(catalog.url(address)),))
        case AssetAddress():
            return Resolution((_item(catalog.asset(address)),))
        case DandisetAddress():
            return _from_dandiset(address, options, catalog)


def _from_list(path: Path, options: SourceOptions, catalog: Catalog) -> Resolution:
    """The sources of a reviewed list, each with its settings."""
    parts: list[Resolution] = []
    for entry in read_manifest(path):
        narrowed = replace(options, instance=entry.instance or options.instance)
        part = _needed(_resolve_one(entry.source, narrowed, catalog))
        parts.append(replace(part, items=tuple(replace(i, settings=entry.settings) for i in part.items)))
    return replace(_joined(parts, replace(options, max_sessions=None)), what=path.name)


def _from_folder(paths: Iterable[Path], options: SourceOptions) -> Resolution:
    items = [SourceItem(shown_name(path), path) for path in paths]
    reasons = [(item, _unwanted(item.name, item.subject, None, options)) for item in items]
    return _sorted_out(reasons, "the given files")


def _from_dandiset(address: DandisetAddress, options: SourceOptions, catalog: Catalog) -> Resolution:
    listing = catalog.listing(address)
    inside = [asset for asset in listing.assets if _below(asset.path, address.path)]
    named = len(inside) == 1 and inside[0].path == address.path
    reasons = [(_item(asset), None if named else _unfit(asset, options)) for asset in inside]
    what = f"dandiset {address.dandiset}, version {listing.dandiset.version}"
    if not inside:
        kind = "no_asset" if address.path else "no_sessions"
        raise SourceError(f"There is no NWB file {address.path} in {what}.".replace("  ", " "), kind=kind)
    found = _sorted_out(reasons, what)
    return replace(found, notes=(f"{what}: {len(found.items)} of {len(listing.assets)} NWB files",))


def _sorted_out(reasons: Sequence[tuple[SourceItem, str | None]], what: str) -> Resolution:
    """Those without a reason against them, and the others."""
    left = tuple(Left(item.name, why, item.place) for item, why in reasons if why is not None)
    return Resolution(tuple(item for item, why in reasons if why is None), left, what=what)


def _needed(part: Resolution) -> Resolution:
    """The same, unless nothing can be used."""
    if part.items or not part.left:
        return part
    counted = {why: sum(one.why == why for one in part.left) for why in dict.fromkeys(o.why for o in part.left)}
    told = "; ".join(f"{count} x {why}" for why, count in counted.items())
    only_units = all(why.startswith(NO_UNITS) for why in counted)
    raise SourceError(
        f"None of the {len(part.left)} NWB files of {part.what} can be used: {told}.",
        kind="no_units_table" if only_units else "no_sessions",
    )


NO_UNITS = "no units are listed"


def _unfit(asset: Asset, options: SourceOptions) -> str | None:
    """Why an asset is not to be read, or None."""
    try:
        safe_path(asset.path)
    except SourceError:
        return "its path leads out of the dandiset"
    if not asset.path.endswith(SUFFIXES):
        return "no NWB file by its name"
    if is_own(asset.path):
        return "written by nwb-mtm itself"
    if reason := _unwanted(asset.path, _item(asset).subject, asset.species, options):
        return reason
    if asset.says_no_units:
        return f"{NO_UNITS} (it holds {', '.join(asset.measured)}); name its path to read it nevertheless"
    return None


def _unwanted(path: str, subject: str, species: str | None, options: SourceOptions) -> str | None:
    """Why the options leave a file out, or None."""
    if options.assets and not any(fnmatchcase(path, pattern) for pattern in options.assets):
        return f"does not match --assets {' '.join(options.assets)}"
    if options.subjects and subject not in options.subjects:
        return "another subject"
    if options.species and species is not None:
        wanted = (one.casefold() in species.casefold() for one in options.species)
        return None if any(wanted) else f"another species ({species or 'not told'})"
    return None


def _below(path: str, prefix: str) -> bool:
    """A path is meant by a path, a folder or a pattern.

    >>> _below("sub-1/a.nwb", "sub-1"), _below("sub-10/a.nwb", "sub-1"), _below("sub-1/a.nwb", "*.nwb")
    (True, False, True)
    """
    if any(character in prefix for character in "*?["):
        return fnmatchcase(path, prefix)
    return not prefix or path == prefix or path.startswith(prefix.rstrip("/") + "/")


def _item(asset: Asset) -> SourceItem:
    return SourceItem(asset.name, asset)
