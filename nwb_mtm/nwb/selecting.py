"""What the user asked for, applied to what the file holds; every rule says what it kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm.binning import merge_intervals
from nwb_mtm.errors import RecordingError
from nwb_mtm.expressions import evaluate, values_of
from nwb_mtm.levels import at_level, choose_level
from nwb_mtm.nwb.columns import as_flags
from nwb_mtm.nwb.contents import Contents
from nwb_mtm.nwb.observation import everywhere, intersection, without
from nwb_mtm.nwb.options import ReadOptions, split_within
from nwb_mtm.nwb.trials import find_interval_path
from nwb_mtm.recording import Intervals, Observed, Units, unit_keys
from nwb_mtm.regions import GROUP, lying_in, none_lies_in

ASKED_FOR = "in the regions asked for"


@dataclass(frozen=True)
class Kept:
    """What one rule on units kept of every region."""

    rule: str
    of_region: Mapping[str, tuple[int, int]]  # region -> (kept, all)


@dataclass(frozen=True, eq=False)
class Selection:
    """Units, observed time and trials after every wish."""

    units: Units
    region_level: str
    observed: Observed | None
    trials: Intervals | None
    unselected: Sequence[int]  # rows of trials that the condition left out
    kept: tuple[Kept, ...]


def select(contents: Contents, options: ReadOptions) -> Selection:
    """Apply the options."""
    regions, level = _regions(contents, options)
    rules = _unit_rules(contents, options, regions)
    inputs = np.logical_and.reduce([verdict for _, verdict in rules[:-1]])
    trials, unselected, excluded = _trials(contents)
    return Selection(
        units=_units(contents, regions, inputs),
        region_level=level,
        observed=_observed(contents, options, excluded),
        trials=trials,
        unselected=unselected,
        kept=tuple(Kept(name, _by_region(regions, verdict)) for name, verdict in rules),
    )


def _regions(contents: Contents, options: ReadOptions) -> tuple[tuple[str, ...], str]:
    place = contents.placement
    if options.regions == (GROUP,):
        return place.groups, "raw"
    level = choose_level([place.regions]) if options.region_level == "auto" else options.region_level
    return at_level(place.regions, level), level


def _unit_rules(
    contents: Contents, options: ReadOptions, regions: tuple[str, ...]
) -> list[tuple[str, Bool[ndarray, " unit"]]]:
    """The rules that make inputs, and last the one that makes the headline."""
    count = len(regions)
    rules = [("not labelled noise or artefact", ~contents.noise)]
    if options.min_rate > 0:
        rules.append((f"rate at least {options.min_rate:g} Hz", rates(contents) >= options.min_rate))
    if options.regions and options.regions != (GROUP,):
        within = lying_in(options.regions, regions, contents.placement.regions)
        if not any(within):
            raise RecordingError(f"{none_lies_in(options.regions, regions)}", kind="bad_selection")
        rules.append((ASKED_FOR, np.array(within, bool)))
    good = np.array([q is not False for q in contents.quality], bool) if count else np.zeros(0, bool)
    return [*rules, (f"quality: {contents.quality_rule}", good)]


def rates(contents: Contents) -> Float[ndarray, " unit"]:
    """Spikes per second of observed time."""
    seconds = observed_seconds(contents)
    out: Float[ndarray, " unit"] = contents.spikes.counts / np.maximum(seconds, 1e-9)
    return out


def observed_seconds(contents: Contents) -> Float[ndarray, " unit"]:
    """How long every unit was watched."""
    low, high = contents.span
    if contents.watched is None:
        return np.full(len(contents.spikes), high - low)
    lengths = [float((s[:, 1] - s[:, 0]).sum()) for s in contents.watched.sets]
    out: Float[ndarray, " unit"] = np.array(lengths)[contents.watched.index]
    return out


def _by_region(regions: tuple[str, ...], verdict: Bool[ndarray, " unit"]) -> dict[str, tuple[int, int]]:
    out: dict[str, tuple[int, int]] = {}
    for region, kept in zip(regions, verdict.tolist()):
        held, count = out.get(region, (0, 0))
        out[region] = (held + kept, count + 1)
    return out


def _units(contents: Contents, regions: tuple[str, ...], inputs: Bool[ndarray, " unit"]) -> Units:
    place, table = contents.placement, contents.table
    ids = table.ids()
    heldout = contents.columns.get("heldout")
    return Units(
        keys=unit_keys(ids),
        ids=ids,
        regions=regions,
        raw_regions=place.raw,
        region_rules=place.rules,
        groups=place.groups,
        rows=np.arange(table.count),
        electrodes=place.electrodes,
        positions=_positions(contents),
        quality=tuple(False if lost else q for q, lost in zip(contents.quality, contents.vanishing.tolist())),
        inputs=inputs,
        heldout=None if heldout is None else as_flags(heldout),
        columns=contents.columns,
    )


def _positions(contents: Contents) -> Float[ndarray, "unit 3"]:
    rows = contents.placement.electrodes
    out = np.full((len(rows), 3), np.nan)
    if len(contents.electrodes):
        out[rows >= 0] = contents.electrodes.positions[rows[rows >= 0]]
    return out


def _trials(contents: Contents) -> tuple[Intervals | None, Sequence[int], Float[ndarray, "interval 2"]]:
    """The trials that satisfy the condition, the rows that do not, and the time of those."""
    nothing = np.zeros((0, 2))
    if contents.trials is None:
        return None, (), nothing
    trials, condition = contents.trials.intervals, contents.trials.condition
    trials = replace(trials, targets=tuple(t.name for t in contents.trials.targets))
    if condition is None:
        return trials, (), nothing
    columns = {**trials.columns, "start_time": trials.start, "stop_time": trials.stop}
    chosen = _chosen(condition, columns, trials.path)
    assert trials.rows is not None
    out = np.stack([trials.start[~chosen], trials.stop[~chosen]], axis=1)
    excluded = without(out, np.stack([trials.start[chosen], trials.stop[chosen]], axis=1))
    return trials.take(chosen), tuple(trials.rows[~chosen].tolist()), excluded


def _chosen(condition: str, columns: Mapping[str, ndarray], path: str) -> Bool[ndarray, " row"]:
    """The rows that satisfy a condition; that none does is an error which says what the columns hold."""
    chosen = evaluate(condition, columns, where=path)
    if not chosen.any():
        held = values_of(condition, columns)
        raise RecordingError(
            f"The condition {condition!r} chooses none of the {len(chosen):,} rows of {path}"
            f"{f': {held}' if held else ''}.",
            kind="bad_selection",
        )
    return chosen


def _observed(contents: Contents, options: ReadOptions, excluded: Float[ndarray, "interval 2"]) -> Observed | None:
    """Observed time, less the trials that were not chosen, and only inside the intervals asked for."""
    observed = contents.watched
    if not options.within and not len(excluded):
        return observed
    if observed is None:
        observed = everywhere(contents.span, len(contents.spikes))
    sets = tuple(without(s, excluded) for s in observed.sets)
    if options.within:
        inside = _within(contents, options.within)
        sets = tuple(intersection(s, inside) for s in sets)
    return Observed(sets, observed.index)


def _within(contents: Contents, wish: str) -> Float[ndarray, "interval 2"]:
    name, condition = split_within(wish)
    table = contents.intervals[find_interval_path(contents.intervals, name)]
    chosen = np.ones(len(table), bool)
    if condition is not None:
        columns = {**table.columns, "start_time": table.start, "stop_time": table.stop}
        chosen = _chosen(condition, columns, table.path)
    return merge_intervals(np.stack([table.start[chosen], table.stop[chosen]], axis=1))
