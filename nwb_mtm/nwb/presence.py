"""Silence that is none: units that vanish, and groups whose recording began late or ended early."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nwb_mtm.nwb.observation import intersection
from nwb_mtm.nwb.warned import Warnings
from nwb_mtm.recording import UNKNOWN, Observed, Spikes

LONGEST_SILENCE = 0.3  # share of a session
ENOUGH_SPIKES = 100
PLACES = 17
EDGE = 60.0
FEWEST_UNITS = 3
MOST_NAMED = 5


def vanishing(spikes: Spikes, observed: Observed | None, span: tuple[float, float]) -> Bool[ndarray, " unit"]:
    """Units with many spikes that are silent through more than 30 % of their observed time at a stretch."""
    sets = (np.array([span]),) if observed is None else observed.sets
    which = np.zeros(len(spikes), np.int64) if observed is None else observed.index
    watched = np.array([(s[:, 1] - s[:, 0]).sum() for s in sets])
    out = np.zeros(len(spikes), bool)
    many = np.flatnonzero(spikes.counts >= ENOUGH_SPIKES)
    longest = _longest_possible(spikes, many, span)
    for unit in many[longest > np.maximum(EDGE, LONGEST_SILENCE * watched[which[many]])].tolist():
        out[unit] = _is_long(*_longest_silence(spikes[unit], sets[which[unit]]))
    return out


def _longest_possible(
    spikes: Spikes, units: Int[ndarray, " unit"], span: tuple[float, float]
) -> Float[ndarray, " unit"]:
    """No silence is longer than the gaps between a few of a unit's spikes, which are quick to look at."""
    places = np.linspace(0.0, 1.0, PLACES)
    rows = spikes.offsets[units][:, None] + (places * (spikes.counts[units] - 1)[:, None]).astype(np.int64)
    ends = np.broadcast_to(np.array(span), (len(units), 2))
    seen = np.concatenate([ends[:, :1], spikes.times[rows], ends[:, 1:]], axis=1)
    longest: Float[ndarray, " unit"] = np.diff(seen, axis=1).max(axis=1)
    return longest


def _is_long(silence: float, watched: float) -> bool:
    return silence > max(EDGE, LONGEST_SILENCE * watched)


def _longest_silence(train: Float[ndarray, " spike"], watched: Float[ndarray, "interval 2"]) -> tuple[float, float]:
    """The longest time without a spike, and the time watched; unobserved gaps do not count."""
    lengths = np.concatenate([[0.0], np.cumsum(watched[:, 1] - watched[:, 0])])
    index = np.clip(np.searchsorted(watched[:, 0], train, side="right") - 1, 0, None)
    inside = np.clip(train - watched[index, 0], 0.0, watched[index, 1] - watched[index, 0])
    at = np.concatenate([[0.0], lengths[index] + inside, [lengths[-1]]])
    return float(np.diff(at).max()), float(lengths[-1])


def late_or_early(spikes: Spikes, groups: tuple[str, ...], span: tuple[float, float]) -> dict[str, tuple[float, float]]:
    """Groups that are silent for over a minute at the beginning or end, with their first and last spike."""
    held = spikes.counts > 0
    first = spikes.times[spikes.offsets[:-1][held]]
    last = spikes.times[spikes.offsets[1:][held] - 1]
    names = np.array(groups, dtype=np.str_)[held]
    out: dict[str, tuple[float, float]] = {}
    for group in dict.fromkeys(names.tolist()):
        inside = names == group
        if group == UNKNOWN or inside.sum() < FEWEST_UNITS:
            continue
        begin, end = float(first[inside].min()), float(last[inside].max())
        if max(begin - span[0], span[1] - end) > EDGE:
            out[group] = (begin, end)
    return out


def within_presence(
    observed: Observed, groups: tuple[str, ...], present: Mapping[str, tuple[float, float]]
) -> Observed:
    """Observed time of each unit, cut to the time its group was there."""
    sets: dict[tuple[int, str], Float[ndarray, "interval 2"]] = {}
    keys = [(int(number), group if group in present else "") for number, group in zip(observed.index, groups)]
    for number, group in keys:
        if (number, group) not in sets:
            whole = observed.sets[number]
            sets[number, group] = intersection(whole, _closed(present[group])) if group else whole
    order = {key: place for place, key in enumerate(sets)}
    return Observed(tuple(sets.values()), np.array([order[key] for key in keys], np.int64))


def _closed(span: tuple[float, float]) -> Float[ndarray, "one 2"]:
    """An interval that holds its last moment."""
    return np.array([[span[0], np.nextafter(span[1], np.inf)]])


def warn_of_absence(
    present: Mapping[str, tuple[float, float]],
    gone: Bool[ndarray, " unit"],
    span: tuple[float, float],
    ids: Sequence[object],
    warnings: Warnings,
) -> None:
    """Name groups with a silent head or tail, and the units that vanish."""
    for group, (first, last) in present.items():
        warnings.add(
            "silent_group",
            f"Group {group} has no spikes in the first {first - span[0]:.0f} s and the last {span[1] - last:.0f} s of "
            "the recording: it was probably not recorded then, and that time does not count as observed for its units.",
        )
    if gone.any():
        warnings.add(
            "vanishing_units",
            f"{int(gone.sum())} units have no spikes through more than {LONGEST_SILENCE:.0%} of the session and are "
            f"left out of the headline: {_named([ids[row] for row in np.flatnonzero(gone).tolist()])}.",
        )


def _named(ids: Sequence[object]) -> str:
    """Up to five units by their ids."""
    more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
    return ", ".join(str(one) for one in ids[:MOST_NAMED]) + more
