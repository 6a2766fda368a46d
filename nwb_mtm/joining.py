"""One recording that lies in several files, one for each probe: joined when their clocks agree."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy import ndarray

from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import Observed, Recording, Spikes, Units, overlap_share

SAME = 0.5  # recordings that share more of their units than this are the same one twice


def join_probes(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """Files with the same subject and session start become one recording; others stay as they are."""
    groups: dict[object, list[Recording]] = {}
    for number, recording in enumerate(recordings):
        start = recording.source.session_start_time
        groups.setdefault((recording.subject, start) if recording.subject and start else number, []).append(recording)
    return tuple(_join(group) if len(group) > 1 else group[0] for group in groups.values())


def _join(parts: Sequence[Recording]) -> Recording:
    """Units of all files, the first one's trials (else the first that there are), every behaviour."""
    _check(parts)
    first = parts[0]
    trials = next((part.trials for part in parts if part.trials is not None), None)
    times = np.concatenate([part.spikes.times for part in parts])
    starts = np.cumsum([0, *(len(part.spikes.times) for part in parts[:-1])])
    offsets = [part.spikes.offsets[1:] + start for part, start in zip(parts, starts)]
    warnings = tuple(dict.fromkeys(warning for part in parts for warning in part.source.warnings))
    return replace(
        first,
        units=_join_units([part.units for part in parts]),
        spikes=Spikes(times, np.concatenate([[0], *offsets])),
        trials=trials,
        intervals={path: table for part in reversed(parts) for path, table in part.intervals.items()},
        behaviors={path: series for part in reversed(parts) for path, series in part.behaviors.items()},
        observed=_join_observed(parts),
        source=replace(first.source, name="+".join(part.source.name for part in parts), warnings=warnings),
    )


def _check(parts: Sequence[Recording]) -> None:
    names = ", ".join(part.source.name for part in parts)
    for number, part in enumerate(parts):
        if any(overlap_share(part.fingerprint, other.fingerprint) > SAME for other in parts[:number]):
            raise RecordingError(f"{names} hold the same units; nothing is to be joined.", kind="same_recording")
    low, high = max(part.span[0] for part in parts), min(part.span[1] for part in parts)
    if high <= low:
        raise RecordingError(
            f"{names} have the same subject and session start, but their times do not overlap: "
            + "; ".join(f"{part.source.name} {part.span[0]:g} to {part.span[1]:g} s" for part in parts)
            + ". Put them on one clock, or use them without joining.",
            kind="clocks_disagree",
        )


def _join_units(parts: Sequence[Units]) -> Units:
    """All units in order; keys and groups carry the number of their file where they would collide."""
    keys = [key for part in parts for key in part.keys]
    unique = len(set(keys)) == len(keys)
    groups = [set(part.groups) for part in parts]
    apart = all(not (a & b) for i, a in enumerate(groups) for b in groups[:i])
    held = [part.heldout if part.heldout is not None else np.zeros(len(part), bool) for part in parts]
    numbered = list(enumerate(parts))
    return Units(
        keys=tuple(key if unique else f"file{n}:{key}" for n, part in numbered for key in part.keys),
        groups=tuple(group if apart else f"file{n}:{group}" for n, part in numbered for group in part.groups),
        electrodes=_apart([part.electrodes for part in parts]),
        heldout=np.concatenate(held) if any(part.heldout is not None for part in parts) else None,
        columns=_shared_columns([part.columns for part in parts]),
        ids=tuple(i for part in parts for i in part.ids),
        regions=tuple(region for part in parts for region in part.regions),
        raw_regions=tuple(raw for part in parts for raw in part.raw_regions),
        region_rules=tuple(rule for part in parts for rule in part.region_rules),
        rows=np.concatenate([part.rows for part in parts]),
        positions=np.concatenate([part.positions for part in parts]),
        quality=tuple(q for part in parts for q in part.quality),
        inputs=np.concatenate([part.inputs for part in parts]),
    )


def _apart(rows: Sequence[ndarray]) -> ndarray:
    """Electrode rows of different files must not be taken for the same electrode."""
    shifts = np.cumsum([0, *(int(part.max(initial=-1)) + 1 for part in rows[:-1])])
    return np.concatenate([np.where(part >= 0, part + shift, -1) for part, shift in zip(rows, shifts)])


def _shared_columns(parts: Sequence[Mapping[str, ndarray]]) -> dict[str, ndarray]:
    names = [name for name in parts[0] if all(name in part for part in parts)]
    alike = [name for name in names if len({(part[name].dtype.kind, part[name].shape[1:]) for part in parts}) == 1]
    return {name: np.concatenate([part[name] for part in parts]) for name in alike}


def _join_observed(parts: Sequence[Recording]) -> Observed:
    """What each file says of its units; a file that says nothing watched them from its first to its last spike."""
    told = [part.observed or Observed.everywhere(*part.span, len(part.units)) for part in parts]
    shifts = np.cumsum([0, *(len(one.sets) for one in told[:-1])])
    index = np.concatenate([one.index + shift for one, shift in zip(told, shifts)])
    return Observed(tuple(s for one in told for s in one.sets), index)
