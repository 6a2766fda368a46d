"""The four scores on validation windows, which select the model."""

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


def validation_scores(
    model: MtM, windows: Windows, vocabulary: Vocabulary, config: Config, device: torch.device
) -> dict[Score, float]:
    """Mean bits per spike over units for every score that the session allows."""
    strict = config.units.strict_regions
    roster = Roster.of(windows.units, windows.session, vocabulary, strict=strict)
    batch = collate([windows], [roster], [(0, i) for i in range(len(windows))]).to(device)
    found: dict[Score, float] = {}
    for score in SCORES:
        if score.endswith("region") and len(roster.names) < 2:
            continue
        plan = passes(windows.units, score, folds=min(VALID_FOLDS, len(windows.units)), strict=strict)
        rates = predict_passes(model, batch, plan, score)
        found[score] = mean_bits(windows.counts, windows.valid, rates)
    return found


def mean_bits(
    counts: Shaped[ndarray, "window bin unit"],
    valid: Bool[ndarray, "window bin unit"],
    rates: Float[ndarray, "window bin unit"],
) -> float:
    """The published score: the mean over units of bits per spike, 0 when no unit has a spike."""
    total = sums(counts, rates, valid=valid).total()
    bits = unit_scores(total, np.zeros(counts.shape[2])).bps[0]
    return float(np.nanmean(bits)) if np.isfinite(bits).any() else 0.0
