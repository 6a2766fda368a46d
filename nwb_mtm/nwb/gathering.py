"""Reading a file's contents: every dataset in one slice, behaviour only looked for."""

from collections.abc import Iterator, Mapping, Sequence

from numpy import ndarray

from nwb_mtm.errors import RecordingError, did_you_mean
from nwb_mtm.nwb.behavior import by_preference, overlaps
from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.contents import MOST_BEHAVIORS, Contents, Trials, time_range
from nwb_mtm.nwb.electrodes import LABELS, Electrodes, read_electrodes
from nwb_mtm.nwb.links import PEAKS
from nwb_mtm.nwb.namespaces import missing_namespaces
from nwb_mtm.nwb.observation import everywhere, read_observed
from nwb_mtm.nwb.opening import Opened
from nwb_mtm.nwb.options import Prefetch, ReadOptions, split_trials
from nwb_mtm.nwb.placement import Placement, place_units
from nwb_mtm.nwb.presence import late_or_early, vanishing, warn_of_absence, within_presence
from nwb_mtm.nwb.quality import is_noise, judge_quality
from nwb_mtm.nwb.region_table import read_region_table
from nwb_mtm.nwb.series import PLACES, Candidate, find_candidates
from nwb_mtm.nwb.targets import judge_columns
from nwb_mtm.nwb.trials import PLACES as TABLES
from nwb_mtm.nwb.trials import find_trials, interval_tables, raw_range, read_intervals
from nwb_mtm.nwb.units import find_units, read_spikes
from nwb_mtm.nwb.view import Array, find_group
from nwb_mtm.nwb.warned import Warnings
from nwb_mtm.recording import Observed, Spikes

FIXED = (
    "units",
    "general/extracellular_ephys",
    "general/subject",
    "general/session_id",
    "identifier",
    "session_start_time",
)  # what is read of every file


def gather(opened: Opened, options: ReadOptions, prefetch: Prefetch | None = None) -> Contents:
    """Read units, electrodes, intervals and observed time; look for behaviour without reading it."""
    root, warnings = opened.root, Warnings()
    if opened.headers is not None:
        opened.headers((*FIXED, *TABLES, *(PLACES if options.behaviors != "none" else ())))
    table, tables = find_units(root, options.units_path), interval_tables(root)
    candidates = () if options.behaviors == "none" else find_candidates(root, table.count)
    if prefetch is not None:
        needed = _needed(opened, table, tables, candidates, options)
        prefetch([extent for array in needed for extent in array.extents()])
    spikes = read_spikes(table, warnings)
    found = time_range(spikes)
    span = found or (0.0, 0.0)
    columns = {n: v for n in table.names if n != "spike_times" and (v := table.flat(n)) is not None}
    electrodes, placement = _placed(opened, table, columns, options, warnings)
    rule, quality = judge_quality(options.quality, columns, table.count)
    observed = read_observed(root, table, span)
    watched, gone = _present(spikes, table.ids(), placement.groups, observed, span, warnings)
    whole = _whole_span(found, observed)
    return Contents(
        opened=opened,
        table=table,
        spikes=spikes,
        span=span,
        columns=columns,
        electrodes=electrodes,
        placement=placement,
        quality_rule=rule,
        quality=quality,
        noise=is_noise(columns, table.count),
        observed=observed,
        watched=watched,
        vanishing=gone,
        intervals={path: read_intervals(t, whole) for path, t in tables.items()},
        interval_counts={path: t.count for path, t in tables.items()},
        trials=_trials(tables, options, whole, warnings),
        candidates=candidates,
        warnings=warnings,
    )


def _present(
    spikes: Spikes,
    ids: Sequence[object],
    groups: tuple[str, ...],
    observed: Observed | None,
    span: tuple[float, float],
    warnings: Warnings,
) -> tuple[Observed | None, ndarray]:
    """Observed time cut to when each group was there, and the units that vanish within it."""
    present = late_or_early(spikes, groups, span)
    watched = within_presence(observed or everywhere(span, len(spikes)), groups, present) if present else observed
    gone = vanishing(spikes, watched, span)
    warn_of_absence(present, gone, span, ids, warnings)
    return watched, gone


def _placed(
    opened: Opened, table: Table, columns: Mapping[str, ndarray], options: ReadOptions, warnings: Warnings
) -> tuple[Electrodes, Placement]:
    """Electrodes and the units on them; what could not be used on the way is warned of."""
    electrodes = read_electrodes(opened.root)
    given = None
    if options.regions_from is not None:
        given = read_region_table(options.regions_from, table, electrodes, columns)
    missing_namespaces(opened.root, warnings, local=opened.local)
    for name in table.names:
        if name in ("electrodes", "obs_intervals", *PEAKS) and table.is_damaged(name):
            warnings.add("damaged_column", f"The index of {table.path}/{name} cannot be true; the column is not used.")
    return electrodes, place_units(table, electrodes, warnings, given=given)


def _whole_span(span: tuple[float, float] | None, observed: Observed | None) -> tuple[float, float] | None:
    """From the first to the last moment of spikes or observed time; None when there is neither."""
    edges = [(float(s[0, 0]), float(s[-1, 1])) for s in observed.sets if len(s)] if observed is not None else []
    ends = edges if span is None else [span, *edges]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None


def _trials(
    tables: Mapping[str, Table], options: ReadOptions, span: tuple[float, float] | None, warnings: Warnings
) -> Trials | None:
    named, condition = split_trials(options, tables)
    path = find_trials(tables, named)
    if path is None and condition is not None:
        raise RecordingError(
            f"The file has no trials for {condition!r} to choose from, and no such table; tables of intervals: "
            f"{', '.join(tables) or 'none'}.{did_you_mean(condition, tables)}",
            kind="bad_selection",
        )
    if path is None:
        return None
    table = tables[path]
    intervals = read_intervals(table, span)
    covered = raw_range(table)
    if covered is not None and span is not None and not overlaps(covered, span):
        warnings.add(
            "clock_mismatch",
            f"{path} runs from {covered[0]:g} to {covered[1]:g} s, the spikes from {span[0]:g} to {span[1]:g} s: "
            "they are on different clocks. Put both on one clock, in seconds from the session's start.",
        )
    targets, reasons = judge_columns(table, intervals)
    for target in targets:
        if target.confounded:
            warnings.add("target_follows_time", f"{path}/{target.name} changes so seldom that time alone tells it.")
    return Trials(intervals, table.count, targets, reasons, condition)


def _needed(
    opened: Opened,
    table: Table,
    tables: Mapping[str, Table],
    candidates: tuple[Candidate, ...],
    options: ReadOptions,
) -> Iterator[Array]:
    """Every dataset that is about to be read whole."""
    yield from _table_arrays(table)
    for name in ("electrodes", "obs_intervals", "max_electrode"):
        yield from (table.members[n] for n in (name, f"{name}_index") if n in table.members and not table.is_flat(n))
    place = _electrode_table(opened)
    if place is not None:
        wanted = ("id", *LABELS, "group_name", "x", "y", "z", "rel_x", "rel_y")
        yield from (place.members[n] for n in wanted if n in place.members)
    for intervals in tables.values():
        yield from _table_arrays(intervals)
    for candidate in wanted_candidates(candidates, options):
        yield from candidate.arrays()


def _table_arrays(table: Table) -> Iterator[Array]:
    names = [n for n in ("id", "spike_times", "spike_times_index") if n in table.members]
    yield from (table.members[n] for n in dict.fromkeys([*names, *(n for n in table.names if table.is_flat(n))]))


def _electrode_table(opened: Opened) -> Table | None:
    """The electrodes as a table, unread."""
    group = find_group(opened.root, "general/extracellular_ephys/electrodes")
    return None if group is None else Table(group)


def wanted_candidates(candidates: tuple[Candidate, ...], options: ReadOptions) -> tuple[Candidate, ...]:
    """The series that reading is likely to load."""
    if options.behaviors == "none":
        return ()
    ranked = by_preference(candidates)
    if isinstance(options.behaviors, str):
        return ranked if options.behaviors == "all" else ranked[:MOST_BEHAVIORS]
    return tuple(c for c in candidates if c.path in options.behaviors)
