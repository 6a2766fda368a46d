"""Linear dynamics of a few latents, and their estimate from whatever is seen (a Kalman smoother)."""

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


class Dynamics(nn.Module):
    """x[t+1] = A x[t] + drive[t+1] + noise, scaled so that x has unit covariance at rest.

    Any stable process can be scaled so. It is then A = L⁻¹ W with L Lᵀ = I + W Wᵀ, for any W,
    and its noise covariance I - A Aᵀ = L⁻¹ L⁻ᵀ is positive definite whatever W is.
    """

    def __init__(self, latents: int, bins: int, slowest: float = 0.98, fastest: float = 0.85) -> None:
        super().__init__()
        memory = torch.linspace(slowest, fastest, latents)
        self.transition = nn.Parameter(torch.diag(memory / (1 - memory**2).sqrt()))
        self.drive = nn.Parameter(torch.zeros(bins, latents))

    def matrices(self) -> tuple[Float[Tensor, "latent latent"], Float[Tensor, "latent latent"]]:
        """The transition and the covariance of its noise."""
        eye = torch.eye(len(self.transition), device=self.transition.device)
        lower = torch.linalg.cholesky(eye + self.transition @ self.transition.T)
        inverse = torch.linalg.solve_triangular(lower, eye, upper=False)
        return inverse @ self.transition, inverse @ inverse.T

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
        prior, gain = _forward_covariances(precision, transition, noise)
        means, surprise = self._filter(evidence, precision, prior, gain, transition)
        if causal:
            return torch.stack(means, 2), torch.stack(prior, 1)
        return _smooth(means, surprise, precision, prior, gain, transition)

    def _filter(
        self, evidence: Tensor, precision: Tensor, prior: list[Tensor], gain: list[Tensor], transition: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Predicted means, and what each bin's spikes add (row vectors)."""
        drive = self.inputs(evidence.shape[2])
        mean = drive[0].expand(evidence.shape[0], evidence.shape[1], -1)
        means, surprise = [], []
        for t, (p, f) in enumerate(zip(prior, gain)):
            news = (evidence[:, :, t] - mean @ precision[:, t]) @ f
            means.append(mean)
            surprise.append(news)
            if t + 1 < len(prior):
                mean = (mean + news @ p) @ transition.T + drive[t + 1]
        return means, surprise


def _forward_covariances(precision: Tensor, transition: Tensor, noise: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Predicted covariances P, and (I + P J)⁻¹ for the precision J that each bin adds."""
    eye = torch.eye(len(transition), device=transition.device)
    p = eye.expand(len(precision), -1, -1)
    prior, gain = [], []
    for t in range(precision.shape[1]):
        f = torch.linalg.inv(eye + p @ precision[:, t])
        prior.append(p)
        gain.append(f)
        p = transition @ (f @ p) @ transition.T + noise
        p = (p + p.mT) / 2
    return prior, gain


def _smooth(
    means: list[Tensor],
    surprise: list[Tensor],
    precision: Tensor,
    prior: list[Tensor],
    gain: list[Tensor],
    transition: Tensor,
) -> tuple[Tensor, Tensor]:
    """Let later bins correct earlier ones (Bryson and Frazier's form, which inverts nothing)."""
    later = torch.zeros_like(means[0])
    weight = torch.zeros_like(prior[0])
    smoothed, covariance = [], []
    for t in reversed(range(len(means))):
        step = transition @ gain[t]
        later = surprise[t] + later @ step
        weight = gain[t].mT @ precision[:, t] + step.mT @ weight @ step
        smoothed.append(means[t] + later @ prior[t])
        covariance.append(prior[t] - prior[t] @ weight @ prior[t])
    return torch.stack(smoothed[::-1], 2), torch.stack(covariance[::-1], 1)
