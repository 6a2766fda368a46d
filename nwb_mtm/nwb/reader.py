"""From a source to a Recording, by the specification's paths; nothing is dropped silently."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nwb_mtm.nwb.behavior import by_preference, survey
from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.electrodes import read_electrodes
from nwb_mtm.nwb.observation import read_observed
from nwb_mtm.nwb.opening import Opened, open_source
from nwb_mtm.nwb.placement import Placement, place_units
from nwb_mtm.nwb.quality import is_noise, judge_quality
from nwb_mtm.nwb.series import find_candidates
from nwb_mtm.nwb.trials import find_trials, interval_tables, read_intervals
from nwb_mtm.nwb.units import find_units, read_spikes
from nwb_mtm.nwb.view import as_text, text_at
from nwb_mtm.nwb.warned import Warnings
from nwb_mtm.recording import Behavior, Recording, Source, Spikes, Units, session_key, unit_keys

Prefetch = Callable[[Sequence[tuple[int, int]]], None]
MOST_BEHAVIORS = 5


@dataclass(frozen=True)
class ReadOptions:
    """What is wanted of a file."""

    units_path: str | None = None
    """Path of the table of units; needed only when a file has several and none at /units."""
    quality: str = "auto"
    """`auto` (the file's own rule), `none`, or an expression on the units' columns."""
    min_rate: float = 0.0
    """Units with fewer spikes per second are no inputs."""
    regions: tuple[str, ...] = ()
    """Only these regions are inputs; `("group",)` takes probes and shanks for regions."""
    regions_from: str | Path | None = None
    """CSV file with a region for every unit, electrode or stretch of a probe."""
    region_level: str = "raw"
    """`raw`, `merged`, `beryl`, `cosmos`, `auto`, or a CSV file of names."""
    trials: str | None = None
    """Condition on the columns of the trials; rows that fail it are left out."""
    trials_table: str | None = None
    """Table of intervals to take for trials."""
    within: str | None = None
    """TABLE[CONDITION]; only time inside these intervals counts as observed."""
    behaviors: str | tuple[str, ...] = "auto"
    """`auto` (at most five, by preference), `all`, or paths."""


def read(
    source: Any,
    selection: ReadOptions | None = None,
    *,
    prefetch: Prefetch | None = None,
    name: str | None = None,
) -> Recording:
    """Read a path, file-like object, open h5py or zarr group, or NWBFile."""
    options = selection or ReadOptions()
    with open_source(source, name=name) as opened:
        return _read(opened, options, prefetch)


def _read(opened: Opened, options: ReadOptions, prefetch: Prefetch | None) -> Recording:
    warnings = Warnings()
    root = opened.root
    table = find_units(root, options.units_path)
    spikes = read_spikes(table, warnings)
    span = _span(spikes)
    placement = place_units(table, read_electrodes(root), warnings)
    observed = read_observed(root, table, span)
    intervals = {path: read_intervals(t, span) for path, t in interval_tables(root).items()}
    trials = find_trials(interval_tables(root), options.trials_table)
    return Recording(
        key=session_key(_subject(opened), _session(opened), text_at(root, "identifier") or ""),
        session=_session(opened),
        subject=_subject(opened),
        units=_units(table, placement, options),
        spikes=spikes,
        trials=None if trials is None else intervals[trials],
        intervals=intervals,
        behaviors=_behaviors(opened, table.count, span, options),
        observed=observed,
        source=_source(opened, warnings),
    )


def _span(spikes: Spikes) -> tuple[float, float]:
    return (float(spikes.times.min()), float(spikes.times.max())) if len(spikes.times) else (0.0, 0.0)


def _units(table: Table, placement: Placement, options: ReadOptions) -> Units:
    columns = {n: v for n in table.names if n != "spike_times" and (v := table.flat(n)) is not None}
    _, quality = judge_quality(options.quality, columns, table.count)
    ids = table.ids()
    heldout = columns.get("heldout")
    return Units(
        keys=unit_keys(ids),
        ids=ids,
        regions=placement.regions,
        raw_regions=placement.raw,
        region_rules=placement.rules,
        groups=placement.groups,
        rows=np.arange(table.count),
        electrodes=placement.electrodes,
        positions=np.full((table.count, 3), np.nan),
        quality=quality,
        inputs=~is_noise(columns, table.count),
        heldout=None if heldout is None else heldout.astype(bool),
        columns=columns,
    )


def _behaviors(opened: Opened, units: int, span: tuple[float, float], options: ReadOptions) -> dict[str, Behavior]:
    out: dict[str, Behavior] = {}
    for candidate in by_preference(find_candidates(opened.root, units)):
        if options.behaviors == "auto" and len(out) == MOST_BEHAVIORS:
            break
        if not isinstance(options.behaviors, str) and candidate.path not in options.behaviors:
            continue
        looked = survey(candidate, span, local=opened.local, load=True)
        if looked.series is not None:
            out[candidate.path] = looked.series
    return out


def _session(opened: Opened) -> str | None:
    return text_at(opened.root, "general/session_id")


def _subject(opened: Opened) -> str | None:
    return text_at(opened.root, "general/subject/subject_id")


def _source(opened: Opened, warnings: Warnings) -> Source:
    root = opened.root
    return Source(
        name=opened.name,
        identifier=text_at(root, "identifier") or "",
        object_id=as_text(root.attrs.get("object_id", "")),
        species=text_at(root, "general/subject/species") or "",
        session_start_time=text_at(root, "session_start_time") or "",
        sex=text_at(root, "general/subject/sex") or "",
        age=text_at(root, "general/subject/age") or "",
        backend=opened.backend,
        warnings=tuple(warnings.found),
    )
