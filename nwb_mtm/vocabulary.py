"""Names to rows: which row of a model's tables belongs to which session and unit."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from nwb_mtm.errors import RunError
from nwb_mtm.regions import is_context
from nwb_mtm.windows import Windows


@dataclass(frozen=True)
class Vocabulary:
    """Sessions in the order they came, each with its units' keys and their mask regions.

    >>> v = Vocabulary({"m1/a": ("0", "1"), "m2/a": ("0",)}, {"m1/a": ("CA1", "CA1"), "m2/a": ("CA3",)})
    >>> v.session_row("m2/a"), v.unit_rows("m2/a", ["0"]).tolist(), len(v)
    (1, [2], 3)
    """

    units: Mapping[str, tuple[str, ...]]
    regions: Mapping[str, tuple[str, ...]]
    level: str = "raw"

    @classmethod
    def from_windows(cls, windows: Iterable[Windows], level: str = "raw") -> "Vocabulary":
        """One session for each distinct key; windows of one session must have the same units."""
        units: dict[str, tuple[str, ...]] = {}
        regions: dict[str, tuple[str, ...]] = {}
        for one in windows:
            if units.setdefault(one.session, one.units.keys) != one.units.keys:
                raise RunError(f"{one.session} comes with two different lists of units.", kind="does_not_fit")
            regions[one.session] = one.units.regions
        return cls(units, regions, level)

    def __len__(self) -> int:
        return sum(len(keys) for keys in self.units.values())

    @property
    def sessions(self) -> tuple[str, ...]:
        """Session keys in row order."""
        return tuple(self.units)

    def session_row(self, session: str) -> int:
        """The row of one session."""
        if session not in self.units:
            raise RunError(
                f"The model has no session {session!r}; it knows {len(self.units)}: {', '.join(self.sessions[:5])}.",
                kind="does_not_fit",
            )
        return self.sessions.index(session)

    def unit_rows(self, session: str, keys: Iterable[str]) -> Int[ndarray, " unit"]:
        """Rows of the named units in tables that hold all units of all sessions."""
        self.session_row(session)
        first = 0
        for name, known in self.units.items():
            if name == session:
                break
            first += len(known)
        position = {key: i for i, key in enumerate(self.units[session])}
        missing = [key for key in keys if key not in position]
        if missing:
            raise RunError(
                f"{session} has units the model does not know: {', '.join(missing[:5])} ({len(missing)} in all).",
                kind="does_not_fit",
            )
        return first + np.array([position[key] for key in keys], np.int64).reshape(-1)

    def to_json(self) -> dict[str, object]:
        """Plain lists, for a checkpoint's header."""
        return {
            "level": self.level,
            "units": {name: list(keys) for name, keys in self.units.items()},
            "regions": {name: list(labels) for name, labels in self.regions.items()},
        }

    @classmethod
    def from_json(cls, header: Mapping[str, Any]) -> "Vocabulary":
        """The vocabulary that a checkpoint's header describes."""
        units = {name: tuple(keys) for name, keys in header["units"].items()}
        regions = {name: tuple(labels) for name, labels in header["regions"].items()}
        return cls(units, regions, str(header["level"]))


def mask_groups(regions: Sequence[str], *, least: int | None = None) -> tuple[Int[ndarray, " unit"], tuple[str, ...]]:
    """The mask region of every unit, -1 for visible context, and the names of the regions that count.

    Regions of fewer than ten units (five when there are fewer than a hundred), unknown and non-grey
    labels are context: shown to the model, never hidden or scored as a region.

    >>> mask_groups(["CA1"] * 5 + ["root"] * 6 + ["DG"])
    (array([ 0,  0,  0,  0,  0, -1, -1, -1, -1, -1, -1, -1]), ('CA1',))
    """
    smallest = least if least is not None else (10 if len(regions) >= 100 else 5)
    counts = Counter(regions)
    names = tuple(sorted(r for r, n in counts.items() if n >= smallest and not is_context(r)))
    row = {name: i for i, name in enumerate(names)}
    return np.array([row.get(r, -1) for r in regions], np.int64).reshape(-1), names
