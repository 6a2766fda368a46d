"""Tables with one row for every unit of the vocabulary."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nwb_mtm.batch import Batch

Targets = Int[Tensor, "group target"] | None  # units that are asked for, for every run of windows; all when None


class UnitTable(nn.Module):
    """A learned vector for every unit; padding reads as zeros."""

    def __init__(self, rows: int, width: int, scale: float = 0.0) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(rows, width) * scale)

    def forward(self, unit: Int[Tensor, "batch unit"]) -> Float[Tensor, "batch unit width"]:
        """The rows of the named units."""
        return look_up(self.rows, unit)


def look_up(rows: Float[Tensor, "row width"], unit: Int[Tensor, "batch unit"]) -> Float[Tensor, "batch unit width"]:
    """Rows by number; zeros where the number is negative."""
    found = rows[unit.clamp_min(0)]
    return torch.where((unit >= 0)[..., None], found, 0.0)


def mix(
    entries: Float[Tensor, "batch bin this"], rows: Float[Tensor, "group this that"]
) -> Float[Tensor, "batch bin that"]:
    """Entries times rows: each window's own, or those that every run of windows shares.

    >>> mix(torch.ones(4, 1, 1), torch.tensor([[[2.0]], [[3.0]]])).flatten().tolist()
    [2.0, 2.0, 3.0, 3.0]
    """
    if len(rows) == 1:
        return entries @ rows[0]
    batch, bins, width = entries.shape
    return (entries.reshape(len(rows), -1, width) @ rows).view(batch, bins, rows.shape[2])


def wanted(batch: Batch, targets: Targets) -> Int[Tensor, "group target"]:
    """Rows of the vocabulary that are read out."""
    if targets is None:
        return batch.rows
    return batch.unit[:: len(batch) // len(targets)].gather(1, targets)
