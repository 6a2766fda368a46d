"""Tokenizers and their read-outs: one token a bin, or one a patch of units in a bin."""

from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nwb_mtm.batch import Batch
from nwb_mtm.model.tables import UnitTable

LONGEST_WINDOW = 1024  # bins that learned positions can name


class Tokenizer(Protocol):
    """Turns seen counts into tokens, and tokens into a change of every log rate."""

    def read_in(self, seen: Float[Tensor, "batch bin unit"], batch: Batch) -> Float[Tensor, "batch token width"]:
        """Tokens in order of bins."""

    def read_out(self, tokens: Float[Tensor, "batch token width"], batch: Batch) -> Float[Tensor, "batch bin unit"]:
        """A change of every log rate."""

    def per_bin(self, batch: Batch) -> int:
        """Tokens in every bin."""


class StitchedBins(nn.Module):
    """One token a bin; every unit has its own row to read in and out, so sessions of any size share a trunk."""

    def __init__(self, rows: int, width: int, hidden: tuple[int, ...] = ()) -> None:
        super().__init__()
        first = hidden[0] if hidden else width
        self.reader = UnitTable(rows, first, scale=first**-0.5)
        sizes = (*hidden, width)
        self.deepen = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.writer = UnitTable(rows, width, scale=0.1 * width**-0.5)

    def read_in(self, seen: Float[Tensor, "batch bin unit"], batch: Batch) -> Float[Tensor, "batch token width"]:
        """A sum over the seen units' rows."""
        tokens = nn.functional.softsign(seen @ self.reader(batch.unit))
        for layer in self.deepen:
            tokens = nn.functional.softsign(layer(tokens))
        return tokens

    def read_out(self, tokens: Float[Tensor, "batch token width"], batch: Batch) -> Float[Tensor, "batch bin unit"]:
        """Every unit's own view of the bin's token."""
        return tokens @ self.writer(batch.unit).mT

    def per_bin(self, batch: Batch) -> int:
        """One."""
        return 1


class UnitPatches(nn.Module):
    """One token for every run of units (in the vocabulary's order) and bin; no unit has a row of its own."""

    def __init__(self, width: int, patch: int, most: int) -> None:
        super().__init__()
        self.patch = patch
        self.reader, self.writer = nn.Linear(patch, width), nn.Linear(width, patch)
        self.which = nn.Parameter(torch.randn(most, width) * 0.02)

    def read_in(self, seen: Float[Tensor, "batch bin unit"], batch: Batch) -> Float[Tensor, "batch token width"]:
        """Patches of units, all of one bin after the other."""
        rows, bins, _ = seen.shape
        count = self.per_bin(batch)
        ordered = seen.gather(2, _order(batch)[:, None].expand_as(seen))
        padded = nn.functional.pad(ordered, (0, count * self.patch - seen.shape[2]))
        tokens = self.reader(padded.view(rows, bins, count, self.patch)) + self.which[:count]
        return tokens.flatten(1, 2)

    def read_out(self, tokens: Float[Tensor, "batch token width"], batch: Batch) -> Float[Tensor, "batch bin unit"]:
        """Each patch's units, back in the batch's order."""
        rows, bins, units = batch.counts.shape
        ordered = self.writer(tokens).view(rows, bins, -1)[:, :, :units]
        back = torch.argsort(_order(batch), dim=1)
        return ordered.gather(2, back[:, None].expand(rows, bins, units))

    def per_bin(self, batch: Batch) -> int:
        """Patches that hold all units."""
        return -(-batch.counts.shape[2] // self.patch)


def _order(batch: Batch) -> Int[Tensor, "batch unit"]:
    """Units in the vocabulary's order, padding last."""
    last = torch.iinfo(batch.unit.dtype).max
    return torch.argsort(batch.unit.masked_fill(~batch.present, last), dim=1)
