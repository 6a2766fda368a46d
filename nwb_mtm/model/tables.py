"""Tables with one row for every unit of the vocabulary."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


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
    entries: Float[Tensor, "batch bin this"], rows: Float[Tensor, "one this that"]
) -> Float[Tensor, "batch bin that"]:
    """Entries times every window's rows, or times the one set of rows that all windows share."""
    return entries @ (rows[0] if len(rows) == 1 else rows)
