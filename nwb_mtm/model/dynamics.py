"""Linear dynamics of a few latents, and their estimate from whatever is seen (a Kalman smoother)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Estimate:
    """What is believed about the latents in every bin."""

    mean: Float[Tensor, "batch bin latent"]
    covariance: Float[Tensor, "pattern bin latent latent"]
    pattern: Int[Tensor, " batch"]  # windows with the same units seen share one covariance
    first: Int[Tensor, " pattern"]  # the first window of each


class Dynamics(nn.Module):
    """x[t+1] = A x[t] + drive[t+1] + noise, scaled so that x has unit covariance at rest.

    Any stable process can be scaled so. It is then A = L⁻¹ W with L Lᵀ = I + W Wᵀ, for any W,
    and its noise covariance I - A Aᵀ = L⁻¹ L⁻ᵀ is positive definite whatever W is.
    """

    def __init__(self, groups: Sequence[int], bins: int, slowest: float = 0.99, fastest: float = 0.85) -> None:
        super().__init__()
        latents, ends = sum(groups), (math.log10(1 - slowest), math.log10(1 - fastest))
        memory = 1 - torch.cat([torch.logspace(*ends, count) for count in groups])
        self.memory = nn.Parameter((memory / (1 - memory**2).sqrt()).log())
        self.coupling = nn.Parameter(torch.zeros(latents, latents))
        self.drive = nn.Parameter(torch.zeros(bins, latents))

    def matrices(self) -> tuple[Float[Tensor, "latent latent"], Float[Tensor, "latent latent"]]:
        """The transition and the covariance of its noise."""
        free = torch.diag(self.memory.exp()) + self.coupling
        eye = torch.eye(len(free), device=free.device)
        lower = torch.linalg.cholesky(eye + free @ free.T)
        inverse = torch.linalg.solve_triangular(lower, eye, upper=False)
        return inverse @ free, inverse @ inverse.T

    def inputs(self, bins: int) -> Float[Tensor, "bin latent"]:
        """The drive in every bin; none beyond the bins that were trained."""
        known = self.drive[:bins]
        return nn.functional.pad(known, (0, 0, 0, bins - len(known)))

    def estimate(
        self,
        evidence: Float[Tensor, "pattern window bin latent"],
        precision: Float[Tensor, "pattern bin latent latent"],
        *,
        causal: bool,
    ) -> tuple[Float[Tensor, "pattern window bin latent"], Float[Tensor, "pattern bin latent latent"]]:
        """Mean and covariance: from all bins, or in each bin from earlier ones alone."""
        transition, noise = self.matrices()
        prior, gain = covariances(precision, transition, noise)
        drive = self.inputs(evidence.shape[2])
        means, surprise = _filter(evidence, precision, prior, gain, transition, drive)
        if causal:
            return means.transpose(1, 2), prior
        mean, covariance = _smooth(means, surprise, precision, prior, gain, transition)
        return mean.transpose(1, 2), covariance


Matrices = Float[Tensor, "pattern bin latent latent"]
Vectors = Float[Tensor, "pattern bin window latent"]


def covariances(precision: Matrices, transition: Tensor, noise: Tensor) -> tuple[Matrices, Matrices]:
    """Predicted covariances P, and (I + P J)⁻¹ for the precision J that each bin adds."""
    eye = torch.eye(len(transition), device=transition.device)
    p = eye.expand(len(precision), -1, -1)
    prior, gain = [], []
    for j in precision.unbind(1):
        f = torch.linalg.inv(eye + p @ j)
        prior.append(p)
        gain.append(f)
        p = transition @ (f @ p) @ transition.T + noise
        p = (p + p.mT) / 2
    return torch.stack(prior, 1), torch.stack(gain, 1)


def _filter(
    evidence: Tensor, precision: Matrices, prior: Matrices, gain: Matrices, transition: Tensor, drive: Tensor
) -> tuple[Vectors, Vectors]:
    """Predicted means, and what each bin's spikes add to them (row vectors)."""
    by_bin = evidence.transpose(1, 2)
    kept = gain @ prior @ transition.T
    carry = transition.T - precision @ kept
    added = by_bin @ kept + torch.cat([drive[1:], drive[:1]])[:, None]
    mean = drive[0].expand(by_bin.shape[0], by_bin.shape[2], -1)
    means = []
    for move, add in zip(carry.unbind(1), added.unbind(1)):
        means.append(mean)
        mean = torch.baddbmm(add, mean, move)
    stacked = torch.stack(means, 1)
    return stacked, (by_bin - stacked @ precision) @ gain


def _smooth(
    means: Vectors, surprise: Vectors, precision: Matrices, prior: Matrices, gain: Matrices, transition: Tensor
) -> tuple[Vectors, Matrices]:
    """Let later bins correct earlier ones (Bryson and Frazier's form, which inverts nothing)."""
    steps = transition @ gain
    told = gain.mT @ precision
    later, weight = torch.zeros_like(means[:, 0]), torch.zeros_like(prior[:, 0])
    laters, weights = [], []
    bins = zip(steps.unbind(1), surprise.unbind(1), told.unbind(1))
    for step, news, tell in reversed(list(bins)):
        later = torch.baddbmm(news, later, step)
        weight = torch.baddbmm(tell, step.mT @ weight, step)
        laters.append(later)
        weights.append(weight)
    mean = means + torch.stack(laters[::-1], 1) @ prior
    return mean, prior - prior @ torch.stack(weights[::-1], 1) @ prior
