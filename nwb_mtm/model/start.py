"""Where training starts: mean rates, and latents from the covariance between units at short lags."""

from collections.abc import Container, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray
from torch import Tensor

from nwb_mtm.config import Config
from nwb_mtm.model.align import MOST_SESSIONS, Learnt, agree, align
from nwb_mtm.model.compute import few_threads
from nwb_mtm.model.explaining import Session
from nwb_mtm.model.linear import LinearPath
from nwb_mtm.model.mtm import PATHS, MtM, build
from nwb_mtm.model.tokens import SmoothBins
from nwb_mtm.model.transfer import carried_over, freeze_trunk, is_fresh, transfer
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
    windows: Sequence[Windows],
    init: tuple[Mapping[str, Tensor], Vocabulary] | None = None,
    held: Container[str] | None = None,
) -> MtM:
    """A model that starts from these sessions' own spikes, and from the weights of another when there is one.

    Rows are those of the sessions that are held here, or of all; the trunk is the same for whoever holds which.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.train.seed)
        model = build(config, vocabulary, bins)
    own = [one for one in windows if held is None or one.session in held]
    for one in own:
        start_from(model, vocabulary.unit_rows(one.session, one.units.keys), one.counts, one.valid)
        release(one.counts)
    weights, known = init or ({}, vocabulary)
    if init is not None:
        if model.carried is not None and config.train.freeze != "trunk" and is_fresh(windows, known):
            weights = carried_over(weights)
            model.share.zero_()
            model.share[:, 1] = 1.0  # the other path has seen too little to speak before it is trained
        transfer(weights, known, model, vocabulary)
    if model.slow is not None:
        model.slow.forget()
    with few_threads(model):
        for column, (name, path) in enumerate(zip(PATHS, model.paths)):
            learnt = None
            if f"{name}.decode.rows" in weights:
                learnt = _learnt_before(weights, known, name)
            elif name == "linear" and len({one.session for one in windows}) > 1:
                learnt = _learn_together(model, path, vocabulary, windows)
            for one in own if learnt is not None else ():
                if learnt is not None and one.session not in learnt.sessions:
                    align(path, model.bias.data[:, column], _session(one, vocabulary), learnt)
    if config.train.freeze == "trunk":
        freeze_trunk(model)
    return model


def _learnt_before(weights: Mapping[str, Tensor], known: Vocabulary, name: str) -> Learnt:
    """What a trained model's rows say of others."""
    decode, encode = weights[f"{name}.decode.rows"], weights[f"{name}.encode.rows"]
    return Learnt.of(decode, encode, [label for labels in known.regions.values() for label in labels], known.sessions)


@torch.no_grad()
def _learn_together(model: MtM, path: LinearPath, vocabulary: Vocabulary, windows: Sequence[Windows]) -> Learnt:
    """Let the largest sessions agree on their latents; what their rows say of others."""
    largest = sorted(windows, key=lambda one: -len(one) * one.bins * len(one.units))
    some = list({one.session: one for one in largest if one.bins == largest[0].bins}.values())[:MOST_SESSIONS]
    sessions = [_session(one, vocabulary) for one in some]
    for one, session in zip(some, sessions):
        start_from(model, session.where.numpy(), one.counts, one.valid)
        release(one.counts)
    agree(path, model.bias.data[:, 0], sessions)
    where, labels = torch.cat([one.where for one in sessions]), [label for one in sessions for label in one.labels]
    decode, encode = path.decode.rows[where], path.encode.rows[where]
    return Learnt.of(decode, encode, labels, [one.session for one in some])


def _session(windows: Windows, vocabulary: Vocabulary) -> Session:
    rows = vocabulary.unit_rows(windows.session, windows.units.keys)
    return Session.of(rows, windows.counts, windows.valid, vocabulary.regions[windows.session])


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
    if not model.paths:
        return
    home = model.paths[0].home[where].numpy()
    weights = torch.tensor(loadings(counts, valid, mean, spikes, home), dtype=torch.float32)
    for path in model.paths:
        path.rate[where] = torch.tensor(mean, dtype=torch.float32)[:, None]
        path.decode.rows[where] = weights
        path.encode.rows[where] = weights


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
