"""The training loss."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LARGEST_LOG_RATE = 3.0


def poisson_nll(
    log_rate: Float[Tensor, "batch bin unit"],
    counts: Float[Tensor, "batch bin unit"],
    scored: Bool[Tensor, "batch bin unit"],
    entries: Float[Tensor, ""] | None = None,
) -> Float[Tensor, ""]:
    """Mean over scored entries of the Poisson negative log-likelihood, up to a constant, in float32.

    `entries` is the number to divide by, when others hold more of them. Nothing waits for the device.
    """
    rate = log_rate.float()
    loss = torch.where(scored, rate.clamp_max(LARGEST_LOG_RATE).exp() - counts * rate, 0.0)
    return loss.sum() / (scored.sum() if entries is None else entries).clamp_min(1)
