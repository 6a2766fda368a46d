"""The units of a session: one row for each, read-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nwb_mtm.errors import RecordingError

UNKNOWN = "unknown"


def frozen(array: Any, dtype: Any = None) -> Any:
    """A read-only view of an array (a copy only when the type must change)."""
    view = np.asarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


def frozen_columns(columns: Mapping[str, Any]) -> Mapping[str, ndarray]:
    """Columns as read-only arrays behind a read-only mapping."""
    return MappingProxyType({name: frozen(values) for name, values in columns.items()})


@dataclass(frozen=True, eq=False)
class Units:
    """One row for every unit, in the file's row order."""

    keys: tuple[str, ...]
    ids: tuple[int | float | str, ...]
    regions: tuple[str, ...]
    raw_regions: tuple[str, ...]
    region_rules: tuple[str, ...]
    groups: tuple[str, ...]
    rows: Int[ndarray, " unit"]
    electrodes: Int[ndarray, " unit"]  # peak electrode's row, -1 when there is none
    positions: Float[ndarray, "unit 3"]  # micrometres, NaN when unknown
    quality: tuple[bool | None, ...]
    inputs: Bool[ndarray, " unit"]  # shown to a model (not noise)
    heldout: Bool[ndarray, " unit"] | None = None
    columns: Mapping[str, ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", frozen(self.rows, np.int64))
        object.__setattr__(self, "electrodes", frozen(self.electrodes, np.int64))
        object.__setattr__(self, "positions", frozen(self.positions, np.float64))
        object.__setattr__(self, "inputs", frozen(self.inputs, bool))
        if self.heldout is not None:
            object.__setattr__(self, "heldout", frozen(self.heldout, bool))
        object.__setattr__(self, "columns", frozen_columns(self.columns))

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def scored(self) -> Bool[ndarray, " unit"]:
        """Units of the headline: inputs that pass the file's own quality rule (all inputs when it has none)."""
        return np.asarray(self.inputs & np.array([q is not False for q in self.quality], bool))

    def take(self, index: Int[ndarray, " chosen"] | Bool[ndarray, " unit"] | Sequence[int]) -> "Units":
        """The chosen rows, in the order given."""
        chosen = as_index(index, len(self))
        pick = [int(i) for i in chosen]
        return Units(
            keys=tuple(self.keys[i] for i in pick),
            ids=tuple(self.ids[i] for i in pick),
            regions=tuple(self.regions[i] for i in pick),
            raw_regions=tuple(self.raw_regions[i] for i in pick),
            region_rules=tuple(self.region_rules[i] for i in pick),
            groups=tuple(self.groups[i] for i in pick),
            rows=self.rows[chosen],
            electrodes=self.electrodes[chosen],
            positions=self.positions[chosen],
            quality=tuple(self.quality[i] for i in pick),
            inputs=self.inputs[chosen],
            heldout=None if self.heldout is None else self.heldout[chosen],
            columns={name: values[chosen] for name, values in self.columns.items()},
        )

    def to_pandas(self) -> Any:
        """A DataFrame with one row for every unit (needs the `pandas` extra)."""
        import pandas

        table = {
            "key": self.keys,
            "id": self.ids,
            "region": self.regions,
            "raw_region": self.raw_regions,
            "region_rule": self.region_rules,
            "group": self.groups,
            "row": self.rows,
            "electrode": self.electrodes,
            "quality": self.quality,
            "input": self.inputs,
        }
        own = {name: values for name, values in self.columns.items() if values.ndim == 1}
        return pandas.DataFrame({**own, **table})


def as_index(index: Any, count: int) -> Int[ndarray, " chosen"]:
    """Row numbers from row numbers or from a boolean mask."""
    array = np.asarray(index)
    if array.dtype == bool:
        if array.shape != (count,):
            raise RecordingError(
                f"The mask has shape {array.shape}; {count} rows need ({count},).", kind="bad_selection"
            )
        return np.flatnonzero(array)
    return array.astype(np.int64).reshape(-1)


def unit_keys(ids: Sequence[int | float | str]) -> tuple[str, ...]:
    """`str(id)` when the ids are unique in the file, else `row:N`.

    >>> unit_keys([7, 9]), unit_keys([0, 0])
    (('7', '9'), ('row:0', 'row:1'))
    """
    names = tuple(str(i) for i in ids)
    if len(set(names)) == len(names):
        return names
    return tuple(f"row:{row}" for row in range(len(names)))
