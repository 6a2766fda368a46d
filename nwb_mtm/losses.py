"""The training loss."""

from jaxtyping import Bool, Float
from torch import Tensor

LARGEST_LOG_RATE = 3.0


def poisson_nll(
    log_rate: Float[Tensor, "batch bin unit"],
    counts: Float[Tensor, "batch bin unit"],
    scored: Bool[Tensor, "batch bin unit"],
) -> Float[Tensor, ""]:
    """Mean over scored entries of the Poisson negative log-likelihood, up to a constant, in float32."""
    rate, spikes = log_rate[scored].float(), counts[scored].float()
    loss = rate.clamp_max(LARGEST_LOG_RATE).exp() - spikes * rate
    return loss.sum() / max(1, len(loss))
