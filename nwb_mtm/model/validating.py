"""The four scores on validation windows, which select the model."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray
from torch import Tensor

from nwb_mtm.batch import Roster, collate
from nwb_mtm.config import Config
from nwb_mtm.masks import SCHEMES
from nwb_mtm.metrics import sums, unit_scores
from nwb_mtm.model.looking import predict_passes
from nwb_mtm.model.mtm import MtM
from nwb_mtm.passes import RULES, SCORES, Score, passes
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

VALID_FOLDS = 5
MOST_SESSIONS, MOST_WINDOWS = 8, 64
SHARES = (0.0, 0.15, 0.3, 0.45, 0.6)  # of the transformer


def spread(sessions: Sequence[Windows]) -> list[Windows]:
    """At most so many sessions and windows, evenly spread: a look must stay short beside training."""
    chosen = np.unique(np.linspace(0, len(sessions) - 1, min(len(sessions), MOST_SESSIONS)).astype(int))
    few = [sessions[i] for i in chosen]
    return [
        one.take(np.linspace(0, len(one) - 1, MOST_WINDOWS).astype(int)) if len(one) > MOST_WINDOWS else one
        for one in few
    ]


def best_share(
    model: MtM,
    sessions: Sequence[Windows],
    vocabulary: Vocabulary,
    config: Config,
    device: torch.device,
    *,
    total: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> tuple[Float[Tensor, "scheme voice"], dict[Score, float]]:
    """How much each voice should count for every score's scheme, and the scores this gives.

    `total` adds up what several processes found on their own sessions.
    """
    count = model.share.shape[1]
    offered = [(1.0,)] if count == 1 else [(1.0 - share, share) for share in SHARES]
    sums = torch.zeros(len(SCORES), len(offered) + 1, dtype=torch.float64)  # bits, and at the end the sessions
    for windows in sessions:
        for score, voices in _voices(model, windows, vocabulary, config, device):
            rates = [np.exp(sum(part * np.log(v) for part, v in zip(share, voices))) for share in offered]
            bits = [mean_bits(windows.counts, windows.valid, rate) for rate in rates]
            sums[SCORES.index(score)] += torch.tensor([*bits, 1.0], dtype=torch.float64)
    sums = total(sums)
    means = {score: (row[:-1] / row[-1]).numpy() for score, row in zip(SCORES, sums) if row[-1] > 0}
    usual = offered[int(np.mean(list(means.values()), axis=0).argmax())]
    share = torch.tensor(usual, device=device).repeat(len(SCHEMES), 1)
    for score, bits in means.items():
        share[SCHEMES.index(RULES[score].scheme)] = torch.tensor(offered[int(bits.argmax())], device=device)
    return share, {score: float(bits.max()) for score, bits in means.items()}


def _voices(
    model: MtM, windows: Windows, vocabulary: Vocabulary, config: Config, device: torch.device
) -> Iterator[tuple[Score, list[Float[ndarray, "window bin unit"]]]]:
    """What each voice expects, for every score that the session allows."""
    strict = config.units.strict_regions
    roster = Roster.of(windows.units, windows.session, vocabulary, strict=strict)
    batch = collate([windows], [roster], [(0, i) for i in range(len(windows))]).to(device)
    share = model.share.clone()
    for score in SCORES:
        if score.endswith("region") and len(roster.names) < 2:
            continue
        plan = passes(windows.units, score, folds=min(VALID_FOLDS, len(windows.units)), strict=strict)
        voices = []
        for only in torch.eye(share.shape[1], device=share.device):
            model.share.copy_(only)
            voices.append(predict_passes(model, batch, plan, score))
        model.share.copy_(share)
        yield score, voices


def mean_bits(
    counts: Shaped[ndarray, "window bin unit"],
    valid: Bool[ndarray, "window bin unit"],
    rates: Float[ndarray, "window bin unit"],
) -> float:
    """The published score: the mean over units of bits per spike, 0 when no unit has a spike."""
    total = sums(counts, rates, valid=valid).total()
    bits = unit_scores(total, np.zeros(counts.shape[2])).bps[0]
    return float(np.nanmean(bits)) if np.isfinite(bits).any() else 0.0
