"""Rows for new units in a trunk that is already trained: match their covariances and their mean responses."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray
from torch import Tensor

from nwb_mtm.model.linear import LinearPath

LAGS = (1, 2, 4, 8, 16)
STEPS = 300
RATE = 0.02


def align(
    linear: LinearPath,
    rows: Int[ndarray, " unit"],
    counts: Shaped[ndarray, "window bin unit"],
    valid: Bool[ndarray, "window bin unit"],
) -> None:
    """Find weights with which the trunk's own dynamics would give the units' covariances and mean responses.

    Under the trunk, log rates have covariance C Aˡ Cᵀ at lag l and mean C m(t); for small changes, counts
    have mean x mean times that covariance. No spike is explained here: training takes over from this start.
    """
    where = torch.from_numpy(rows)
    seen = torch.from_numpy(valid)
    mean = linear.rate[where, 0]
    change = torch.where(seen, torch.from_numpy(counts.astype(np.float32)) - mean, 0.0)
    with torch.no_grad():
        path, powers = _trunk(linear, counts.shape[1])
        found = [_covariance(change, mean, lag) for lag in LAGS if lag < counts.shape[1]]
        response = change.mean(0) / mean.sqrt()
    home, start = linear.home[where], linear.decode.rows[where].detach()
    weights = (start * mean.sqrt()[:, None]).requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=RATE)
    for _ in range(STEPS):
        own = weights * home
        loss = sum((((own @ power @ own.T) - want) ** 2).sum() for power, want in zip(powers, found))
        loss = loss / len(found) + len(mean) * ((path @ own.T - response) ** 2).mean(0).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    spikes = change.new_tensor(valid.sum((0, 1))) * mean
    final = weights.detach() / mean.sqrt()[:, None] * (spikes / (spikes + 200.0))[:, None]
    with torch.no_grad():
        linear.decode.rows[where] = final.clamp(-1.0, 1.0)
        linear.encode.rows[where] = final.clamp(-1.0, 1.0)


def _trunk(linear: LinearPath, bins: int) -> tuple[Float[Tensor, "bin latent"], list[Tensor]]:
    """The latents' mean path through a window, and the transition's powers at every lag."""
    transition, _ = linear.dynamics.matrices()
    drive = linear.dynamics.inputs(bins)
    path = [drive[0]]
    for step in drive[1:]:
        path.append(transition @ path[-1] + step)
    centred = torch.stack(path) - torch.stack(path).mean(0)
    return centred, [torch.linalg.matrix_power(transition, lag).T for lag in LAGS if lag < bins]


def _covariance(
    change: Float[Tensor, "window bin unit"], mean: Float[Tensor, " unit"], lag: int
) -> Float[Tensor, "unit unit"]:
    """Covariance between units at a lag (early unit, late unit), about their mean responses, scaled by mean counts."""
    about = change - change.mean(0)
    early, late = about[:, :-lag].flatten(0, 1), about[:, lag:].flatten(0, 1)
    scale = mean.rsqrt()
    return (early.T @ late) / len(early) * scale[:, None] * scale
