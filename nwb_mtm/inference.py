"""Rates from a trained model: what it expects of entries it does not see."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm.batch import Batch, make_batch
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.errors import RunError
from nwb_mtm.masks import Mask
from nwb_mtm.model.compute import choose_device, few_threads
from nwb_mtm.model.looking import chunks, expected, predict_passes
from nwb_mtm.passes import Pass, Score, passes
from nwb_mtm.windows import Windows


def predict(
    checkpoint: Checkpoint,
    windows: Windows,
    score: Score = "co-smoothing",
    *,
    folds: int | None = 10,
    guard: Bool[ndarray, "unit unit"] | None = None,
    visible: Bool[ndarray, " unit"] | None = None,
    strict: bool | None = None,
    ahead: int | None = None,
    device: str = "",
) -> Float[ndarray, "window bin unit"]:
    """Expected counts where the score asks for them, NaN elsewhere.

    `folds=None` leaves out one unit at a time. `guard[n]` marks units hidden whenever n is a target.
    `visible` hides all other units in every pass, so that one region can speak alone. `ahead` is the number of
    bins that forward hides at the end, when it is not the published tenth.
    """
    strict = checkpoint.config.units.strict_regions if strict is None else strict
    plan = passes(windows.units, score, folds=folds, hide_with=guard, strict=strict)
    if visible is not None:
        plan = tuple(replace(one, hidden=one.hidden | ~visible) for one in plan)
    check_fits(checkpoint, windows)
    place = where(checkpoint, device)
    model = checkpoint.model(place)
    batch = make_batch([windows], checkpoint.vocabulary, strict=strict).to(place)
    return predict_passes(model, batch, plan, score, ahead=ahead)


def where(checkpoint: Checkpoint, device: str = "") -> torch.device:
    """The device that is named, else a GPU where there is one and the model was not told to stay away from it."""
    if device or checkpoint.config.train.device == "cpu":
        return torch.device(device or "cpu")
    return choose_device("auto")


def latents(
    checkpoint: Checkpoint,
    windows: Windows,
    *,
    visible: Bool[ndarray, " unit"] | None = None,
    causal: bool = False,
    device: str = "",
) -> Float[ndarray, "window bin width"]:
    """What the model holds before its read-out, from all units or from the visible ones."""
    check_fits(checkpoint, windows)
    place, found = where(checkpoint, device), []
    model = checkpoint.model(place)
    batch = make_batch([windows], checkpoint.vocabulary).to(place)
    for rows, _ in chunks(batch, (Pass(np.zeros(len(windows.units), bool), np.zeros(0, np.int64)),)):
        some = batch.take(rows)
        with torch.no_grad(), few_threads(model):
            found.append(model.latents(some, _reading_mask(some, visible, causal)).float().cpu().numpy())
    return np.concatenate(found)


def reconstruct(
    checkpoint: Checkpoint,
    windows: Windows,
    *,
    visible: Bool[ndarray, " unit"] | None = None,
    causal: bool = False,
    device: str = "",
) -> Float[ndarray, "window bin unit"]:
    """Expected counts of all units from all (or the visible) units, their own spikes included.

    With `causal`, every bin is predicted from earlier bins alone. What units did in other windows is left out.
    """
    check_fits(checkpoint, windows)
    place, found = where(checkpoint, device), []
    model = checkpoint.model(place)
    batch = make_batch([windows], checkpoint.vocabulary).timeless().to(place)
    for rows, _ in chunks(batch, (Pass(np.zeros(len(windows.units), bool), np.zeros(0, np.int64)),)):
        some = batch.take(rows)
        with torch.no_grad(), few_threads(model):
            found.append(expected(model(some, _reading_mask(some, visible, causal))).cpu().numpy())
    return np.concatenate(found)


def _reading_mask(batch: Batch, visible: Bool[ndarray, " unit"] | None, causal: bool) -> Mask:
    hidden = torch.zeros_like(batch.valid)
    if visible is not None:
        hidden = hidden | torch.tensor(~visible, device=hidden.device)
    scheme = "causal" if causal else "neuron" if visible is None else "intra-region"
    return Mask(hidden, hidden, scheme, causal)


def check_fits(checkpoint: Checkpoint, windows: Windows) -> None:
    """Refuse windows of another bin size, or units the model has no rows for."""
    checkpoint.vocabulary.unit_rows(windows.session, windows.units.keys)
    if abs(checkpoint.bin_size - windows.bin_size) > 1e-9:
        raise RunError(
            f"The model has bins of {checkpoint.bin_size:g} s, these windows {windows.bin_size:g} s. "
            f"Cut the windows with bin_size={checkpoint.bin_size:g}.",
            kind="does_not_fit",
        )
