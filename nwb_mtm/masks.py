"""What is hidden and what is scored: the schemes of multi-task masking (arXiv 2407.14668, section 3.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nwb_mtm.batch import Batch, pad
from nwb_mtm.config import SchemeConfig

SCHEMES = ("neuron", "causal", "inter-region", "intra-region", "temporal", "random-token", "region-subset")
REGION_SCHEMES = ("inter-region", "intra-region", "region-subset")


@dataclass(frozen=True, eq=False)
class Lone:
    """That each window of a batch hides one unit, in all bins, and which of the windows are the same but for that."""

    units: Int[Tensor, " batch"]
    window: Int[Tensor, " batch"]  # among those that differ
    first: Int[Tensor, " window"]  # where each of them is in the batch


@dataclass(frozen=True, eq=False)
class Mask:
    """Entries that the network does not see, and those of them that are scored."""

    hidden: Bool[Tensor, "batch bin unit"]
    scored: Bool[Tensor, "batch bin unit"]
    scheme: str
    causal: bool = False
    prompt: Int[Tensor, " batch"] | None = None  # a scheme for every window, where they differ
    runs: int = 0  # runs of equal length whose windows hide the same, where that is known
    lone: Lone | None = None  # where nothing else is hidden, and that is known

    def take(self, rows: Any) -> "Mask":
        """The mask of some of the windows."""
        return Mask(self.hidden[rows], self.scored[rows], self.scheme, self.causal, self.prompts[rows])

    def to(self, device: torch.device | str) -> "Mask":
        """The same mask elsewhere."""
        hidden, scored = self.hidden.to(device), self.scored.to(device)
        return Mask(hidden, scored, self.scheme, self.causal, self.prompts.to(device), self.runs)

    def visible(self, batch: Batch) -> Bool[Tensor, "batch bin unit"]:
        """Entries that were observed and are not hidden."""
        return batch.valid & ~self.hidden

    @property
    def prompts(self) -> Int[Tensor, " batch"]:
        """Every window's scheme, as a row of SCHEMES."""
        if self.prompt is not None:
            return self.prompt
        return torch.full((len(self.hidden),), SCHEMES.index(self.scheme), device=self.hidden.device)


def join(masks: Sequence[Mask]) -> Mask:
    """One mask for the windows of all, padded; all look at the past only, or none does."""
    bins, units = (max(mask.hidden.shape[axis] for mask in masks) for axis in (1, 2))
    hidden, scored = (torch.cat([pad(getattr(m, name), bins, units) for m in masks]) for name in ("hidden", "scored"))
    alike = all(mask.runs == 1 and len(mask.hidden) == len(masks[0].hidden) for mask in masks)
    prompts = torch.cat([mask.prompts for mask in masks])
    return Mask(hidden, scored, masks[0].scheme, masks[0].causal, prompts, len(masks) if alike else 0)


@runtime_checkable
class MaskScheme(Protocol):
    """A way to draw masks."""

    @property
    def name(self) -> str:
        """The scheme's published name."""

    def draw(self, batch: Batch, rng: torch.Generator) -> Mask:
        """A mask for every window of the batch."""


@dataclass(frozen=True)
class NeuronMask:
    """Hide whole units; predict them from the others."""

    ratio: tuple[float, float] = (0.0, 0.3)
    name: str = "neuron"

    def draw(self, batch: Batch, rng: torch.Generator) -> Mask:
        """A share of units between the two ratios, one at least."""
        hidden = _some(batch.present, self.ratio, rng)
        return _mask(batch, hidden, hidden, self.name)


@dataclass(frozen=True)
class CausalMask:
    """Hide stretches of bins of all units; predict them from what came before."""

    ratio: float = 0.1
    name: str = "causal"

    def draw(self, batch: Batch, rng: torch.Generator) -> Mask:
        """The window's end, or stretches of the same length with twice as much seen between them."""
        rows, bins = batch.counts.shape[:2]
        length = max(1, round(self.ratio * bins))
        phase = torch.randint(3 * length, (rows, 1), generator=rng)
        stretches = (torch.arange(bins) + phase) % (3 * length) >= 2 * length
        stretches &= torch.arange(bins) > 0
        end = (torch.arange(bins) >= bins - length).expand(rows, -1)
        ends = (torch.rand((rows, 1), generator=rng) < 0.5) | ~stretches.any(1, keepdim=True)
        hidden = torch.where(ends, end, stretches)
        return _bins_mask(batch, hidden, self.name, causal=True)


@dataclass(frozen=True)
class ScatteredCausalMask:
    """Hide single bins of all units, looking at the past only, as published."""

    ratio: float = 0.6
    name: str = "causal"

    def draw(self, batch: Batch, rng: torch.Generator) -> Mask:
        """Each bin is hidden on its own."""
        return _bins_mask(batch, _any_bins(batch, self.ratio, rng), self.name, causal=True)


@dataclass(frozen=True)
class TemporalMask:
    """Hide single bins of all units; predict them from both sides."""

    ratio: float = 0.3
    name: str = "temporal"

    def draw(self, batch: Batch, rng: torch.Generator) -> Mask:
        """Each bin is hidden on its own."""
        return _bins_mask(batch, _any_bins(batch, self.ratio, rng), self.name, causal=False)


@dataclass(frozen=True)
class RandomTokenMask:
    """Hide patches of neighbouring units in single bins."""

    ratio: float = 0.3
    patch: int = 128
    name: str = "random-token"

    def draw(self, batch: Batch, rng: torch.Generator) -> Mask:
        """Each patch is hidden on its own."""
        rows, bins, units = batch.counts.shape
        patches = -(-units // self.patch)
        hidden = torch.rand((rows, bins, patches), generator=rng) < self.ratio
        hidden[:, 0, 0] |= ~hidden.flatten(1).any(1)
        hidden = hidden.repeat_interleave(self.patch, 2)[:, :, :units].to(batch.counts.device)
        return Mask(hidden, hidden & batch.valid, self.name)


@dataclass(frozen=True)
class InterRegionMask:
    """Hide one region whole; predict it from the others."""

    name: str = "inter-region"

    def draw(self, batch: Batch, rng: torch.Generator) -> Mask:
        """One region for every window, with whatever may belong to it."""
        region = _one_region(batch, rng)
        inside = (batch.region == region[:, None]) & (region >= 0)[:, None]
        return _mask(batch, _kin(batch, region), inside, self.name)


@dataclass(frozen=True)
class IntraRegionMask:
    """Hide all but one region, and some units of that one; predict those."""

    ratio: tuple[float, float] = (0.0, 0.3)
    name: str = "intra-region"

    def draw(self, batch: Batch, rng: torch.Generator) -> Mask:
        """One region for every window, and a share of its units between the two ratios."""
        region = _one_region(batch, rng)
        inside = (batch.region == region[:, None]) & (region >= 0)[:, None]
        some = _some(inside, self.ratio, rng)
        return _mask(batch, ~inside | some, some, self.name)


@dataclass(frozen=True)
class RegionSubsetMask:
    """Show a random set of regions; predict the others."""

    name: str = "region-subset"

    def draw(self, batch: Batch, rng: torch.Generator) -> Mask:
        """Each region is shown or hidden on its own; one at least is shown, one hidden."""
        real = batch.kin.any(2)
        draw = torch.rand(real.shape, generator=rng).to(real.device)
        level = torch.rand((len(batch), 1), generator=rng).to(real.device)
        hidden = real & (draw < level)
        first = (draw + (~real).float() * 2).argmin(1, keepdim=True)
        last = (draw - (~real).float() * 2).argmax(1, keepdim=True)
        hidden = hidden.scatter(1, first, True).scatter(1, last, False) & real
        inside = (torch.nn.functional.one_hot(batch.region + 1, real.shape[1] + 1)[..., 1:] > 0) & hidden[:, None]
        away = (batch.kin & hidden[:, :, None]).any(1)
        return _mask(batch, away, inside.any(2), self.name)


def make_schemes(config: SchemeConfig) -> Mapping[str, MaskScheme]:
    """Every scheme with a weight above 0."""
    span = (config.ratio_low, config.ratio_high)
    causal: MaskScheme = ScatteredCausalMask() if config.scattered else CausalMask()
    known: Sequence[tuple[float, MaskScheme]] = (
        (config.neuron, NeuronMask(span)),
        (config.causal, causal),
        (config.inter_region, InterRegionMask()),
        (config.intra_region, IntraRegionMask(span)),
        (config.temporal, TemporalMask()),
        (config.random_token, RandomTokenMask()),
        (config.region_subset, RegionSubsetMask()),
    )
    return {scheme.name: scheme for weight, scheme in known if weight > 0}


def unseen(batch: Batch, hidden: Bool[Tensor, " unit"]) -> Bool[Tensor, "batch bin unit"]:
    """The same units hidden in all bins of every window."""
    return hidden.expand(batch.counts.shape)


def _mask(batch: Batch, hidden: Bool[Tensor, "batch unit"], scored: Bool[Tensor, "batch unit"], name: str) -> Mask:
    everywhere = (hidden & batch.present)[:, None].expand(batch.counts.shape)
    return Mask(everywhere, scored[:, None] & everywhere & batch.valid, name)


def _bins_mask(batch: Batch, hidden: Bool[Tensor, "batch bin"], name: str, *, causal: bool) -> Mask:
    everywhere = hidden.to(batch.counts.device)[:, :, None] & batch.present[:, None]
    return Mask(everywhere, everywhere & batch.valid, name, causal)


def _any_bins(batch: Batch, ratio: float, rng: torch.Generator) -> Bool[Tensor, "batch bin"]:
    rows, bins = batch.counts.shape[:2]
    hidden = torch.rand((rows, bins), generator=rng) < ratio
    hidden[:, -1] |= ~hidden.any(1)
    return hidden


def _some(
    among: Bool[Tensor, "batch unit"], ratio: tuple[float, float], rng: torch.Generator
) -> Bool[Tensor, "batch unit"]:
    """A share of the units between two ratios, at least one wherever there is any."""
    low, high = ratio
    share = low + (high - low) * torch.rand((len(among), 1), generator=rng)
    draw: Float[Tensor, "batch unit"] = torch.rand(among.shape, generator=rng)
    draw = draw.to(among.device).masked_fill(~among, 2.0)
    chosen = draw < share.to(among.device)
    return (chosen | (draw == draw.min(1, keepdim=True).values)) & among


def _one_region(batch: Batch, rng: torch.Generator) -> Int[Tensor, " batch"]:
    """A region of every window's session, drawn by the square root of its number of units; -1 without any."""
    sizes = torch.nn.functional.one_hot(batch.region + 1, batch.kin.shape[1] + 1)[..., 1:].sum(1).float()
    weight = sizes.sqrt().cumsum(1) if sizes.shape[1] else sizes.new_zeros(len(batch), 1)
    draw = torch.rand((len(batch), 1), generator=rng).to(weight.device) * weight[:, -1:]
    chosen = (draw >= weight).sum(1).clamp_max(weight.shape[1] - 1)
    return torch.where(weight[:, -1] > 0, chosen, -1)


def _kin(batch: Batch, region: Int[Tensor, " batch"]) -> Bool[Tensor, "batch unit"]:
    if batch.kin.shape[1] == 0:
        return torch.zeros_like(batch.present)
    rows = torch.arange(len(batch), device=region.device)
    return batch.kin[rows, region.clamp_min(0)] & (region >= 0)[:, None]
