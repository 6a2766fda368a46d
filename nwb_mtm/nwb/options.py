"""What is wanted of a file when it is read."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from nwb_mtm.errors import ConfigError

Prefetch = Callable[[Sequence[tuple[int, int]]], None]
TABLE_CONDITION = re.compile(r"^\s*([^\[\]\s]+)\s*\[(.*)\]\s*$", re.DOTALL)


@dataclass(frozen=True)
class ReadOptions:
    """Which units, regions, trials and behaviours are taken."""

    units_path: str | None = None
    """Path of the table of units; needed only when a file has several and none at /units."""
    quality: str = "auto"
    """`auto` (the file's own rule), `none`, or a condition on the units' columns: what the headline scores."""
    min_rate: float = 0.0
    """Units with fewer spikes per second are no inputs."""
    regions: tuple[str, ...] = ()
    """Only units in these regions are inputs; `("group",)` takes probes and shanks for regions."""
    regions_from: str | Path | None = None
    """CSV file with a region for every unit, electrode or stretch of a probe."""
    region_level: str = "raw"
    """`raw`, `merged`, `beryl`, `cosmos`, `auto`, or a CSV file of names."""
    trials: str | None = None
    """A table's name, a condition on the trials' columns, or TABLE[CONDITION]."""
    trials_table: str | None = None
    """Table of intervals to take for trials."""
    within: str | None = None
    """TABLE or TABLE[CONDITION]; only time inside these intervals counts as observed."""
    behaviors: str | tuple[str, ...] = "auto"
    """`auto` (at most five, by preference), `all`, `none`, or paths."""

    def __post_init__(self) -> None:
        if self.min_rate < 0:
            raise ConfigError(f"min_rate is {self.min_rate}; it is a rate in spikes/s, 0 or more.", kind="bad_value")


def split_trials(options: ReadOptions, tables: Collection[str]) -> tuple[str | None, str | None]:
    """The table and the condition that `trials` and `trials_table` ask for."""
    table, wish = options.trials_table, (options.trials or "").strip()
    if not wish:
        return table, None
    named = set(tables) | {path.rpartition("/")[2] for path in tables}
    if wish in named:
        return wish, None
    found = TABLE_CONDITION.match(wish)
    if found and found.group(1) in named:
        return found.group(1), found.group(2)
    return table, wish


def split_within(within: str) -> tuple[str, str | None]:
    """The table and the condition of `TABLE[CONDITION]`.

    >>> split_within("epochs[tags == 'maze']"), split_within("epochs")
    (('epochs', "tags == 'maze'"), ('epochs', None))
    """
    found = TABLE_CONDITION.match(within)
    return (found.group(1), found.group(2)) if found else (within.strip(), None)
