"""Passes over windows: what a model expects of the units and bins that a pass hides."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from nwb_mtm.batch import CONTEXT, Batch
from nwb_mtm.masks import Lone, Mask
from nwb_mtm.model.compute import few_threads
from nwb_mtm.model.mtm import MtM
from nwb_mtm.model.tokens import StitchedBins
from nwb_mtm.model.transformer import Transformer
from nwb_mtm.passes import RULES, Pass, Score, forward_bins

MOST_ENTRIES = 2**23  # entries of counts in one look at the network
MOST_TOKENS, WIDE = 3200, 256  # tokens in one look of a wide transformer, whose activations then stay in the cache
LEAST, MOST = -12.0, 3.0  # log expected counts stay between a spike in an hour and twenty in a bin


def expected(log_rate: Float[Tensor, "batch bin unit"]) -> Float[Tensor, "batch bin unit"]:
    """Expected counts, within reason."""
    return log_rate.float().clamp(LEAST, MOST).exp()


def predict_passes(
    model: MtM, batch: Batch, plan: tuple[Pass, ...], score: Score, *, ahead: int | None = None
) -> Float[ndarray, "window bin unit"]:
    """Expected counts of every pass's targets, for windows of one session; forward hides `ahead` bins (a tenth).

    Co-smoothing is mixed with what the targets' own regions say by themselves, as much as validation asked for.
    """
    wide = predict_from_all(model, batch, plan, score, ahead=ahead)
    if score != "co-smoothing" or not model.own_region or not len(batch):
        return wide
    return mixed(wide, predict_from_own(model, batch, plan, wide), model.own_region)


def mixed(
    wide: Float[ndarray, "window bin unit"], own: Float[ndarray, "window bin unit"], share: float
) -> Float[ndarray, "window bin unit"]:
    """The weighted mean of two predictions' logarithms."""
    return np.where(np.isfinite(wide), wide ** np.float32(1 - share) * own ** np.float32(share), np.float32(np.nan))


def predict_from_own(
    model: MtM, batch: Batch, plan: tuple[Pass, ...], wide: Float[ndarray, "window bin unit"]
) -> Float[ndarray, "window bin unit"]:
    """What the other units of each target's region say, all regions but that hidden too.

    It is what all units say where a unit belongs to no region, or nothing else is hidden or seen.
    """
    region, alone = batch.region[0].cpu().numpy(), []
    for one in plan:
        for name in np.unique(region[one.targets]):
            hidden = one.hidden | (region != name)
            if name != CONTEXT and not hidden.all() and (hidden != one.hidden).any():
                alone.append(Pass(hidden, one.targets[region[one.targets] == name]))
    if not alone:
        return wide
    said = predict_from_all(model, batch, tuple(alone), "intra-region")
    return np.where(np.isnan(said), wide, said)


def predict_from_all(
    model: MtM, batch: Batch, plan: tuple[Pass, ...], score: Score, *, ahead: int | None = None
) -> Float[ndarray, "window bin unit"]:
    """The same from everything that is seen alone."""
    bins = batch.counts.shape[1]
    out = np.full(tuple(batch.counts.shape), np.nan, np.float32)
    scheme, hidden_bins = RULES[score].scheme, (ahead or forward_bins(bins)) if score == "forward" else 0
    if score == "co-smoothing" and _leaves_one_out(model, batch, plan):
        return _one_by_one(model, batch, plan)
    most = MOST_TOKENS // bins if is_wide(model) else len(batch)
    for rows, some in chunks(batch, plan, most):
        rates = _look(model, batch.take(rows), some, scheme, hidden_bins)
        for one, rate in zip(some, rates):
            first = bins - hidden_bins if hidden_bins else 0
            out[rows, first:, one.targets] = rate[:, first:, : len(one.targets)]
    return out


def is_wide(model: MtM) -> bool:
    """Whether the transformer's activations are what fills the processor's cache."""
    return any(isinstance(one, Transformer) and one.norm.normalized_shape[0] >= WIDE for one in model.voices)


def _leaves_one_out(model: MtM, batch: Batch, plan: tuple[Pass, ...]) -> bool:
    """Whether every pass hides its one target alone, and silence that is hidden changes nothing that is seen."""
    alone = all(len(one.targets) == 1 and one.hidden.sum() == 1 for one in plan)
    counted = [isinstance(one, Transformer) and isinstance(one.tokenizer, StitchedBins) for one in model.voices]
    silent = model.slow is None or not model.slow.speaks
    return alone and all(counted) and silent and batch.complete


def _one_by_one(model: MtM, batch: Batch, plan: tuple[Pass, ...]) -> Float[ndarray, "window bin unit"]:
    """Exact leave-one-out where tokens are sums over counts.

    A unit that is silent in a window adds nothing to its tokens, so that hiding it leaves the same tokens as hiding
    any other silent one: one look gives all of them. The others have a look each.
    """
    out = np.full(tuple(batch.counts.shape), np.nan, np.float32)
    active = (batch.counts > 0).any(1).cpu().numpy()
    asked = np.zeros(active.shape[1], bool)
    asked[[one.targets[0] for one in plan]] = True
    window, unit = np.nonzero(active & asked)
    some = np.flatnonzero((~active & asked).any(1))
    window, unit = np.concatenate([some, window]), np.concatenate([(~active & asked)[some].argmax(1), unit])
    most = max(1, MOST_ENTRIES // max(1, out[0].size))
    most = min(most, max(1, MOST_TOKENS // out.shape[1])) if batch.counts.device.type == "cpu" else most
    for first in range(0, len(window), most):
        rows, units = window[first : first + most], unit[first : first + most]
        silent = max(0, min(len(some) - first, len(rows)))
        for part, everyone in ((slice(0, silent), True), (slice(silent, None), False)):
            if len(rows[part]):
                _hide_one(model, batch, rows[part], units[part], out, silent=~active & asked if everyone else None)
    return out


@torch.no_grad()
def _hide_one(
    model: MtM,
    batch: Batch,
    rows: Int[ndarray, " row"],
    units: Int[ndarray, " row"],
    out: Float[ndarray, "window bin unit"],
    silent: Bool[ndarray, "window unit"] | None,
) -> None:
    """Hide one unit in each of the windows; write down what is expected of it, or of all silent units."""
    device = batch.counts.device
    hidden = torch.nn.functional.one_hot(torch.from_numpy(units), out.shape[2]).bool().to(device)
    everywhere = hidden[:, None].expand(-1, out.shape[1], -1)
    _, first, window = np.unique(rows, return_index=True, return_inverse=True)
    lone = Lone(*(torch.from_numpy(numbers).to(device) for numbers in (units, window, first)))
    mask = Mask(everywhere, everywhere, "neuron", lone=lone)
    targets = None if silent is not None else torch.from_numpy(units)[:, None].to(device)
    rates = expected(model(batch.take(torch.from_numpy(rows).to(device)), mask, targets)).cpu().numpy()
    if silent is None:
        out[rows, :, units] = rates[:, :, 0]
        return
    for row, rate in zip(rows, rates):
        out[row][:, silent[row]] = rate[:, silent[row]]


def chunks(
    batch: Batch, plan: tuple[Pass, ...], windows: int | None = None
) -> Iterator[tuple[slice, tuple[Pass, ...]]]:
    """Windows (at most `windows`) and passes that fit into one look."""
    entries = batch.counts.shape[1] * batch.counts.shape[2]
    most = max(1, MOST_ENTRIES // max(1, entries))
    if windows is not None and windows < len(batch):
        most = max(1, min(most, windows))
    windows = min(len(batch), most)
    together = max(1, most // max(1, windows))
    for start in range(0, len(batch), max(1, windows)):
        for first in range(0, len(plan), together):
            yield slice(start, min(start + windows, len(batch))), plan[first : first + together]


@torch.no_grad()
def _look(
    model: MtM, batch: Batch, plan: tuple[Pass, ...], scheme: str, hidden_bins: int
) -> Float[ndarray, "pass window bin target"]:
    """The targets' expected counts under every pass; passes with fewer targets than others are padded."""
    device = batch.counts.device
    hidden = torch.tensor(np.stack([one.hidden for one in plan]), device=device)
    targets = torch.zeros(len(plan), max(len(one.targets) for one in plan), dtype=torch.long)
    for row, one in zip(targets, plan):
        row[: len(one.targets)] = torch.from_numpy(one.targets)
    windows, bins, _ = batch.counts.shape
    rows = torch.arange(windows, device=device).repeat(len(plan))
    everywhere = hidden.repeat_interleave(windows, 0)[:, None].expand(-1, bins, -1)
    if hidden_bins:
        late = torch.arange(bins, device=device) >= bins - hidden_bins
        everywhere = everywhere | late[None, :, None]
    mask = Mask(everywhere, everywhere, scheme, causal=hidden_bins > 0, runs=len(plan))
    with few_threads(model):
        rates = expected(model(batch.take(rows), mask, targets.to(device)))
    return rates.view(len(plan), windows, bins, -1).float().cpu().numpy()
