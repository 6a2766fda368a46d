"""Behaviour and trial labels, decoded by decoders that never saw the time they decode."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.annotation.blending import Grid, blend
from nwb_mtm.annotation.decoders import Decoders, activity_of
from nwb_mtm.annotation.fitted import Fitted, cut_rows
from nwb_mtm.binning import bin_series
from nwb_mtm.nwb.annotations import BEHAVIOR, Annotation, DecodedSeries
from nwb_mtm.nwb.annotations_read import Written
from nwb_mtm.recording import Behavior, Intervals, Recording
from nwb_mtm.splits import PARTS
from nwb_mtm.windows import Windows

if TYPE_CHECKING:
    from nwb_mtm.decoding.cross import CrossLabels

CHUNK = 64
TABLE = "decoded.table"  # where the decoded labels come from


def add_decoded(
    made: Annotation, models: Sequence[Fitted], what: tuple[str, ...], targets: tuple[str, ...] | None = None
) -> Annotation:
    """The annotation with what was asked for.

    `targets` are the columns and series to decode; without any, all series, and columns that say different things.
    """
    grid = Grid(made.t0, made.bin_size, len(made.kind))
    recording = models[0].recording
    if "latents" in what:
        made = replace(made, latents=_latents(made, models[0], grid))
    if "behavior" in what and recording.behaviors:
        named = [
            name for name in recording.behaviors if targets is None or {name, name.rsplit("/", 1)[-1]} & set(targets)
        ]
        made = _with_behavior(made, models, grid, named)
    if "labels" in what and recording.trials is not None:
        made = _with_labels(made, models, targets)
    return made


def _latents(made: Annotation, fitted: Fitted, grid: Grid) -> Float[ndarray, "bin width"]:
    """Blended over the windows whose rates were written; of the first of several models, whose axes differ."""
    table = made.windows
    wanted = np.array([s == "test" or made.include_trained for s in table.split], bool) & (table.fold == 0)
    start = np.unique(table.start[wanted])
    pieces, width = [], 0
    for first in range(0, len(start), CHUNK):
        windows, _ = cut_rows(fitted, start[first : first + CHUNK])
        found = activity_of(fitted, windows)
        width = found.shape[2]
        pieces += list(zip(windows.start.tolist(), found))
    series = blend(grid, pieces, width)
    series[made.kind == 0] = np.nan
    return series


def _with_behavior(made: Annotation, models: Sequence[Fitted], grid: Grid, names: Sequence[str]) -> Annotation:
    start = np.unique(grid.snap(models[0].windows.start))
    windows, _ = cut_rows(models[0], start, behaviors=True)
    source = Decoders(windows, models)
    decoded, scores = [], {}
    for name in names:
        like = models[0].recording.behaviors[name]
        if not windows.behaviors[name].valid.any():
            continue
        found = source.series(name)
        if found.values.shape[2] != like.dims:
            continue
        values = blend(grid, zip(windows.start.tolist(), found.values), like.dims)
        short = name.rsplit("/", 1)[-1]
        r2 = explained(values, like, made.t0, made.bin_size)
        decoded.append(DecodedSeries(like, values, _about_series(made, r2, int(found.fold.max()) + 1)))
        scores[f"score.decoded.{short}.r2"] = repr(r2)
    return replace(made, behaviors=tuple(decoded), facts={**made.facts, **scores})


def _about_series(made: Annotation, r2: float, folds: int) -> str:
    how = f"every stretch of time by a decoder fitted on the others ({folds} stretches, with a gap)"
    if made.models > 1:
        how = f"every window by the one of {made.models} models, and a decoder, that have not seen it"
    return (
        f"Acausal (each value uses spikes up to {made.reach:g} s later), so not for latencies. Decoded from the "
        f"model's latents by ridge regression in bins of {made.bin_size * 1000:g} ms; {how}. "
        f"R2 over all decoded bins: {r2:.3f}."
    )


def explained(values: Float[ndarray, "bin dim"], like: Behavior, t0: float, bin_size: float) -> float:
    """Variance of the source series that decoded values explain, mean over its columns."""
    true, valid = bin_series(like, np.array([t0]), bins=len(values), bin_size=bin_size)
    known = valid[0] & np.isfinite(values).all(axis=1)
    if known.sum() < 2:
        return float("nan")
    y, p = true[0][known].astype(np.float64), values[known].astype(np.float64)
    total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    return float((1 - ((y - p) ** 2).sum(axis=0) / np.maximum(total, 1e-12)).mean())


def _with_labels(made: Annotation, models: Sequence[Fitted], targets: Sequence[str] | None) -> Annotation:
    from nwb_mtm.decoding.targets import choose

    fitted = models[0]
    windows = _trial_windows(fitted)
    trials = fitted.recording.trials
    if windows is None or trials is None:
        return made
    source = Decoders(windows, models)
    assert windows.trial is not None
    assert trials.rows is not None
    columns: dict[str, ndarray] = {
        "start_time": trials.start[windows.trial],
        "stop_time": trials.stop[windows.trial],
        "trial_row": trials.rows[windows.trial],
        "split": np.array([PARTS[p] for p in source.part]),
    }
    scores: dict[str, str] = {}
    names = choose(windows).columns if targets is None else [n for n in trials.targets if n in targets]
    for name in names:
        found = source.labels(name)
        if found is not None and (found.codes >= 0).any():
            columns.update(_label_columns(found))
            scores[f"score.decoded.{name}.accuracy"] = repr(found.accuracy)
            columns["fold"] = found.fold.astype(np.int64)
    if not scores:
        return made
    order = np.argsort(columns["start_time"], kind="stable")
    sorted_columns = {name: values[order] for name, values in columns.items()}
    facts = {**made.facts, **scores, TABLE: trials.path}
    return replace(made, trials=sorted_columns, trials_about=_about_labels(made, fitted, trials.path), facts=facts)


def _about_labels(made: Annotation, fitted: Fitted, table: str) -> str:
    how = "every stretch of time (fold) by a decoder fitted on the others"
    if made.models > 1:
        how = f"each by the one of {made.models} models (fold), and a decoder, that have not seen its window"
    return (
        f"Labels of the rows of {table}, decoded from the model's latents in windows of {fitted.windows.alignment}; "
        f"{how}. A window that holds the response or the outcome may tell it by movement."
    )


def _label_columns(found: "CrossLabels") -> dict[str, ndarray]:
    names = np.array([*found.classes, ""])
    out: dict[str, ndarray] = {f"{found.name}_decoded": names[found.codes]}
    for row, label in enumerate(found.classes):
        out[f"{found.name}_p_{label}"] = found.chance[:, row]
    return out


def _trial_windows(fitted: Fitted) -> Windows | None:
    """Windows that belong to trials: the model's own, or from each trial's start."""
    windows = fitted.windows
    assert windows.trial is not None
    if (windows.trial >= 0).any():
        return windows.take(np.flatnonzero(windows.trial >= 0))
    bare = replace(fitted.recording, behaviors={})
    cut = Windows.around(bare, "trials.start_time", before=0.0, after=windows.width, bin_size=windows.bin_size)
    return cut if len(cut) else None


def recompute_decoded(written: Written, recording: Recording) -> Mapping[str, float]:
    """The decoding scores that a file's own series and trials give."""
    found: dict[str, float] = {}
    series = {name.rsplit("/", 1)[-1]: like for name, like in recording.behaviors.items() if BEHAVIOR not in name}
    for name, values in written.behaviors().items():
        if name in series:
            two = values.reshape(len(values), -1)
            found[f"score.decoded.{name}.r2"] = explained(two, series[name], written.t0, written.bin_size)
    columns = written.trials()
    trials = recording.intervals.get(written.facts.get(TABLE, "")) or recording.trials
    if columns is not None and trials is not None:
        found.update(_accuracies(columns, trials))
    return found


def _accuracies(columns: Mapping[str, ndarray], trials: Intervals) -> dict[str, float]:
    assert trials.rows is not None
    place = {int(row): i for i, row in enumerate(trials.rows)}
    rows = np.array([place[int(row)] for row in columns["trial_row"]], np.int64)
    found = {}
    for name in (n.removesuffix("_decoded") for n in columns if n.endswith("_decoded")):
        if name in trials.columns:
            found[f"score.decoded.{name}.accuracy"] = _accuracy(
                name, trials.columns[name][rows], columns[f"{name}_decoded"]
            )
    return found


def _accuracy(name: str, values: ndarray, decoded: ndarray) -> float:
    """Share of trials with a label that were decoded rightly."""
    from nwb_mtm.decoding.targets import Labels

    labels = Labels.of(name, values.tolist())
    true = np.array([*labels.classes, ""])[labels.codes]
    known = (labels.codes >= 0) & (decoded != "")
    return float((true == decoded)[known].mean()) if known.any() else float("nan")
