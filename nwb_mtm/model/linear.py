"""The linear path: units' spikes move a few latents, latents move units' log rates."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nwb_mtm.batch import Batch
from nwb_mtm.masks import Mask
from nwb_mtm.model.dynamics import Dynamics, Estimate
from nwb_mtm.model.tables import Targets, UnitTable, look_up, mix, wanted


class LinearPath(nn.Module):
    """A population seen through linear dynamics: hidden entries are left out of the sums, and nothing else changes."""

    rate: Tensor
    home: Tensor

    def __init__(self, home: Bool[Tensor, "row latent"], groups: Sequence[int], bins: int) -> None:
        super().__init__()
        rows, latents = home.shape
        self.register_buffer("home", home, persistent=False)  # latents that each unit loads on
        self.dynamics = Dynamics(groups, bins)
        self.decode = UnitTable(rows, latents)
        self.encode = UnitTable(rows, latents)
        self.trust = UnitTable(rows, 1)  # log of how much a unit's spikes tell, against a Poisson unit's
        self.spread = UnitTable(rows, 1)  # how much uncertainty raises the expected rate, about a half
        self.register_buffer("rate", torch.full((rows, 1), 0.1))
        nn.init.constant_(self.spread.rows, 0.5)

    def forward(self, batch: Batch, mask: Mask, targets: Targets = None) -> Float[Tensor, "batch bin target"]:
        """The change of every log rate, or of the targets' alone."""
        estimate, rows = self.estimate(batch, mask), wanted(batch, targets)
        decode, spread = look_up(self.decode.rows * self.home, rows), self.spread(rows)[..., 0]
        outer = _outer(decode, spread).mT
        if len(rows) > 1:
            outer = outer[estimate.first // (len(batch) // len(rows))]
        raised = mix(estimate.covariance.flatten(2), outer)
        return raised[estimate.pattern] + mix(estimate.mean, decode.mT)

    def estimate(self, batch: Batch, mask: Mask) -> Estimate:
        """The latents, from the seen entries alone."""
        seen = mask.visible(batch)
        known = mask.runs if batch.complete else 0
        pattern = _runs(len(seen), known, seen.device) if known else distinct(seen, batch.session)
        first = torch.arange(0, len(seen), len(seen) // known, device=seen.device) if known else _first_rows(pattern)
        rate = look_up(self.rate, batch.rows)[..., 0]
        encode = look_up(self.encode.rows * self.home, batch.rows)
        weight = rate * self.trust(batch.rows)[..., 0].exp()
        own = first if len(rate) > 1 else slice(None)
        precision = _precision(seen[first], encode[own], weight[own])
        evidence = mix(torch.where(seen, batch.counts - rate[:, None], 0.0), encode)
        if known:
            mean, covariance = self.dynamics.estimate(
                evidence.view(known, -1, *evidence.shape[1:]), precision, causal=mask.causal
            )
            return Estimate(mean.flatten(0, 1), covariance, pattern, first)
        grouped, place = _group(evidence, pattern)
        mean, covariance = self.dynamics.estimate(grouped, precision, causal=mask.causal)
        return Estimate(mean[pattern, place], covariance, pattern, first)

    def penalty(self) -> Float[Tensor, ""]:
        """Squares that a normal prior on the unit's weights and on the coupling adds."""
        squares = (self.decode.rows**2).sum() + (self.dynamics.coupling**2).sum()
        return squares + (self.dynamics.drive**2).sum()


def _precision(
    seen: Bool[Tensor, "pattern bin unit"],
    encode: Float[Tensor, "one unit latent"],
    weight: Float[Tensor, "one unit"],
) -> Float[Tensor, "pattern bin latent latent"]:
    """How much the seen units of a bin tell about the latents: a sum over them."""
    patterns, bins, _ = seen.shape
    latents = encode.shape[-1]
    outer = _outer(encode, weight)
    return mix(seen.to(outer.dtype), outer).view(patterns, bins, latents, latents)


def _outer(
    rows: Float[Tensor, "pattern unit latent"], weight: Float[Tensor, "pattern unit"]
) -> Float[Tensor, "pattern unit square"]:
    """Every unit's weighted row times itself."""
    return ((rows * weight[..., None])[..., :, None] * rows[..., None, :]).flatten(2)


def distinct(seen: Bool[Tensor, "batch bin unit"], session: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """A number for every window; windows with the same session and the same entries seen share it."""
    flat = seen.flatten(1)
    key = torch.Generator().manual_seed(0)
    probe = torch.randn((flat.shape[1], 4), generator=key, dtype=torch.float32).to(seen.device)
    marks = torch.cat([flat.to(torch.float32) @ probe, session[:, None].float()], 1)
    numbers: Tensor = torch.unique(marks, dim=0, return_inverse=True)[1]
    return numbers


def _runs(count: int, runs: int, device: torch.device) -> Int[Tensor, " batch"]:
    """The same for windows of which every run is known to share what is seen; nothing waits for the device."""
    return torch.arange(runs, device=device).repeat_interleave(count // runs, output_size=count)


def _first_rows(pattern: Int[Tensor, " batch"]) -> Int[Tensor, " pattern"]:
    """The first window of every pattern."""
    count = int(pattern.max()) + 1
    rows = torch.arange(len(pattern), device=pattern.device)
    first = torch.full((count,), len(pattern), device=pattern.device)
    return first.scatter_reduce(0, pattern, rows, "amin")


def _group(
    rows: Float[Tensor, "batch bin latent"], pattern: Int[Tensor, " batch"]
) -> tuple[Float[Tensor, "pattern window bin latent"], Int[Tensor, " batch"]]:
    """Windows sorted by pattern, and the place of each inside its pattern."""
    order = torch.argsort(pattern, stable=True)
    size = torch.bincount(pattern)
    start = size.cumsum(0) - size
    place = torch.empty_like(pattern)
    place[order] = torch.arange(len(pattern), device=pattern.device) - start[pattern[order]]
    grouped = rows.new_zeros(len(size), int(size.max()), *rows.shape[1:])
    return grouped.index_put((pattern, place), rows), place
