"""Passes over windows: what a model expects of the units and bins that a pass hides."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from nwb_mtm.batch import Batch
from nwb_mtm.masks import Mask
from nwb_mtm.model.compute import few_threads
from nwb_mtm.model.mtm import MtM
from nwb_mtm.passes import RULES, Pass, Score, forward_bins

MOST_ENTRIES = 2**23  # entries of counts in one look at the network
LEAST, MOST = -12.0, 3.0  # log expected counts stay between a spike in an hour and twenty in a bin


def expected(log_rate: Float[Tensor, "batch bin unit"]) -> Float[Tensor, "batch bin unit"]:
    """Expected counts, within reason."""
    return log_rate.float().clamp(LEAST, MOST).exp()


def predict_passes(
    model: MtM, batch: Batch, plan: tuple[Pass, ...], score: Score, *, ahead: int | None = None
) -> Float[ndarray, "window bin unit"]:
    """Expected counts of every pass's targets, for windows of one session; forward hides `ahead` bins (a tenth)."""
    bins = batch.counts.shape[1]
    out = np.full(tuple(batch.counts.shape), np.nan, np.float32)
    scheme, hidden_bins = RULES[score].scheme, (ahead or forward_bins(bins)) if score == "forward" else 0
    for rows, some in chunks(batch, plan):
        rates = _look(model, batch.take(rows), some, scheme, hidden_bins)
        for one, rate in zip(some, rates):
            first = bins - hidden_bins if hidden_bins else 0
            out[rows, first:, one.targets] = rate[:, first:, one.targets]
    return out


def chunks(batch: Batch, plan: tuple[Pass, ...]) -> Iterator[tuple[slice, tuple[Pass, ...]]]:
    """Windows and passes that fit into one look."""
    entries = batch.counts.shape[1] * batch.counts.shape[2]
    most = max(1, MOST_ENTRIES // max(1, entries))
    windows = min(len(batch), most)
    together = max(1, most // max(1, windows))
    for start in range(0, len(batch), max(1, windows)):
        for first in range(0, len(plan), together):
            yield slice(start, min(start + windows, len(batch))), plan[first : first + together]


@torch.no_grad()
def _look(
    model: MtM, batch: Batch, plan: tuple[Pass, ...], scheme: str, hidden_bins: int
) -> Float[ndarray, "pass window bin unit"]:
    """All units' expected counts under every pass."""
    device = batch.counts.device
    hidden = torch.tensor(np.stack([one.hidden for one in plan]), device=device)
    windows, bins, units = batch.counts.shape
    rows = torch.arange(windows, device=device).repeat(len(plan))
    everywhere = hidden.repeat_interleave(windows, 0)[:, None].expand(-1, bins, -1)
    if hidden_bins:
        late = torch.arange(bins, device=device) >= bins - hidden_bins
        everywhere = everywhere | late[None, :, None]
    mask = Mask(everywhere, everywhere, scheme, causal=hidden_bins > 0)
    with few_threads(model):
        rates = expected(model(batch.take(rows), mask))
    return rates.view(len(plan), windows, bins, units).float().cpu().numpy()
