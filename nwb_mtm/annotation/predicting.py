"""From a trained model to a plan of windows: only time it was not trained on, on one regular grid."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nwb_mtm.alignment import cut
from nwb_mtm.annotation.blending import Grid
from nwb_mtm.annotation.making import Plan
from nwb_mtm.annotation.naming import plain_command
from nwb_mtm.annotation.scoring import flagged_pairs
from nwb_mtm.errors import ConfigError, RunError
from nwb_mtm.nwb.annotations import WindowTable
from nwb_mtm.passes import RULES, Score
from nwb_mtm.recording import Recording, overlap_share
from nwb_mtm.runs import model_file
from nwb_mtm.splits import PARTS, Split
from nwb_mtm.windows import Windows

if TYPE_CHECKING:
    from nwb_mtm.annotation.writing import Options
    from nwb_mtm.checkpoint import Checkpoint

SAME_RECORDING = 0.5  # share of common units above which two recordings are one
SCORE_OF: Mapping[str, Score] = {rule.scheme: score for score, rule in RULES.items()}


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model beside one recording: the units it knows, in its order, and how the recording was split."""

    checkpoint: "Checkpoint"
    recording: Recording
    windows: Windows  # as in training, all parts
    split: Split

    @property
    def is_tiled(self) -> bool:
        """Whether the model was trained on all time, not on windows around an event."""
        return self.windows.alignment.startswith("tile")


def load(model: Any) -> "Checkpoint":
    """A checkpoint from itself, a run folder or a model file."""
    from nwb_mtm.checkpoint import Checkpoint

    return model if isinstance(model, Checkpoint) else Checkpoint.load(model_file(model))


def beside(checkpoint: "Checkpoint", recording: Recording) -> Fitted:
    """Find the recording among the model's sessions, by its key or by its spikes."""
    key = known_session(checkpoint, recording)
    names = checkpoint.vocabulary.units[key]
    place = {name: i for i, name in enumerate(recording.units.keys)}
    missing = [name for name in names if name not in place]
    if missing:
        raise RunError(
            f"{recording.source.name} lacks {len(missing)} of the {len(names)} units that the model was trained on "
            f"(first: {missing[0]}).",
            kind="does_not_fit",
        )
    chosen = recording.select(np.array([place[name] for name in names], np.int64))
    units = replace(chosen.units, regions=checkpoint.vocabulary.regions[key])
    chosen = replace(chosen, key=key, units=units)
    split = checkpoint.splits[key]
    windows = cut(replace(chosen, behaviors={}), checkpoint.config.windows).windows.assigned(split)
    return Fitted(checkpoint, chosen, windows, split)


def known_session(checkpoint: "Checkpoint", recording: Recording) -> str:
    """The key under which the model knows a recording."""
    marks = recording.fingerprint
    shares = {key: overlap_share(marks, known) for key, known in checkpoint.fingerprints.items()}
    best = max(shares, key=lambda key: shares[key], default="")
    if best and shares[best] > SAME_RECORDING:
        return best
    if recording.key in checkpoint.vocabulary.units and not checkpoint.fingerprints.get(recording.key):
        return recording.key
    raise RunError(
        f"The model was not trained on the units of {recording.source.name}; it knows "
        f"{', '.join(checkpoint.vocabulary.sessions[:5])}.",
        kind="does_not_fit",
    )


def from_model(model: Any, recording: Recording, options: "Options") -> Plan:
    """What the model is asked, and where."""
    if options.scheme not in SCORE_OF:
        raise ConfigError(f"Unknown scheme {options.scheme!r}; choose among {', '.join(SCORE_OF)}.", kind="bad_value")
    fitted = beside(load(model), recording)
    grid = grid_of(fitted)
    causal = options.scheme == "causal"
    table = table_of(fitted, grid, options)
    hide_with = partners(fitted, table)
    return Plan(
        recording=replace(recording, key=fitted.recording.key),
        units=fitted.recording.units,
        grid=grid,
        windows=table,
        predict=partial(_rates, fitted, grid, table, options, hide_with),
        scheme=options.scheme,
        causal=causal,
        reach=0.0 if causal else fitted.windows.width,
        facts={**model_facts(fitted, options), "flagged_pairs": str(0 if hide_with is None else hide_with.sum() // 2)},
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


def table_of(fitted: Fitted, grid: Grid, options: "Options") -> WindowTable:
    """The windows of training as they were, and those that are predicted."""
    windows = fitted.windows
    usual = grid.snap(windows.start)
    start = [usual, _dense(fitted, grid)] if fitted.is_tiled else [usual]
    late = [np.zeros(len(s), bool) for s in start]
    if options.extrapolate and not fitted.is_tiled:
        start.append(_tiles(grid, fitted.recording.span, windows.bins))
        late.append(np.ones(len(start[-1]), bool))
    every, extrapolated = np.concatenate(start), np.concatenate(late)
    first = np.sort(np.unique(np.round((every - grid.t0) / grid.bin_size).astype(np.int64), return_index=True)[1])
    every, extrapolated = every[first], extrapolated[first]
    stop = every + windows.width
    part = fitted.split.parts(every, stop)
    return WindowTable(every, stop, tuple(PARTS[p] for p in part), np.zeros(len(every), np.int64), extrapolated)


def _dense(fitted: Fitted, grid: Grid) -> Float[ndarray, " window"]:
    """Windows that overlap by half through every interval of unseen time, from its first bin to its last."""
    found = [_tiles(grid, (float(a), float(b)), fitted.windows.bins) for a, b in fitted.split.test]
    return np.concatenate(found) if found else np.zeros(0)


def _tiles(grid: Grid, span: tuple[float, float], bins: int) -> Float[ndarray, " window"]:
    first = int(np.ceil((span[0] - grid.t0) / grid.bin_size - 1e-6))
    last = int(np.floor((span[1] - grid.t0) / grid.bin_size + 1e-6)) - bins
    if last < first:
        return np.zeros(0)
    place = np.unique(np.append(np.arange(first, last, max(1, bins // 2)), last))
    return grid.t0 + place * grid.bin_size


def cut_rows(
    fitted: Fitted, start: Float[ndarray, " row"], *, behaviors: bool = False
) -> tuple[Windows, Int[ndarray, " kept"]]:
    """Windows at the given starts, and which of these were observed enough to be cut."""
    recording = fitted.recording if behaviors else replace(fitted.recording, behaviors={})
    windows = Windows.at(recording, start, bins=fitted.windows.bins, bin_size=fitted.windows.bin_size)
    kept = np.searchsorted(start, windows.start) if len(start) else np.zeros(0, np.int64)
    return windows, kept


def _rates(
    fitted: Fitted,
    grid: Grid,
    table: WindowTable,
    options: "Options",
    hide_with: Bool[ndarray, "unit unit"] | None,
    rows: Int[ndarray, " row"],
) -> list[Float[ndarray, "bin unit"]]:
    """Rates in Hz for rows of the table; NaN for one that is too little observed."""
    from nwb_mtm import inference

    order = np.argsort(table.start[rows], kind="stable")
    windows, kept = cut_rows(fitted, table.start[rows][order])
    out = np.full((len(rows), fitted.windows.bins, len(fitted.recording.units)), np.nan, np.float32)
    if len(windows) == 0:
        return list(out)
    if options.scheme == "causal":
        counts = inference.reconstruct(fitted.checkpoint, windows, causal=True)
    else:
        score = SCORE_OF[options.scheme]
        counts = inference.predict(fitted.checkpoint, windows, score, folds=options.folds or None, guard=hide_with)
    out[order[kept]] = counts / np.float32(grid.bin_size)
    return list(out)


def model_facts(fitted: Fitted, options: "Options") -> dict[str, str]:
    """Which model, how it was trained, and how it was asked; no folder, host or person."""
    checkpoint = fitted.checkpoint
    facts = {
        "model.hash": model_hash(checkpoint),
        "model.schemes": ", ".join(checkpoint.schemes),
        "folds": str(options.folds) if options.folds else "one unit at a time",
        "alignment": fitted.windows.alignment,
        "region_level": checkpoint.vocabulary.level,
        "split.kind": fitted.split.kind,
        "split.seed": str(fitted.split.seed),
    }
    for name in ("train", "valid", "test", "guard"):
        facts[f"split.{name}"] = ", ".join(f"{a:.3f}-{b:.3f}" for a, b in getattr(fitted.split, name))
    for section, values in checkpoint.config.to_table().items():
        facts.update({f"config.{section}.{name}": _plain(value) for name, value in values.items()})
    command = checkpoint.provenance.get("command", "")
    return {**facts, "model.command": plain_command(str(command).split())} if command else facts


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    return plain_command([value]) if isinstance(value, str) and value else str(value)


def model_hash(checkpoint: "Checkpoint") -> str:
    """A hash of the weights and the names they belong to."""
    state = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(checkpoint.weights.items()):
        state.update(name.encode())
        state.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    state.update(repr(checkpoint.vocabulary.units).encode())
    return state.hexdigest()


def belongs(file: str | Path, model: Any) -> bool:
    """Whether a file was annotated by this model."""
    from nwb_mtm.nwb.annotations_read import open_written

    with open_written(file) as written:
        return written.facts.get("model.hash") == model_hash(load(model))
