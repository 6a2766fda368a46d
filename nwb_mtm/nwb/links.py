"""How units point to electrodes and groups: rows, ids, channels and names, each kept apart."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from nwb_mtm.nwb.columns import Table, whole_numbers
from nwb_mtm.nwb.electrodes import Electrodes
from nwb_mtm.recording import UNKNOWN

Rows = dict[int, int]  # unit row -> electrode row
PEAKS = ("max_electrode", "peak_electrode", "extremum_electrode", "best_electrode")


@dataclass(frozen=True, eq=False)
class Links:
    """Every way from a unit to an electrode or a group that this file offers."""

    table: Table
    electrodes: Electrodes
    probe_columns: Sequence[str]

    def _valid(self, rows: Mapping[int, int]) -> Rows:
        return {unit: row for unit, row in rows.items() if 0 <= row < len(self.electrodes)}

    @cached_property
    def peak_electrode(self) -> Rows:
        """A column of row numbers that names the peak electrode."""
        for name in PEAKS:
            rows = _whole(self.table.flat(name))
            if rows is None and name in self.table and self.table.is_ragged(name) and not self.table.is_damaged(name):
                rows = _first_of(*self._ragged(name))
            if rows is not None:
                return self._valid(rows if self.table.is_region(name) else self._by_id_or_row(rows))
        return {}

    def _by_id_or_row(self, values: Rows) -> Rows:
        by_id = self._id_rows
        if by_id and all(value in by_id for value in values.values()):
            return {unit: by_id[value] for unit, value in values.items()}
        return values

    @cached_property
    def _id_rows(self) -> dict[object, int]:
        """Electrode id -> row; empty when an id occurs twice, for then it names nothing."""
        ids = self.electrodes.ids
        return {i: row for row, i in enumerate(ids)} if len(set(ids)) == len(ids) else {}

    def _ragged(self, name: str) -> tuple[Int[ndarray, " value"], Int[ndarray, " edge"]]:
        return whole_numbers(self.table.members[name].read()), self.table.offsets(name)

    @cached_property
    def lists(self) -> tuple[Int[ndarray, " value"], Int[ndarray, " edge"]]:
        """The electrodes of every unit, by row; a column without an index holds one for each unit."""
        table, none = self.table, (np.zeros(0, np.int64), np.zeros(self.table.count + 1, np.int64))
        array = table.members.get("electrodes")
        if array is None or array.dtype.kind not in "iuf" or table.is_damaged("electrodes"):
            return none
        if table.is_ragged("electrodes"):
            return self._ragged("electrodes")
        values = array.read()
        if values.ndim == 0 or values.shape[0] != table.count:
            return none
        each = int(np.prod(values.shape[1:], dtype=int))
        return whole_numbers(values), np.arange(table.count + 1) * each

    @cached_property
    def _many(self) -> dict[int, tuple[int, ...]]:
        rows, offsets = self.lists
        usable = (rows >= 0) & (rows < len(self.electrodes))
        out = {}
        for unit in np.flatnonzero(np.diff(offsets)).tolist():
            part = slice(offsets[unit], offsets[unit + 1])
            out[unit] = tuple(rows[part][usable[part]].tolist())
        return {unit: listed for unit, listed in out.items() if listed}

    @cached_property
    def single(self) -> Rows:
        """Units that list one electrode."""
        return {unit: rows[0] for unit, rows in self._many.items() if len(rows) == 1}

    @cached_property
    def peak_channel_id(self) -> Rows:
        """`peak_channel_id` is an electrode's id, never its row."""
        values = _whole(self.table.flat("peak_channel_id")) or {}
        return {unit: self._id_rows[value] for unit, value in values.items() if value in self._id_rows}

    @cached_property
    def peak_channel(self) -> Rows:
        """`peak_channel` counts from 0 or from 1; the first electrode listed, or the range, tells which."""
        values = _whole(self.table.flat("peak_channel")) or _whole(self.table.flat("peak_channel_index")) or {}
        if not values or not len(self.electrodes):
            return {}
        first = {unit: rows[0] for unit, rows in self._many.items() if unit in values}
        if first:
            base = next((b for b in (1, 0) if all(values[u] - b == first[u] for u in first)), None)
            if base is None:
                base = next((b for b in (0, 1) if all(values[u] - b in self._many[u] for u in first)), None)
            return {} if base is None else self._valid({u: v - base for u, v in values.items()})
        if max(values.values()) == len(self.electrodes) and min(values.values()) >= 1:
            return self._valid({unit: value - 1 for unit, value in values.items()})
        return self._valid(values) if max(values.values()) < len(self.electrodes) else {}

    @cached_property
    def majority(self) -> Rows:
        """For units that list several electrodes: one in the region that most of them are in."""
        ties = self._waveform_peaks
        out: Rows = {}
        for unit, rows in self._many.items():
            labels = [self.electrodes.regions[row] for row in rows]
            known = [label for label in labels if label != UNKNOWN]
            if not known:
                out[unit] = rows[0]
                continue
            most = max(known.count(label) for label in known)
            best = {label for label in known if known.count(label) == most}
            among = [i for i, label in enumerate(labels) if label in best]
            loudest = ties.get(unit)
            size = loudest if loudest is not None and len(loudest) == len(rows) else None
            out[unit] = rows[among[0] if size is None else max(among, key=lambda i: (size[i], -i))]
        return out

    @cached_property
    def ambiguous(self) -> tuple[int, ...]:
        """Units without a peak electrode whose electrodes lie in several regions."""
        told = {**self.peak_electrode, **self.peak_channel_id, **self.peak_channel}
        labels = {u: {self.electrodes.regions[r] for r in rows} - {UNKNOWN} for u, rows in self._many.items()}
        return tuple(unit for unit, found in labels.items() if len(found) > 1 and unit not in told)

    def ambiguity(self) -> str:
        """One sentence about them."""
        return (
            f"{len(self.ambiguous)} units list electrodes in several regions and no peak electrode; "
            "the region of most electrodes was taken."
        )

    @cached_property
    def _waveform_peaks(self) -> dict[int, tuple[float, ...]]:
        """Peak-to-trough of the mean waveform on every listed electrode, read only where a tie needs it."""
        array = self.table.members.get("waveform_mean")
        if array is None or len(array.shape) != 3 or not self.ambiguous:
            return {}
        waves = array.read()
        if waves.shape[0] != self.table.count:
            return {}
        sizes = np.ptp(np.nan_to_num(waves.astype(np.float64)), axis=1)
        return {unit: tuple(sizes[unit].tolist()) for unit in self.ambiguous}

    @cached_property
    def best_rows(self) -> Int[ndarray, " unit"]:
        """One electrode for every unit: the peak, or one in the region of most; -1 without a link."""
        out = np.full(self.table.count, -1, np.int64)
        for rows in (self.majority, self.peak_channel, self.peak_channel_id, self.single, self.peak_electrode):
            for unit, row in rows.items():
                out[unit] = row
        return out

    @cached_property
    def electrode_groups(self) -> dict[int, str]:
        """The group of each unit's electrode."""
        return {
            unit: self.electrodes.groups[row]
            for unit, row in enumerate(self.best_rows.tolist())
            if row >= 0 and self.electrodes.groups[row] != UNKNOWN
        }

    @cached_property
    def named_groups(self) -> dict[int, str]:
        """The group that a unit names in `electrode_group`, by reference or by name."""
        array = self.table.members.get("electrode_group")
        if array is None:
            return {}
        names = array.targets() if array.holds_references else self.table.text("electrode_group")
        return {unit: name for unit, name in enumerate(names or ()) if name}

    @cached_property
    def probe_values(self) -> dict[int, str]:
        """What the first column of probes or shanks says, as text."""
        for name in self.probe_columns:
            values = self.table.flat(name)
            if values is not None:
                texts = [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in values.tolist()]
                return {unit: text for unit, text in enumerate(texts) if text and text != "nan"}
        return {}

    @cached_property
    def probe_groups(self) -> dict[int, str]:
        """Those values matched to groups: by name, else by number, minding shanks counted from 0."""
        groups = tuple(dict.fromkeys([*self.electrodes.group_labels, *self.electrodes.groups]))
        named = {group.casefold(): group for group in groups}
        values = self.probe_values
        if values and all(value.casefold() in named for value in values.values()):
            return {unit: named[value.casefold()] for unit, value in values.items()}
        numbered = _by_number(groups)
        wanted = {unit: _number(value) for unit, value in values.items()}
        found = {number for number in wanted.values() if number is not None}
        if not found or not numbered:
            return {}
        shift = 1 if min(found) == 0 and 0 not in numbered and min(numbered) == 1 else 0
        return {u: numbered[n + shift] for u, n in wanted.items() if n is not None and n + shift in numbered}


def _whole(values: ndarray | None) -> Rows | None:
    """Whole numbers by unit; what is missing or negative is left out."""
    if values is None or values.dtype.kind not in "iuf":
        return None
    return {unit: int(v) for unit, v in enumerate(values.tolist()) if v == v and v >= 0 and float(v).is_integer()}


def _first_of(values: Int[ndarray, " value"], offsets: Int[ndarray, " edge"]) -> Rows:
    return {unit: int(values[offsets[unit]]) for unit in np.flatnonzero(np.diff(offsets)).tolist()}


def _number(name: str) -> int | None:
    """The number at the end of a name."""
    found = re.search(r"(\d+)\D*$", name)
    return int(found.group(1)) if found else None


def _by_number(groups: Sequence[str]) -> dict[int, str]:
    """Groups by the number in their name; empty when two have the same."""
    numbers = [_number(group) for group in groups]
    known = [(n, g) for n, g in zip(numbers, groups) if n is not None]
    return dict(known) if len({n for n, _ in known}) == len(known) else {}
