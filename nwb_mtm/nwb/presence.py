"""Silence that is none: units that vanish, and groups whose recording began late or ended early."""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm.nwb.warned import Warnings
from nwb_mtm.recording import UNKNOWN, Observed, Spikes

LONGEST_SILENCE = 0.3  # share of a session
ENOUGH_SPIKES = 100
CELLS = 12
EDGE = 60.0
FEWEST_UNITS = 3


def vanishing(spikes: Spikes, observed: Observed | None, span: tuple[float, float]) -> Bool[ndarray, " unit"]:
    """Units with many spikes that are silent through more than 30 % of their observed time at a stretch."""
    sets = (np.array([span]),) if observed is None else observed.sets
    grids = [_grid(watched) for watched in sets]
    out = np.zeros(len(spikes), bool)
    for unit in np.flatnonzero(spikes.counts >= ENOUGH_SPIKES).tolist():
        which = 0 if observed is None else int(observed.index[unit])
        empty = np.diff(np.searchsorted(spikes[unit], grids[which])) == 0
        if np.any(empty[1:] & empty[:-1]):  # a long silence holds empty cells; most units have none
            out[unit] = _is_long(*_longest_silence(spikes[unit], sets[which]))
    return out


def _grid(watched: Float[ndarray, "interval 2"]) -> Float[ndarray, " edge"]:
    """Edges of cells of equal watched time."""
    if not len(watched):
        return np.zeros(0)
    lengths = np.concatenate([[0.0], np.cumsum(watched[:, 1] - watched[:, 0])])
    at = np.linspace(0.0, lengths[-1], CELLS + 1)
    index = np.clip(np.searchsorted(lengths, at, side="right") - 1, 0, len(watched) - 1)
    edges: Float[ndarray, " edge"] = watched[index, 0] + at - lengths[index]
    return edges


def _is_long(silence: float, watched: float) -> bool:
    return silence > max(EDGE, LONGEST_SILENCE * watched)


def _longest_silence(train: Float[ndarray, " spike"], watched: Float[ndarray, "interval 2"]) -> tuple[float, float]:
    """The longest time without a spike, and the time watched; unobserved gaps do not count."""
    lengths = np.concatenate([[0.0], np.cumsum(watched[:, 1] - watched[:, 0])])
    index = np.clip(np.searchsorted(watched[:, 0], train, side="right") - 1, 0, None)
    inside = np.clip(train - watched[index, 0], 0.0, watched[index, 1] - watched[index, 0])
    at = np.concatenate([[0.0], lengths[index] + inside, [lengths[-1]]])
    return float(np.diff(at).max()), float(lengths[-1])


def warn_of_absence(
    spikes: Spikes, groups: tuple[str, ...], gone: Bool[ndarray, " unit"], span: tuple[float, float], warnings: Warnings
) -> None:
    """Name groups with a silent head or tail, and count the units that vanish."""
    for group in dict.fromkeys(groups):
        members = [unit for unit, name in enumerate(groups) if name == group]
        trains = [spikes[unit] for unit in members if len(spikes[unit])]
        if group == UNKNOWN or len(trains) < FEWEST_UNITS:
            continue
        head, tail = min(t[0] for t in trains) - span[0], span[1] - max(t[-1] for t in trains)
        if max(head, tail) > EDGE:
            warnings.add(
                "silent_group",
                f"Group {group} has no spikes in the first {head:.0f} s and the last {tail:.0f} s of the recording: "
                "it was probably not recorded then, and silence there means nothing.",
            )
    if gone.any():
        warnings.add(
            "vanishing_units",
            f"{int(gone.sum())} units have no spikes through more than {LONGEST_SILENCE:.0%} of the session; "
            "they are left out of the headline.",
        )
