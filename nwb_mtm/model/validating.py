"""The four scores on validation windows, which select the model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray
from torch import Tensor

from nwb_mtm.batch import Roster, collate
from nwb_mtm.config import Config
from nwb_mtm.masks import SCHEMES
from nwb_mtm.metrics import sums, unit_scores
from nwb_mtm.model.looking import LEAST, predict_from_all
from nwb_mtm.model.mtm import MtM
from nwb_mtm.passes import RULES, SCORES, Score, passes
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

VALID_FOLDS = 5
MOST_SESSIONS, MOST_WINDOWS = 8, 64
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of the transformers together
CARRIED = (0.6, 0.0, 1.0)  # of what is carried over from another model, among the linear paths
SCALES = (0.85, 1.0, 1.15)  # of the change about the units' means
CAUTION = 0.03  # bits that another scale than 1 must gain, times the root of the validation windows
ALONE = 0.1  # the same for one of two linear paths that speaks alone


def spread(sessions: Sequence[Windows]) -> list[Windows]:
    """At most so many sessions and windows, evenly spread: a look must stay short beside training."""
    chosen = np.unique(np.linspace(0, len(sessions) - 1, min(len(sessions), MOST_SESSIONS)).astype(int))
    few = [sessions[i] for i in chosen]
    return [
        one.take(np.linspace(0, len(one) - 1, MOST_WINDOWS).astype(int)) if len(one) > MOST_WINDOWS else one
        for one in few
    ]


@contextmanager
def holding(model: MtM, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """The model as it is asked, with other weights, for a while."""
    current = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(dict(weights))
    model.eval()
    try:
        yield
    finally:
        model.load_state_dict(current)


@dataclass(frozen=True, eq=False)
class Look:
    """What validation windows say: how much each voice should count, and the scores of all and of each alone."""

    share: Float[Tensor, "scheme voice"]
    scores: Mapping[str, float]
    alone: Float[ndarray, " voice"]


def look(
    model: MtM,
    sessions: Sequence[Windows],
    vocabulary: Vocabulary,
    config: Config,
    device: torch.device,
    *,
    total: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> Look:
    """Score all offered weights of the voices on every score, and take the best for each score's scheme.

    `total` adds up what several processes found on their own sessions.
    """
    weights, voices = offered_weights(model), len(model.voices)
    offered = [scale * weight for weight in weights for scale in SCALES]
    unlike = [CAUTION * (scale != 1.0) + ALONE * one for one in lonely(model, weights) for scale in SCALES]
    sums = torch.zeros(len(SCORES), len(offered) + voices + 2, dtype=torch.float64)  # at the end windows and sessions
    for windows in sessions:
        for score, bias, said in _voices(model, windows, vocabulary, config, device):
            bits = offered_bits(windows, bias, said, [*offered, *np.eye(voices)])
            sums[SCORES.index(score)] += torch.tensor([*bits, len(windows), 1.0], dtype=torch.float64)
    sums = total(sums)
    means = {score: (row[:-2] / row[-1]).numpy() for score, row in zip(SCORES, sums) if row[-1] > 0}
    overall = np.mean(list(means.values()), axis=0)
    doubt = np.array(unlike) / max(1.0, float(sums[:, -2].max())) ** 0.5
    best = {score: int((bits[: len(offered)] - doubt).argmax()) for score, bits in means.items()}
    share = torch.tensor(offered[int((overall[: len(offered)] - doubt).argmax())]).float().repeat(len(SCHEMES), 1)
    for score, row in best.items():
        share[SCHEMES.index(RULES[score].scheme)] = torch.tensor(offered[row]).float()
    scores = {str(score): float(means[score][row]) for score, row in best.items()}
    return Look(share.to(device), scores, overall[len(offered) :])


def offered_weights(model: MtM) -> list[Float[ndarray, " voice"]]:
    """Weights that add up to 1: transformers count the same, the linear path more or less."""
    count = len(model.transformers)
    if model.linear is None:
        return [np.full(count, 1.0 / count)]
    shares, parts = SHARES if count else (0.0,), CARRIED if model.carried is not None else (0.0,)
    paths = [[1.0 - part, part][: len(model.paths)] for part in parts]
    return [
        np.array([*((1.0 - share) * np.array(path)), *[share / max(count, 1)] * count])
        for share in shares
        for path in paths
    ]


def lonely(model: MtM, weights: Sequence[Float[ndarray, " voice"]]) -> list[bool]:
    """Whether one of two linear paths alone speaks."""
    count = len(model.paths)
    return [count > 1 and bool((weight[:count] == 0).sum() == 1) for weight in weights]


def offered_bits(
    windows: Windows,
    bias: Float[ndarray, "voice unit"],
    voices: Float[ndarray, "voice window bin unit"],
    offered: Sequence[Float[ndarray, " voice"]],
) -> Float[ndarray, " offer"]:
    """The published score for every offered mixture of the voices' log rates, mixed as the model does."""
    scored = windows.valid & np.isfinite(voices[0])
    counts = np.where(scored, windows.counts, 0)
    spikes, entries = counts.sum((0, 1), dtype=np.float64), scored.sum((0, 1))
    some = spikes > 0
    null = spikes[some] * (np.log(spikes[some] / entries[some]) - 1)
    found = []
    for weight in offered:
        about = ((weight / weight.sum()) @ bias - weight @ bias).astype(np.float32)
        log_rates = np.where(scored, np.tensordot(weight.astype(np.float32), voices, 1) + about, LEAST)
        rates = np.where(scored, np.exp(log_rates), 0).sum((0, 1), dtype=np.float64)
        told = (counts * log_rates).sum((0, 1), dtype=np.float64)
        bits = ((told - rates)[some] - null) / (np.log(2) * spikes[some])
        found.append(float(bits.mean()) if some.any() else 0.0)
    return np.array(found)


def _voices(
    model: MtM, windows: Windows, vocabulary: Vocabulary, config: Config, device: torch.device
) -> Iterator[tuple[Score, Float[ndarray, "voice unit"], Float[ndarray, "voice window bin unit"]]]:
    """The voices' biases and log rates, for every score that the session allows."""
    strict = config.units.strict_regions
    roster = Roster.of(windows.units, windows.session, vocabulary, strict=strict)
    batch = collate([windows], [roster], [(0, i) for i in range(len(windows))]).to(device)
    share = model.share.clone()
    bias = model.bias.detach().cpu().numpy()[roster.unit].T
    for score in SCORES:
        if score.endswith("region") and len(roster.names) < 2:
            continue
        plan = passes(windows.units, score, folds=min(VALID_FOLDS, len(windows.units)), strict=strict)
        voices = []
        for only in torch.eye(share.shape[1], device=share.device):
            model.share.copy_(only)
            voices.append(predict_from_all(model, batch, plan, score))
        model.share.copy_(share)
        yield score, bias, np.log(np.stack(voices))


def mean_bits(
    counts: Shaped[ndarray, "window bin unit"],
    valid: Bool[ndarray, "window bin unit"],
    rates: Float[ndarray, "window bin unit"],
) -> float:
    """The published score: the mean over units of bits per spike, 0 when no unit has a spike."""
    total = sums(counts, rates, valid=valid).total()
    bits = unit_scores(total, np.zeros(counts.shape[2])).bps[0]
    return float(np.nanmean(bits)) if np.isfinite(bits).any() else 0.0
