"""Windows of one or several sessions, padded into tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from nwb_mtm.passes import companions, mask_regions
from nwb_mtm.recording import Units
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

PADDING = -1
TENSORS = ("counts", "valid", "unit", "region", "session", "kin")  # of a batch
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
    """A batch of the windows named by (session, window)."""
    used = sorted({i for i, _ in index})
    bins = max((windows[i].bins for i in used), default=0)
    units = max((len(windows[i].units) for i in used), default=0)
    regions = max((len(rosters[i].names) for i in used), default=0)
    batch = len(index)
    counts = np.zeros((batch, bins, units), np.float32)
    valid = np.zeros((batch, bins, units), bool)
    unit = np.full((batch, units), PADDING, np.int64)
    region = np.full((batch, units), CONTEXT, np.int64)
    kin = np.zeros((batch, regions, units), bool)
    session = np.array([rosters[i].session for i, _ in index], np.int64).reshape(-1)
    where = np.array([i for i, _ in index]).reshape(-1)
    for i in used:
        rows = np.flatnonzero(where == i)
        own = np.array([index[int(row)][1] for row in rows])
        one, roster = windows[i], rosters[i]
        inside = np.arange(len(one.units))
        shape = np.ix_(rows, np.arange(one.bins), inside)
        seen = True if one.observed is None else one.observed[own]
        valid[shape] = seen
        counts[shape] = np.where(seen, one.counts[own], 0)
        unit[np.ix_(rows, inside)] = roster.unit
        region[np.ix_(rows, inside)] = roster.region
        kin[np.ix_(rows, np.arange(len(roster.names)), inside)] = roster.kin
    arrays = (counts, valid, unit, region, session, kin)
    tensors: dict[str, Any] = {name: torch.from_numpy(array) for name, array in zip(TENSORS, arrays)}
    alone = rosters[used[0]].session if len(used) == 1 else PADDING
    return Batch(**tensors, complete=bool(valid.all()), alone=alone)


def join(batches: Sequence[Batch]) -> Batch:
    """One batch of all windows; sizes must agree."""
    complete = all(one.complete for one in batches)
    sessions = {one.alone for one in batches}
    alone = sessions.pop() if len(sessions) == 1 else PADDING
    tensors: dict[str, Any] = {name: torch.cat([getattr(one, name) for one in batches]) for name in TENSORS}
    return replace(batches[0], **tensors, complete=complete, alone=alone)
