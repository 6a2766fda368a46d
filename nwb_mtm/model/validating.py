"""The four scores on validation windows, which select the model."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray

from nwb_mtm.batch import Roster, collate
from nwb_mtm.config import Config
from nwb_mtm.metrics import sums, unit_scores
from nwb_mtm.model.looking import predict_passes
from nwb_mtm.model.mtm import MtM
from nwb_mtm.passes import SCORES, Score, passes
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

VALID_FOLDS = 5
SHARES = (0.0, 0.15, 0.3, 0.45, 0.6)  # of the transformer


def best_share(
    model: MtM, sessions: Sequence[Windows], vocabulary: Vocabulary, config: Config, device: torch.device
) -> tuple[tuple[float, ...], dict[Score, float]]:
    """How much each voice should count, by the mean of the four scores, and the scores it gives."""
    offered = [(1.0,)] if len(model.share) == 1 else [(1.0 - share, share) for share in SHARES]
    found: dict[tuple[float, ...], dict[Score, list[float]]] = {share: {} for share in offered}
    for windows in sessions:
        for score, voices in _voices(model, windows, vocabulary, config, device):
            for share, scores in found.items():
                rates = np.exp(sum(part * np.log(voice) for part, voice in zip(share, voices)))
                scores.setdefault(score, []).append(mean_bits(windows.counts, windows.valid, rates))
    means = {share: {s: float(np.mean(v)) for s, v in scores.items()} for share, scores in found.items()}
    best = max(means, key=lambda share: float(np.mean(list(means[share].values()))))
    return best, means[best]


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
        for only in torch.eye(len(share), device=share.device):
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
