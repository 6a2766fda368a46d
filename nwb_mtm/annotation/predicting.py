"""From a trained model to a plan of windows: only time it was not trained on, on one regular grid."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nwb_mtm.annotation.blending import Grid
from nwb_mtm.annotation.fitted import Fitted, beside_all, cut_rows
from nwb_mtm.annotation.laying import table_of
from nwb_mtm.annotation.making import Plan
from nwb_mtm.annotation.options import Options
from nwb_mtm.annotation.provenance import model_facts
from nwb_mtm.annotation.scoring import flagged_pairs
from nwb_mtm.errors import ConfigError
from nwb_mtm.nwb.annotations import WindowTable
from nwb_mtm.passes import RULES, Score
from nwb_mtm.recording import Recording
from nwb_mtm.windows import Windows

if TYPE_CHECKING:
    from nwb_mtm.checkpoint import Checkpoint

SCORE_OF: Mapping[str, Score] = {rule.scheme: score for score, rule in RULES.items()}


def from_model(model: Any, recording: Recording, options: Options) -> Plan:
    """What the model is asked, and where."""
    if options.scheme not in SCORE_OF:
        raise ConfigError(f"Unknown scheme {options.scheme!r}; choose among {', '.join(SCORE_OF)}.", kind="bad_value")
    models = beside_all(model, recording)
    fitted = models[0]
    grid = grid_of(fitted)
    causal = options.scheme == "causal"
    table = table_of(models, grid, extrapolate=options.extrapolate)
    hide_with = partners(fitted, table)
    return Plan(
        recording=replace(recording, key=fitted.recording.key),
        units=fitted.recording.units,
        grid=grid,
        windows=table,
        predict=partial(_rates, models, grid, table, options, hide_with),
        scheme=options.scheme,
        causal=causal,
        reach=0.0 if causal else fitted.windows.width,
        models=len(models),
        facts={**model_facts(models, options), "flagged_pairs": str(0 if hide_with is None else hide_with.sum() // 2)},
    )


def partners(fitted: Fitted, table: WindowTable) -> Bool[ndarray, "unit unit"] | None:
    """Which units are hidden with each: those that share its spikes; None when no pair does."""
    pairs = flagged_pairs(fitted.recording, table)
    if not pairs:
        return None
    out = np.zeros((len(fitted.recording.units),) * 2, bool)
    for pair in pairs:
        out[pair.first, pair.second] = out[pair.second, pair.first] = True
    return out


def grid_of(fitted: Fitted) -> Grid:
    """A grid on which the first window begins, over all of the recording's windows."""
    windows = fitted.windows
    low, high = fitted.recording.span
    origin = float(windows.start.min())
    start, stop = min(low, origin), max(high, float(windows.stop.max()))
    return Grid.covering(start, stop, windows.bin_size, origin=origin)


def _rates(
    models: Sequence[Fitted],
    grid: Grid,
    table: WindowTable,
    options: Options,
    hide_with: Bool[ndarray, "unit unit"] | None,
    rows: Int[ndarray, " row"],
) -> list[Float[ndarray, "bin unit"]]:
    """Rates in Hz for rows of the table, each by its model; NaN for one that is too little observed."""
    fitted = models[0]
    out = np.full((len(rows), fitted.windows.bins, len(fitted.recording.units)), np.nan, np.float32)
    for number in np.unique(table.fold[rows]).tolist():
        own = np.flatnonzero(table.fold[rows] == number)
        order = own[np.argsort(table.start[rows[own]], kind="stable")]
        windows, kept = cut_rows(fitted, table.start[rows[order]])
        if len(windows):
            counts = _counts(models[number].checkpoint, windows, options, hide_with)
            out[order[kept]] = counts / np.float32(grid.bin_size)
    return list(out)


def _counts(
    checkpoint: "Checkpoint", windows: Windows, options: Options, hide_with: Bool[ndarray, "unit unit"] | None
) -> Float[ndarray, "window bin unit"]:
    from nwb_mtm import inference

    if options.scheme == "causal":
        return inference.reconstruct(checkpoint, windows, causal=True)
    score = SCORE_OF[options.scheme]
    return inference.predict(checkpoint, windows, score, folds=options.folds or None, guard=hide_with)
