"""Which units every score hides and scores, pass by pass; models and baselines share this one plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from nwb_mtm.errors import ConfigError
from nwb_mtm.levels import are_related
from nwb_mtm.recording import Units
from nwb_mtm.regions import is_context
from nwb_mtm.vocabulary import mask_groups

Score = Literal["co-smoothing", "forward", "inter-region", "intra-region"]
SCORES: tuple[Score, ...] = get_args(Score)
FORWARD_SHARE = 0.1


@dataclass(frozen=True)
class Rule:
    """The prompt a score is asked with, what it hides, and what it counts."""

    scheme: str
    hides: str
    scores: str


# The one table of masks and prompts.
RULES: Mapping[Score, Rule] = MappingProxyType(
    {
        "co-smoothing": Rule("neuron", "a fold of units (or one), in all bins", "the hidden units"),
        "forward": Rule("causal", "all units in the last tenth of the bins", "the hidden bins"),
        "inter-region": Rule("inter-region", "all units of one region, in all bins", "the hidden units"),
        "intra-region": Rule(
            "intra-region",
            "every other region, and a fold of the region's units (or one)",
            "the fold's units",
        ),
    }
)


@dataclass(frozen=True, eq=False)
class Pass:
    """One look at the windows: units hidden in all bins, and those of them that are scored."""

    hidden: Bool[ndarray, " unit"]
    targets: Int[ndarray, " target"]
    region: str = ""

    @property
    def visible(self) -> Int[ndarray, " visible"]:
        """Rows of the units that stay visible."""
        return np.flatnonzero(~self.hidden)


def check_score(name: str) -> Score:
    """The score of that name, or an error that lists them."""
    for score in SCORES:
        if score == name:
            return score
    raise ConfigError(f"Unknown score {name!r}; it is one of {', '.join(SCORES)}.", kind="bad_value")


def forward_bins(bins: int) -> int:
    """How many bins at the end of a window `forward` hides.

    >>> forward_bins(100), forward_bins(4)
    (10, 1)
    """
    return max(1, round(FORWARD_SHARE * bins))


def mask_regions(units: Units) -> tuple[str, ...]:
    """Regions that are hidden and scored whole: named, grey, and large enough; sorted."""
    return mask_groups(units.regions)[1]


def companions(units: Units, region: str) -> dict[str, Int[ndarray, " unit"]]:
    """Units that are hidden with a region because they may belong to it: unknown ones, and relatives."""
    labels = np.array(units.regions, dtype=str)
    groups = np.array(units.groups, dtype=str)
    inside = labels == region
    unknown = np.array([is_context(name) for name in labels]) & np.isin(groups, np.unique(groups[inside]))
    kin = {name: are_related(name, region) for name in np.unique(labels)}
    relatives = np.array([kin[name] for name in labels]) & ~inside & ~unknown
    return {"unknown": np.flatnonzero(unknown & ~inside), "relatives": np.flatnonzero(relatives)}


def passes(
    units: Units,
    score: Score,
    *,
    folds: int | None = 10,
    hide_with: Bool[ndarray, "unit unit"] | None = None,
    strict: bool = True,
) -> tuple[Pass, ...]:
    """All passes of one score; `folds=None` leaves out one unit at a time.

    `hide_with[n]` marks the units that are hidden whenever unit n is a target (guarded scores).
    Forward has one pass that hides no unit: what it hides are bins.
    """
    count = len(units)
    if score == "forward":
        return (Pass(np.zeros(count, bool), np.arange(count)),)
    if score == "co-smoothing":
        plan = [(np.zeros(count, bool), fold, "") for fold in unit_folds(units, folds, hide_with)]
    elif score == "inter-region":
        plan = [_whole_region(units, region, strict) for region in mask_regions(units)]
    elif score == "intra-region":
        plan = [step for region in mask_regions(units) for step in _inside_region(units, region, folds, hide_with)]
    else:
        raise ConfigError(f"Unknown score {score!r}; it is one of {', '.join(SCORES)}.", kind="bad_value")
    return tuple(_guarded(hidden, targets, region, hide_with) for hidden, targets, region in plan)


def _guarded(
    hidden: Bool[ndarray, " unit"],
    targets: Int[ndarray, " target"],
    region: str,
    hide_with: Bool[ndarray, "unit unit"] | None,
) -> Pass:
    away = hidden.copy()
    away[targets] = True
    if hide_with is not None:
        away |= hide_with[targets].any(axis=0)
    return Pass(away, targets, region)


_Step = tuple[Bool[ndarray, " unit"], Int[ndarray, " target"], str]


def _whole_region(units: Units, region: str, strict: bool) -> _Step:
    inside = np.array([name == region for name in units.regions])
    hidden = inside.copy()
    for rows in companions(units, region).values() if strict else ():
        hidden[rows] = True
    return hidden, np.flatnonzero(inside), region


def _inside_region(
    units: Units, region: str, folds: int | None, hide_with: Bool[ndarray, "unit unit"] | None
) -> list[_Step]:
    inside = np.array([name == region for name in units.regions])
    rows = np.flatnonzero(inside)
    inner = None if hide_with is None else hide_with[np.ix_(rows, rows)]
    return [(~inside, rows[fold], region) for fold in unit_folds(units.take(rows), folds, inner)]


def unit_folds(
    units: Units, folds: int | None, hide_with: Bool[ndarray, "unit unit"] | None = None
) -> tuple[Int[ndarray, " fold"], ...]:
    """Rows of every fold: spread evenly over regions; runs of neighbours when those are hidden too."""
    count = len(units)
    if folds is None or folds >= count:
        return tuple(np.array([row]) for row in range(count))
    if folds < 2:
        raise ConfigError(
            f"{folds} folds of units; two or more are needed, or 0 for one unit at a time.", kind="bad_value"
        )
    if hide_with is not None:
        return tuple(part for part in np.array_split(_by_place(units), folds) if len(part))
    order = np.random.default_rng(0).permutation(count)
    order = order[np.argsort(np.array(units.regions, dtype=str)[order], kind="stable")]
    return tuple(np.sort(order[first::folds]) for first in range(folds))


def _by_place(units: Units) -> Int[ndarray, " unit"]:
    """Rows sorted by group, then along the group's longest direction, then by electrode."""
    groups = np.array(units.groups, dtype=str)
    depth = np.zeros(len(units))
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        depth[rows] = _along(units.positions[rows])
    return np.lexsort((units.electrodes, depth, groups))


def _along(positions: ndarray) -> ndarray:
    known = np.isfinite(positions)
    if not known.any():
        return np.zeros(len(positions))
    filled = np.where(known, positions, np.inf)
    spread = [np.ptp(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0 for column in filled.T]
    return np.asarray(filled[:, int(np.argmax(spread))], np.float64)
