"""The smoother agrees with the joint Gaussian, written out."""

import pytest
import torch
from torch import Tensor

from nwb_mtm.model.dynamics import Dynamics


def joint_covariance(dynamics: Dynamics, bins: int) -> Tensor:
    """Covariance of all latents in all bins."""
    transition, _ = dynamics.matrices()
    latents = len(transition)
    blocks = torch.zeros(bins, bins, latents, latents)
    for t in range(bins):
        power = torch.eye(latents)
        for s in range(t, bins):
            blocks[s, t], blocks[t, s] = power, power.T
            power = transition @ power
    return blocks.permute(0, 2, 1, 3).reshape(bins * latents, bins * latents)


def made(latents: int = 3, bins: int = 6) -> tuple[Dynamics, Tensor, Tensor]:
    """Coupled dynamics, evidence and precision for two patterns of two windows."""
    torch.manual_seed(0)
    dynamics = Dynamics((latents,), bins).double()
    with torch.no_grad():
        dynamics.coupling.add_(torch.randn(latents, latents, dtype=torch.double) * 0.5)
    root = torch.randn(2, bins, latents, latents, dtype=torch.double)
    precision = root @ root.mT
    precision[:, 3] = 0.0
    evidence = torch.randn(2, 2, bins, latents, dtype=torch.double)
    evidence[:, :, 3] = 0.0
    return dynamics, evidence, precision


@pytest.mark.parametrize("causal", [False, True])
def test_estimates_are_the_conditional_mean_and_covariance(causal: bool) -> None:
    torch.set_default_dtype(torch.double)
    try:
        dynamics, evidence, precision = made()
        with torch.no_grad():
            mean, covariance = dynamics.estimate(evidence, precision, causal=causal)
            prior = joint_covariance(dynamics, 6)
    finally:
        torch.set_default_dtype(torch.float32)
    for t in range(6):
        seen = torch.block_diag(*precision[1]).clone()
        told = evidence[1, 0].clone()
        if causal:
            seen[3 * t :, 3 * t :] = 0.0
            told[t:] = 0.0
        posterior = torch.linalg.inv(torch.linalg.inv(prior) + seen)
        expected = (posterior @ told.reshape(-1)).view(6, 3)[t]
        torch.testing.assert_close(mean[1, 0, t], expected)
        torch.testing.assert_close(covariance[1, t], posterior[3 * t : 3 * t + 3, 3 * t : 3 * t + 3])


def test_latents_have_unit_covariance_at_rest() -> None:
    dynamics = Dynamics((4,), 5)
    with torch.no_grad():
        dynamics.coupling.add_(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)))
        transition, noise = dynamics.matrices()
    torch.testing.assert_close(transition @ transition.T + noise, torch.eye(4), atol=1e-5, rtol=1e-5)


def test_an_empty_window_follows_the_drive_alone() -> None:
    dynamics = Dynamics((2,), 4)
    with torch.no_grad():
        dynamics.drive.add_(torch.randn(4, 2, generator=torch.Generator().manual_seed(0)))
        mean, _ = dynamics.estimate(torch.zeros(1, 1, 4, 2), torch.zeros(1, 4, 2, 2), causal=False)
        transition, _ = dynamics.matrices()
    expected = dynamics.drive[0]
    for t in range(1, 4):
        expected = transition @ expected + dynamics.drive[t]
    torch.testing.assert_close(mean[0, 0, 3], expected.detach())
