"""Columns of a table: flat or ragged, each read in one slice, however the file spelled them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from nwb_mtm.errors import RecordingError
from nwb_mtm.nwb.view import Array, Group, as_text, find_array, kind_of


@dataclass(frozen=True, eq=False)
class Table:
    """A DynamicTable; nothing of a column is read before it is asked for."""

    group: Group

    @property
    def path(self) -> str:
        """Where the table lies in the file."""
        return self.group.path

    @cached_property
    def members(self) -> dict[str, Array]:
        """Every dataset of the group by its name."""
        found = {name: find_array(self.group, name) for name in self.group.names()}
        return {name: array for name, array in found.items() if array is not None}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns: all datasets but the ids and the indices of ragged columns; those that are listed first."""
        found = [n for n in self.members if n != "id" and not self._is_index(n)]
        listed = [as_text(n) for n in np.asarray(self.group.attrs.get("colnames", ())).reshape(-1)]
        return tuple(dict.fromkeys([*(n for n in listed if n in found), *found]))

    @cached_property
    def count(self) -> int:
        """How many rows the table has."""
        if "id" in self.members:
            return int(np.prod(self.members["id"].shape, dtype=int))
        for name in self.names:
            index = self.members.get(f"{name}_index")
            array = self.members[name] if index is None else index
            if array.shape:
                return array.shape[0]
        return 0

    def _is_index(self, name: str) -> bool:
        """An index needs a column to point into: `electrode_index` alone is a column of its own."""
        return name.endswith("_index") and name.removesuffix("_index") in self.members

    def __contains__(self, name: str) -> bool:
        return name in self.names

    @cached_property
    def _flat(self) -> dict[str, ndarray | None]:
        """Flat columns that were read."""
        return {}

    @cached_property
    def _index(self) -> dict[str, Int[ndarray, " edge"]]:
        """Indices that were read."""
        return {}

    def is_ragged(self, name: str) -> bool:
        """Whether a row of the column holds a list."""
        return f"{name}_index" in self.members

    def is_flat(self, name: str) -> bool:
        """Whether the column has one plain value (no reference) for every row."""
        array = self.members.get(name)
        if array is None or self.is_ragged(name) or array.holds_references or array.dtype.names:
            return False
        return array.shape in ((self.count,), (self.count, 1))

    def is_region(self, name: str) -> bool:
        """Whether the column holds row numbers of another table."""
        array = self.members.get(name)
        return array is not None and kind_of(array) == "DynamicTableRegion"

    def flat(self, name: str) -> ndarray | None:
        """A flat column as numbers, booleans or strings; None when it is not flat. Read once."""
        if name not in self._flat:
            self._flat[name] = plain(self.members[name].read().reshape(-1)) if self.is_flat(name) else None
        return self._flat[name]

    def text(self, name: str) -> tuple[str, ...] | None:
        """A flat column of strings; None when it holds something else."""
        values = self.flat(name)
        return None if values is None or values.dtype.kind != "U" else tuple(values.tolist())

    def offsets(self, name: str) -> Int[ndarray, " edge"]:
        """Where every row of a ragged column begins and ends; refused when the index cannot be true."""
        total = self.members[name].shape[0] if self.members[name].shape else 0
        if name not in self._index:
            stored = self.members[f"{name}_index"].read()
            self._index[name] = np.concatenate([[0], unwrapped(stored, total)])
        ends = self._index[name][1:]
        check_offsets(ends, total, count=self.count, where=f"{self.path}/{name}_index")
        return self._index[name]

    def is_damaged(self, name: str) -> bool:
        """Whether the index of a ragged column cannot be true."""
        if not self.is_ragged(name):
            return False
        try:
            self.offsets(name)
        except RecordingError:
            return True
        return False

    @cached_property
    def _ids(self) -> tuple[int | float | str, ...]:
        if "id" not in self.members:
            return tuple(range(self.count))
        return tuple(plain_id(i) for i in plain(self.members["id"].read().reshape(-1)).tolist())

    def ids(self) -> tuple[int | float | str, ...]:
        """The ids as stored, whole floats as integers; row numbers when there are none."""
        return self._ids


def whole_numbers(values: ndarray) -> Int[ndarray, " value"]:
    """As int64; what is no number or not finite becomes -1."""
    if values.dtype.kind not in "biuf":
        return np.full(values.size, -1, np.int64)
    flat = values.reshape(-1)
    return np.where(np.isfinite(flat), flat, -1).astype(np.int64)


def unwrapped(stored: ndarray, total: int) -> Int[ndarray, " value"]:
    """An index as int64 (in a difference bytes would wrap); one that wrapped when it was written is mended.

    It did when its numbers are too small for the total, and, counted on, end at the total exactly.

    >>> unwrapped(np.array([100, 200, 44], "uint8"), 300).tolist()
    [100, 200, 300]
    """
    ends = whole_numbers(stored)
    size = 256**stored.dtype.itemsize
    if stored.dtype.kind not in "iu" or stored.dtype.itemsize > 2 or total < size // 2 or not len(ends):
        return ends
    low = ends % size  # signed bytes turn negative
    counted = low + size * np.concatenate([[0], np.cumsum(np.diff(low) < 0)])
    return counted if counted[-1] == total else ends


def check_offsets(ends: Int[ndarray, " row"], total: int, *, count: int, where: str) -> None:
    """Refuse an index that decreases, reaches past the end, or has another length than the table."""
    wrong = ""
    if len(ends) != count:
        wrong = f"has {len(ends)} entries for {count} rows"
    elif len(ends) and (ends[0] < 0 or np.any(np.diff(ends) < 0)):
        row = 0 if ends[0] < 0 else int(np.flatnonzero(np.diff(ends) < 0)[0]) + 1
        wrong = f"decreases at row {row}"
    elif len(ends) and ends[-1] > total:
        wrong = f"ends at {ends[-1]:,}, but there are only {total:,} values"
    if wrong:
        raise RecordingError(
            f"{where} {wrong}, so values cannot be told apart by row. The table was damaged when it was written; "
            "write the file again from its source.",
            kind="corrupt_spike_index",
        )


def as_flags(values: ndarray) -> ndarray:
    """Yes and no from booleans, numbers, or their spellings as text.

    >>> as_flags(np.array(["True", "0", "no"])).tolist()
    [True, False, False]
    """
    spelled = values.dtype.kind == "U"
    yes = ["true", "1", "1.0", "yes", "t"]
    flags = np.isin(np.char.lower(values), yes) if spelled else np.nan_to_num(values.astype(np.float64)) != 0
    return np.asarray(flags, bool)


def plain_id(value: int | float | str) -> int | float | str:
    """An id as JSON and keys want it.

    >>> plain_id(7.0), plain_id(7.5), plain_id(" a ")
    (7, 7.5, 'a')
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.strip() if isinstance(value, str) else value


def plain(values: ndarray) -> ndarray:
    """Numbers and booleans as they are; bytes, objects and strings as stripped unicode.

    >>> plain(np.array([b"good ", b"mua"])).tolist()
    ['good', 'mua']
    """
    if values.dtype.kind in "biufc":
        return values
    cells = values.tolist()
    if values.dtype.kind == "O" and cells and all(isinstance(c, bool | np.bool_) for c in cells):
        return np.array(cells, bool)
    if values.dtype.kind == "O" and cells and all(isinstance(c, int | float | np.number) for c in cells):
        return np.array(cells, np.float64)
    return np.array([_cell_text(c) for c in cells], dtype=np.str_) if cells else np.zeros(0, "U1")


def _cell_text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="replace").strip()
    return "" if cell is None else str(cell).strip()
