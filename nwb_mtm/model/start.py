"""Where training starts: mean rates, and latents from the covariance between units at short lags."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray
from torch import Tensor

from nwb_mtm.config import Config
from nwb_mtm.model.align import align
from nwb_mtm.model.mtm import MtM, build
from nwb_mtm.model.tokens import SmoothBins
from nwb_mtm.model.transfer import freeze_trunk, transfer
from nwb_mtm.model.transformer import Transformer
from nwb_mtm.spilling import release
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

LAGS = (1, 2, 3)  # bins; lag 0 holds each unit's own counting noise
LARGEST_WEIGHT = 0.8
FEW_SPIKES = 200.0
START = 0.5  # share of the covariance's own scale: training finds the rest safely from below


def new_model(
    config: Config,
    vocabulary: Vocabulary,
    bins: int,
    windows: Iterable[Windows],
    init: tuple[Mapping[str, Tensor], Vocabulary] | None = None,
) -> MtM:
    """A model that starts from these sessions' own spikes, and from the weights of another when there is one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.train.seed)
        model = build(config, vocabulary, bins)
    sessions = [(one, vocabulary.unit_rows(one.session, one.units.keys)) for one in windows]
    for one, rows in sessions:
        start_from(model, rows, one.counts, one.valid)
        release(one.counts)
    if init is not None:
        weights, known = init
        kept = config.train.freeze == "trunk" or any(key in known.units for key in vocabulary.units)
        transfer(weights, known, model, vocabulary, dynamics=kept)
        if model.slow is not None:
            model.slow.forget()
        for one, rows in sessions:
            if model.linear is not None and kept and one.session not in known.units:
                align(model.linear, rows, one.counts, one.valid)
    if config.train.freeze == "trunk":
        freeze_trunk(model)
    return model


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
    squares = np.where(valid, counts.astype(np.float32) ** 2, 0.0).sum((0, 1)) / (valid.sum((0, 1)) + 1.0)
    deviation = np.sqrt(np.maximum(squares - mean**2, 1e-3))
    for voice in model.voices:
        if isinstance(voice, Transformer) and isinstance(voice.tokenizer, SmoothBins):
            voice.tokenizer.rate[where] = torch.tensor(mean, dtype=torch.float32)[:, None]
            voice.tokenizer.deviation[where] = torch.tensor(deviation, dtype=torch.float32)[:, None]
    if model.linear is None:
        return
    model.linear.rate[where] = torch.tensor(mean, dtype=torch.float32)[:, None]
    home = model.linear.home[where].numpy()
    weights = torch.tensor(loadings(counts, valid, mean, spikes, home), dtype=torch.float32)
    model.linear.decode.rows[where] = weights
    model.linear.encode.rows[where] = weights


def loadings(
    counts: Shaped[ndarray, "window bin unit"],
    valid: Bool[ndarray, "window bin unit"],
    mean: Float[ndarray, " unit"],
    spikes: Float[ndarray, " unit"],
    home: Bool[ndarray, "unit latent"],
) -> Float[ndarray, "unit latent"]:
    """Leading directions of the log rates' covariance, for each group of units that share latents.

    For small changes of rate, the covariance of counts at a lag is mean x mean x that of the log rates.
    """
    scale = mean**-0.5
    weighted = lagged_covariance(np.where(valid, counts - mean.astype(np.float32), np.float32(0)))
    weighted = weighted * scale[:, None] * scale
    out = np.zeros(home.shape)
    for members in np.unique(home.T, axis=0):
        latents, rows = np.flatnonzero((members == home.T).all(1)), np.flatnonzero(members)
        if len(rows):
            values, vectors = np.linalg.eigh(weighted[np.ix_(rows, rows)])
            leading = (np.sqrt(np.maximum(values, 1e-4)) * vectors)[:, ::-1][:, : len(latents)]
            out[np.ix_(rows, latents[: leading.shape[1]])] = leading
    shrunk = START * out * scale[:, None] * (spikes / (spikes + FEW_SPIKES))[:, None]
    return np.clip(shrunk, -LARGEST_WEIGHT, LARGEST_WEIGHT)


def lagged_covariance(change: Float[ndarray, "window bin unit"]) -> Float[ndarray, "unit unit"]:
    """Covariance between units over a few lags, without lag 0."""
    units = change.shape[2]
    total = np.zeros((units, units))
    for lag in LAGS:
        early, late = change[:, :-lag].reshape(-1, units), change[:, lag:].reshape(-1, units)
        total += early.T @ late / max(1, len(early)) / len(LAGS)
    return (total + total.T) / 2
