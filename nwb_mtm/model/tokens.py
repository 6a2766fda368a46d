"""Tokenizers and their read-outs: one token a bin, or one a patch of units in a bin."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from nwb_mtm.batch import Batch
from nwb_mtm.masks import Mask
from nwb_mtm.model.blocks import Dropout
from nwb_mtm.model.tables import Targets, UnitTable, look_up, mix, wanted

SMOOTHING = 1.0  # bins: the blocks look further, a wider one blurs what they see
LONGEST_WINDOW = 1024  # bins that learned positions can name


@runtime_checkable
class Tokenizer(Protocol):
    """Turns seen counts into tokens, and tokens into a change of every log rate."""

    def read_in(self, batch: Batch, mask: Mask) -> Float[Tensor, "batch token width"]:
        """Tokens in order of bins."""

    def read_out(
        self, tokens: Float[Tensor, "batch token width"], batch: Batch, targets: Targets = None
    ) -> Float[Tensor, "batch bin target"]:
        """A change of every log rate, or of the targets' alone."""

    def per_bin(self, batch: Batch) -> int:
        """Tokens in every bin."""

    def present(self, batch: Batch) -> Bool[Tensor, "batch token"]:
        """Tokens that hold anything observed."""


class StitchedBins(nn.Module):
    """One token a bin; every unit has its own row to read in and out, so sessions of any size share a trunk."""

    def __init__(self, rows: int, width: int, hidden: tuple[int, ...] = ()) -> None:
        super().__init__()
        first = hidden[0] if hidden else width
        self.reader = UnitTable(rows, first, scale=first**-0.5)
        sizes = (*hidden, width)
        self.deepen = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.writer = UnitTable(rows, width, scale=0.1 * width**-0.5)

    def read_in(self, batch: Batch, mask: Mask) -> Float[Tensor, "batch token width"]:
        """A sum over the seen units' rows."""
        return self.summed(seen_counts(batch, mask), self.reader(batch.rows))

    def summed(
        self, seen: Float[Tensor, "batch bin unit"], rows: Float[Tensor, "group unit width"]
    ) -> Float[Tensor, "batch bin token"]:
        """Each bin's token, from what is seen in it."""
        tokens: Tensor = nn.functional.softsign(mix(seen, rows))
        for layer in self.deepen:
            tokens = nn.functional.softsign(layer(tokens))
        return tokens

    def read_out(
        self, tokens: Float[Tensor, "batch token width"], batch: Batch, targets: Targets = None
    ) -> Float[Tensor, "batch bin target"]:
        """Every unit's own view of the bin's token."""
        return mix(tokens, self.writer(wanted(batch, targets)).mT)

    def per_bin(self, batch: Batch) -> int:
        """One."""
        return 1

    def present(self, batch: Batch) -> Bool[Tensor, "batch token"]:
        """Bins in which any unit was observed."""
        return batch.valid.any(2)


class SmoothBins(nn.Module):
    """One token a bin, from counts about each unit's mean, in its own deviations, smoothed along the window."""

    rate: Tensor
    deviation: Tensor

    def __init__(self, rows: int, width: int, units: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("rate", torch.full((rows, 1), 0.1))
        self.register_buffer("deviation", torch.ones(rows, 1))
        self.reader = UnitTable(rows, width, scale=2.0 * units**-0.5)
        self.writer = UnitTable(rows, width, scale=0.02)
        self.mix, self.drop = nn.Linear(width, width), Dropout(dropout)

    def read_in(self, batch: Batch, mask: Mask) -> Float[Tensor, "batch token width"]:
        """A sum over the seen units' rows, larger where fewer are seen; in a causal pass of earlier bins alone."""
        visible = mask.visible(batch)
        rate, deviation = (look_up(rows, batch.rows)[..., 0][:, None] for rows in (self.rate, self.deviation))
        scaled = torch.where(visible, (batch.counts - rate) / deviation.clamp_min(1e-3), 0.0)
        most = visible.sum(2).amax(1).clamp_min(1)
        boost = (batch.present.sum(1) / most).sqrt()[:, None, None]
        around = weights_around(batch.valid.any(2), causal=mask.causal)
        tokens: Tensor = around @ mix(scaled, self.reader(batch.rows)) * boost
        return tokens

    def read_out(
        self, tokens: Float[Tensor, "batch token width"], batch: Batch, targets: Targets = None
    ) -> Float[Tensor, "batch bin target"]:
        """Every unit's own view of the bin's token."""
        mixed: Tensor = self.drop(nn.functional.gelu(self.mix(tokens)))
        return mix(mixed, self.writer(wanted(batch, targets)).mT)

    def per_bin(self, batch: Batch) -> int:
        """One."""
        return 1

    def present(self, batch: Batch) -> Bool[Tensor, "batch token"]:
        """Bins in which any unit was observed."""
        return batch.valid.any(2)


def weights_around(observed: Bool[Tensor, "batch bin"], *, causal: bool) -> Float[Tensor, "batch bin bin"]:
    """How much of every bin's surroundings its token holds: a Gaussian, or a decay over earlier bins."""
    bins = torch.arange(observed.shape[1], device=observed.device)
    later = (bins[:, None] - bins[None, :]).float()
    around = torch.exp(-0.5 * (later / SMOOTHING) ** 2)
    before = torch.where(later > 0, torch.exp(-later.clamp_min(0) / (2 * SMOOTHING)), 0.0)
    weights = (before if causal else around) * observed[:, None]
    return weights / weights.sum(2, keepdim=True).clamp_min(1e-6)


def seen_counts(batch: Batch, mask: Mask) -> Float[Tensor, "batch bin unit"]:
    """Counts, and zeros for what is hidden or was not observed."""
    return torch.where(mask.visible(batch), batch.counts, 0.0)


class UnitPatches(nn.Module):
    """One token for every run of units (in the vocabulary's order) and bin; no unit has a row of its own."""

    def __init__(self, width: int, patch: int, most: int) -> None:
        super().__init__()
        self.patch = patch
        self.reader, self.writer = nn.Linear(patch, width), nn.Linear(width, patch)
        self.which = nn.Parameter(torch.randn(most, width) * 0.02)

    def read_in(self, batch: Batch, mask: Mask) -> Float[Tensor, "batch token width"]:
        """Patches of units, all of one bin after the other."""
        count = self.per_bin(batch)
        tokens: Tensor = self.reader(self._patches(seen_counts(batch, mask), batch)) + self.which[:count]
        return tokens.flatten(1, 2)

    def read_out(
        self, tokens: Float[Tensor, "batch token width"], batch: Batch, targets: Targets = None
    ) -> Float[Tensor, "batch bin target"]:
        """Each patch's units, back in the batch's order."""
        rows, bins, units = batch.counts.shape
        ordered: Tensor = self.writer(tokens).view(rows, bins, -1)[:, :, :units]
        back = torch.argsort(_order(batch), dim=1)
        found = ordered.gather(2, back[:, None].expand(rows, bins, units))
        if targets is None:
            return found
        places = targets.repeat_interleave(rows // len(targets), 0)
        return found.gather(2, places[:, None].expand(-1, bins, -1))

    def per_bin(self, batch: Batch) -> int:
        """Patches that hold all units."""
        return -(-batch.counts.shape[2] // self.patch)

    def present(self, batch: Batch) -> Bool[Tensor, "batch token"]:
        """Patches in which any unit was observed."""
        return self._patches(batch.valid, batch).any(3).flatten(1)

    def _patches(
        self, entries: Shaped[Tensor, "batch bin unit"], batch: Batch
    ) -> Shaped[Tensor, "batch bin patch inside"]:
        """Entries in the vocabulary's order, cut into patches."""
        rows, bins, units = entries.shape
        ordered = entries.gather(2, _order(batch)[:, None].expand_as(entries))
        count = self.per_bin(batch)
        return nn.functional.pad(ordered, (0, count * self.patch - units)).view(rows, bins, count, self.patch)


def _order(batch: Batch) -> Int[Tensor, "batch unit"]:
    """Units in the vocabulary's order, padding last."""
    last = torch.iinfo(batch.unit.dtype).max
    return torch.argsort(batch.unit.masked_fill(~batch.present, last), dim=1)
