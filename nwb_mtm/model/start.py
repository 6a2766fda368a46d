"""Where training starts: mean rates, and latents from the covariance between units at short lags."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray

from nwb_mtm.model.mtm import MtM

LAGS = (1, 2, 3)  # bins; lag 0 holds each unit's own counting noise
LARGEST_WEIGHT = 0.8
FEW_SPIKES = 200.0
START = 0.5  # share of the covariance's own scale: training finds the rest safely from below


@torch.no_grad()
def start_from(
    model: MtM,
    rows: Int[ndarray, " unit"],
    counts: Shaped[ndarray, "window bin unit"],
    valid: Bool[ndarray, "window bin unit"],
) -> None:
    """Set the biases and the linear path of one session's units from its training windows."""
    where = torch.from_numpy(rows)
    spikes = np.where(valid, counts, 0).sum((0, 1), dtype=np.float64)
    mean = (spikes + 0.5) / (valid.sum((0, 1)) + 1.0)
    model.bias[where] = torch.tensor(np.log(mean), dtype=torch.float32)[:, None]
    if model.linear is None:
        return
    model.linear.rate[where] = torch.tensor(mean, dtype=torch.float32)[:, None]
    weights = torch.tensor(loadings(counts, valid, mean, spikes, model.linear.latents), dtype=torch.float32)
    model.linear.decode.rows[where] = weights
    model.linear.encode.rows[where] = weights


def loadings(
    counts: Shaped[ndarray, "window bin unit"],
    valid: Bool[ndarray, "window bin unit"],
    mean: Float[ndarray, " unit"],
    spikes: Float[ndarray, " unit"],
    latents: int,
) -> Float[ndarray, "unit latent"]:
    """Leading directions of the log rates' covariance, each unit weighted by its mean count.

    For small changes of rate, the covariance of counts at a lag is mean x mean x that of the log rates.
    """
    change = np.where(valid, counts - mean.astype(np.float32), np.float32(0))
    total = np.zeros((len(mean), len(mean)), np.float32)
    for lag in LAGS[: max(1, counts.shape[1] - 1)]:
        early, late = change[:, :-lag].reshape(-1, len(mean)), change[:, lag:].reshape(-1, len(mean))
        total += early.T @ late / max(1, len(early)) / len(LAGS)
    scale = mean**-0.5
    values, vectors = np.linalg.eigh((total + total.T) / 2 * scale[:, None] * scale)
    leading = np.sqrt(np.maximum(values[::-1][:latents], 1e-4)) * vectors[:, ::-1][:, :latents]
    shrunk = START * leading * scale[:, None] * (spikes / (spikes + FEW_SPIKES))[:, None]
    padded = np.zeros((len(mean), latents))
    padded[:, : shrunk.shape[1]] = np.clip(shrunk, -LARGEST_WEIGHT, LARGEST_WEIGHT)
    return padded
