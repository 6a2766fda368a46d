"""What dandisets and folders hold: first what is listed, then, asked for, what is inside."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nwb_mtm.archive.assets import Asset
from nwb_mtm.errors import NwbMtmError
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.recording import UNKNOWN, Recording
from nwb_mtm.sources.manifest import Listed, write_manifest
from nwb_mtm.sources.reading import Progress, follow
from nwb_mtm.sources.resolution import Resolution, SourceItem, SourceOptions, look

# archives that can be named without their address
KNOWN = ("dandi", "dandi-sandbox", "linc", "linc-staging", "ember-dandi", "ember-dandi-sandbox")


@dataclass(frozen=True)
class Inside:
    """What reading a file showed."""

    units: int
    regions: Mapping[str, int]
    trials: int | None
    events: tuple[str, ...]
    behaviors: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """One file: what is listed of it, and why it would not be used, if so."""

    name: str
    place: Path | Asset
    why_not: str | None = None
    inside: Inside | None = None
    item: SourceItem | None = None

    def to_json(self) -> dict[str, Any]:
        """The file's facts."""
        told: dict[str, Any] = {"name": self.name, "usable": self.why_not is None, "why_not": self.why_not}
        if isinstance(self.place, Asset):
            names = ("path", "size", "asset_id", "etag", "subject", "session", "species", "measured")
            told |= {name: getattr(self.place, name) for name in names}
            dandiset = self.place.dandiset
            told |= {"dandiset": dandiset.dandiset, "version": dandiset.version} if dandiset else {}
        else:
            told |= {"size": _size(self.place), "subject": self.item.subject if self.item else ""}
        if self.inside is not None:
            told |= {name: getattr(self.inside, name) for name in Inside.__dataclass_fields__}
        return told


@dataclass(frozen=True)
class Findings:
    """All files of some sources."""

    files: tuple[Found, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def usable(self) -> tuple[Found, ...]:
        """Those that a fit would read."""
        return tuple(one for one in self.files if one.why_not is None)


def find(sources: Sequence[str], options: SourceOptions | None = None) -> Findings:
    """What is listed of every file; no byte of any is read."""
    listed: Resolution = look(sources, options)
    files = [Found(item.name, item.place, item=item) for item in listed.items]
    files += [Found(one.name, one.place, one.why) for one in listed.left if one.place is not None]
    return Findings(tuple(sorted(files, key=lambda one: one.name)), listed.notes)


def open_each(
    findings: Findings, options: SourceOptions | None = None, *, selection: ReadOptions | None = None
) -> Iterator[Progress | Found]:
    """Read every usable file, which fills the cache, and say what is inside."""
    items = [one.item for one in findings.usable if one.item is not None]
    for event in follow(items, options=options, selection=selection):
        if isinstance(event, Progress):
            yield event
        elif isinstance(event.result, NwbMtmError):
            yield Found(event.item.name, event.item.place, str(event.result), item=event.item)
        else:
            yield Found(event.item.name, event.item.place, None, inside_of(event.result), event.item)


def inside_of(recording: Recording) -> Inside:
    """Counts and names of what a recording has."""
    trials = recording.trials
    regions = Counter(region for region in recording.units.regions if region != UNKNOWN)
    return Inside(
        units=len(recording.units),
        regions=dict(sorted(regions.items())),
        trials=None if trials is None else len(trials),
        events=() if trials is None else trials.events,
        behaviors=tuple(recording.behaviors),
    )


def write_list(files: Sequence[Found], path: Path, *, existing: str = "error") -> Path:
    """Write the usable files as a list to review, which `fit` runs."""
    folder = path.absolute().parent
    entries = [_listed(one, folder) for one in files if one.why_not is None]
    return write_manifest(entries, path, existing=existing)


def _listed(found: Found, folder: Path) -> Listed:
    place, inside = found.place, found.inside
    facts: dict[str, Any] = {}
    if inside is not None:
        facts = {"units": inside.units, "regions": list(inside.regions)}
    settings = found.item.settings if found.item is not None else Listed("").settings
    if isinstance(place, Path):
        # relative, so that the list says nothing of this machine and can move with its files
        source = Path(os.path.relpath(place.absolute(), folder)).as_posix()
        return Listed(source, None, settings, facts)
    told = {name: getattr(place, name) for name in ("subject", "session", "species", "size")}
    facts = {name: value for name, value in told.items() if value} | facts
    dandiset = place.dandiset
    if dandiset is None or not dandiset.dandiset:
        return Listed(place.urls[0], None, settings, facts)
    archive = dandiset.instance if dandiset.instance in KNOWN else dandiset.api
    return Listed(f"DANDI:{dandiset.dandiset}/{dandiset.version}/{place.path}", archive, settings, facts)


def with_inside(findings: Findings, opened: Sequence[Found]) -> Findings:
    """The findings, with what opening the files has shown."""
    seen = {one.name: one for one in opened}
    return replace(findings, files=tuple(seen.get(one.name, one) for one in findings.files))


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size if path.exists() else 0
