"""Windows of one or several sessions, padded into tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray
from torch import Tensor

from nwb_mtm.passes import companions, mask_regions
from nwb_mtm.recording import Units
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

PADDING = -1
DEVICE_SHARE = 0.5  # of a GPU's free memory that counts may take
TENSORS = ("counts", "valid", "unit", "region", "session", "kin", "start")  # of a batch
NO_TIME = -(2**62)
CONTEXT = -1  # a unit that is never hidden as part of a region


@dataclass(frozen=True, eq=False)
class Batch:
    """Counts with the identity of every unit; shorter windows and smaller sessions are padded and not valid."""

    counts: Float[Tensor, "batch bin unit"]
    valid: Bool[Tensor, "batch bin unit"]
    unit: Int[Tensor, "batch unit"]  # row of the vocabulary, -1 for padding
    region: Int[Tensor, "batch unit"]  # mask region inside the session, -1 for context
    session: Int[Tensor, " batch"]
    kin: Bool[Tensor, "batch region unit"]  # units hidden together with each region
    start: Int[Tensor, " batch"]  # microseconds, for clocks may be far from 0; NO_TIME where it is not known
    complete: bool = False  # every entry is known to be valid, without asking the device
    alone: int = PADDING  # the session, when all windows are known to be of one; rows of units are then looked up once

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def rows(self) -> Int[Tensor, "one unit"]:
        """Rows of the vocabulary: once when all windows are of one session, else for every window."""
        return self.unit if self.alone == PADDING else self.unit[:1]

    @property
    def present(self) -> Bool[Tensor, "batch unit"]:
        """Units that are no padding."""
        return self.unit != PADDING

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch elsewhere."""
        return self._each(lambda tensor: tensor.to(device))

    def take(self, rows: Any) -> "Batch":
        """Some of the windows."""
        return self._each(lambda tensor: tensor[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        changed: dict[str, Any] = {name: change(getattr(self, name)) for name in TENSORS}
        return replace(self, **changed)

    def timeless(self) -> "Batch":
        """The same windows without their time."""
        return replace(self, start=torch.full_like(self.start, NO_TIME))

    def with_counts(self, counts: Float[Tensor, "batch bin unit"]) -> "Batch":
        """The same windows with other counts."""
        return replace(self, counts=counts)


@dataclass(frozen=True, eq=False)
class Roster:
    """What a batch needs to know about a session's units, looked up once."""

    session: int
    unit: Int[ndarray, " unit"]
    region: Int[ndarray, " unit"]
    kin: Bool[ndarray, "region unit"]
    names: tuple[str, ...]

    @classmethod
    def of(cls, units: Units, session: str, vocabulary: Vocabulary, *, strict: bool = True) -> "Roster":
        """Rows, mask regions and their kin for one session."""
        names = mask_regions(units)
        index = {name: i for i, name in enumerate(names)}
        region = np.array([index.get(r, CONTEXT) for r in units.regions], np.int64).reshape(-1)
        kin = np.stack([region == i for i in range(len(names))]) if names else np.zeros((0, len(units)), bool)
        for i, name in enumerate(names if strict else ()):
            for rows in companions(units, name).values():
                kin[i, rows] = True
        rows = vocabulary.unit_rows(session, units.keys)
        return cls(vocabulary.session_row(session), rows, region, kin, names)


def make_batch(
    windows: Sequence[Windows],
    vocabulary: Vocabulary,
    index: Sequence[tuple[int, int]] | None = None,
    *,
    strict: bool = True,
) -> Batch:
    """A batch of windows; `index` lists (which of `windows`, which window in it), all of them when None."""
    rosters = [Roster.of(one.units, one.session, vocabulary, strict=strict) for one in windows]
    chosen = [(i, j) for i, one in enumerate(windows) for j in range(len(one))] if index is None else index
    return collate(windows, rosters, chosen)


def collate(windows: Sequence[Windows], rosters: Sequence[Roster], index: Sequence[tuple[int, int]]) -> Batch:
    """A batch of the windows named by (session, window), in that order."""
    shelf = Shelf(windows, rosters)
    runs = [(i, [row for _, row in some]) for i, some in groupby(index, key=itemgetter(0))]
    return join([shelf.batch(i, torch.tensor(rows)) for i, rows in runs] or [_nothing()])


def _nothing() -> Batch:
    none = torch.zeros(0, dtype=torch.long)
    entries, flags = torch.zeros(0, 0, 0), torch.zeros(0, 0, 0, dtype=torch.bool)
    return Batch(entries, flags, none.view(0, 0), none.view(0, 0), none, flags, none)


class Shelf:
    """Every session's counts as they are stored, where batches are put together: on a GPU where they fit there."""

    def __init__(
        self, windows: Sequence[Windows], rosters: Sequence[Roster], device: torch.device | None = None
    ) -> None:
        self.windows, self.rosters, self.device = windows, rosters, device or torch.device("cpu")
        self.moved: dict[int, Tensor] = {}
        self.fixed: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        size = sum(one.counts.nbytes for one in windows)
        self.moves = self.device.type == "cuda" and size < DEVICE_SHARE * torch.cuda.mem_get_info(self.device)[0]

    def batch(self, session: int, rows: Int[Tensor, " window"]) -> Batch:
        """Some windows of one session; nothing waits for the device."""
        one = self.windows[session]
        if session not in self.fixed:
            roster = self.rosters[session]
            self.fixed[session] = (self._put(roster.unit), self._put(roster.region), self._put(roster.kin))
        unit, region, kin = self.fixed[session]
        counts, count = self._counts(session, rows), len(rows)
        if one.observed is None:
            valid = torch.ones((), dtype=torch.bool, device=self.device).expand(counts.shape)
        else:
            valid = self._put(one.observed[rows.numpy()])
            counts = torch.where(valid, counts, 0.0)
        number = self.rosters[session].session
        return Batch(
            counts=counts,
            valid=valid,
            unit=unit.expand(count, -1),
            region=region.expand(count, -1),
            session=torch.full((count,), number, device=self.device),
            kin=kin.expand(count, -1, -1),
            start=self._put(np.round(one.start[rows.numpy()] * 1e6).astype(np.int64)),
            complete=one.observed is None,
            alone=number,
        )

    def _counts(self, session: int, rows: Int[Tensor, " window"]) -> Float[Tensor, "window bin unit"]:
        counts = self.windows[session].counts
        if not self.moves:
            return self._put(counts[rows.numpy()]).float()
        if session not in self.moved:
            small = counts.astype(np.int32) if counts.dtype.itemsize > 1 else counts  # torch lacks most of uint16
            self.moved[session] = torch.tensor(small, device=self.device)
        return self.moved[session].index_select(0, rows.to(self.device, non_blocking=True)).float()

    def _put(self, array: Shaped[ndarray, "*shape"]) -> Shaped[Tensor, "*shape"]:
        """On the device; from pinned memory, so that nothing waits."""
        tensor = torch.from_numpy(np.array(array, np.int32 if array.dtype == np.uint16 else array.dtype))
        if self.device.type == "cpu":
            return tensor
        return (tensor.pin_memory() if self.device.type == "cuda" else tensor).to(self.device, non_blocking=True)


def join(batches: Sequence[Batch]) -> Batch:
    """One batch of all windows; shorter windows and smaller sessions are padded."""
    bins, units = (max(one.counts.shape[axis] for one in batches) for axis in (1, 2))
    regions = max(one.kin.shape[1] for one in batches)
    alike = all(one.counts.shape[1:] == (bins, units) for one in batches)
    numbers = {one.alone for one in batches}
    tensors: dict[str, Any] = {
        "counts": torch.cat([pad(one.counts, bins, units) for one in batches]),
        "valid": torch.cat([pad(one.valid, bins, units) for one in batches]),
        "unit": torch.cat([pad(one.unit, units, value=PADDING) for one in batches]),
        "region": torch.cat([pad(one.region, units, value=CONTEXT) for one in batches]),
        "session": torch.cat([one.session for one in batches]),
        "kin": torch.cat([pad(one.kin, regions, units) for one in batches]),
        "start": torch.cat([one.start for one in batches]),
    }
    alone = numbers.pop() if len(numbers) == 1 and alike else PADDING
    return Batch(**tensors, complete=alike and all(one.complete for one in batches), alone=alone)


def pad(tensor: Shaped[Tensor, "batch ..."], *sizes: int, value: int = 0) -> Shaped[Tensor, "batch ..."]:
    """The tensor with its last axes as long as these."""
    ends = [end for size, have in zip(sizes[::-1], tensor.shape[::-1]) for end in (0, size - have)]
    return torch.nn.functional.pad(tensor, ends, value=value) if any(ends) else tensor
