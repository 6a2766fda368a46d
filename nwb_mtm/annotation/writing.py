"""Annotate one source: read it, predict, and write a copy, a sidecar, or the source itself."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nwb_mtm.annotation.making import Plan, from_prediction, make
from nwb_mtm.annotation.naming import annotated_name
from nwb_mtm.annotation.options import Options
from nwb_mtm.archive.addresses import LocalAddress, parse
from nwb_mtm.errors import ConfigError, RunError
from nwb_mtm.landing import settle
from nwb_mtm.nwb import annotations as names
from nwb_mtm.nwb.annotations import Annotation
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.nwb.writer_targets import is_annotated, sidecar_reason, write_copy, write_sidecar
from nwb_mtm.prediction import Prediction
from nwb_mtm.recording import Recording
from nwb_mtm.sources.reading import read, read_all
from nwb_mtm.sources.resolution import SourceItem, SourceOptions


@dataclass(frozen=True)
class Annotated:
    """One source that was annotated (or left, when its output was there and is to be kept)."""

    source: str
    path: Path
    mode: str
    reason: str = ""
    skipped: bool = False
    units: int = 0
    share: float = 0.0
    bps: float = float("nan")
    reliable: int = 0


def annotate(
    source: str | Path | Recording,
    model: Any,
    *,
    out: str | Path | None = None,
    options: Options | None = None,
    recording: Recording | None = None,
    **changes: Any,
) -> Annotated:
    """Write what a model (a run folder, a .safetensors file, a Checkpoint) or a Prediction says into a file.

    `out` is the file to write, or a folder; without it the output lies beside the source. Options are given as
    `options`, or one by one: `annotate("a.nwb", "runs/a", what=("rates", "latents"))`.
    """
    chosen = replace(options or Options(), **changes)
    place = _place(source)
    if recording is None:
        recording = source if isinstance(source, Recording) else read(source, read_options(model))
    mode, reason = _mode(place, chosen)
    target = _target(place, recording, out, mode)
    if not _may_write(target, place, chosen):
        return Annotated(recording.source.name, target, mode, "it is there already", skipped=True)
    made = annotation_of(recording, model, chosen)
    if mode == "sidecar":
        write_sidecar(recording, target, made)
    else:
        assert place is not None
        write_copy(place, target, made)
    return _told(recording, target, mode, reason, made)


def _place(source: str | Path | Recording) -> Path | None:
    """The local file, if there is one."""
    if isinstance(source, Recording):
        return None
    if isinstance(source, str):
        address = parse(source)
        return address.path if isinstance(address, LocalAddress) else None
    return source


def read_options(model: Any) -> ReadOptions:
    """Files are read as they were for training."""
    if isinstance(model, Prediction):
        return ReadOptions()
    from nwb_mtm.predictor import load_folds

    units = load_folds(model)[0].config.units
    return ReadOptions(
        quality=units.quality,
        regions_from=units.regions_from or None,
        region_level=units.region_level,
        trials=units.trials or None,
        within=units.within or None,
    )


def read_as_trained(item: SourceItem, model: Any, options: SourceOptions | None) -> Recording:
    """One file of many, read as it was for training."""
    _, result = next(read_all([item], selection=read_options(model), options=options, strict=True))
    assert isinstance(result, Recording)
    return result


def annotation_of(recording: Recording, model: Any, options: Options) -> Annotation:
    """Everything that will be written."""
    made = make(_plan(recording, model, options), include_trained=options.include_trained)
    made = replace(made, facts={**made.facts, "command": options.command} if options.command else made.facts)
    if isinstance(model, Prediction):
        return made
    from nwb_mtm.annotation.decoded import add_decoded
    from nwb_mtm.annotation.fitted import beside_all

    return add_decoded(made, beside_all(model, recording), options.what, options.targets)


def _plan(recording: Recording, model: Any, options: Options) -> Plan:
    if isinstance(model, Prediction):
        return from_prediction(model, recording)
    from nwb_mtm.annotation.predicting import from_model

    return from_model(model, recording, options)


def _mode(place: Path | None, options: Options) -> tuple[str, str]:
    if place is None:
        if options.mode in ("copy", "in-place"):
            raise ConfigError(
                "A recording in memory or in an archive gets a sidecar; there is no file to copy.", kind="bad_value"
            )
        return "sidecar", "there is no local file to copy"
    if options.mode == "sidecar":
        return "sidecar", "as asked"
    reason = sidecar_reason(place)
    if options.mode == "auto":
        return ("sidecar", reason) if reason else ("copy", "")
    if reason and "GB" not in reason:
        raise RunError(
            f"{place.name} cannot be copied and added to, because {reason}. Use --sidecar.", kind="cannot_write"
        )
    return options.mode, "as asked"


def _target(place: Path | None, recording: Recording, out: str | Path | None, mode: str) -> Path:
    if mode == "in-place":
        assert place is not None
        return place
    name = annotated_name(recording.source.name.rsplit("/", 1)[-1])
    if place is not None and place.is_dir() and mode == "copy":
        name += ".zarr"
    if out is None:
        return (place.parent if place is not None else Path.cwd()) / name
    target = Path(out)
    return target if target.name.endswith((".nwb", ".zarr")) else target / name


def _may_write(target: Path, place: Path | None, options: Options) -> bool:
    """Only what we wrote is ever replaced."""
    if place is not None and target.exists() and place.exists() and target.samefile(place):
        if options.mode != "in-place":
            raise RunError(f"{target.name} is the source itself; use --in-place to change it.", kind="exists")
        return not is_annotated(target) or settle(target, options.existing)
    if target.exists() and options.existing == "overwrite" and not is_annotated(target):
        raise RunError(f"{target.name} exists and was not written by nwb-mtm; it is left as it is.", kind="exists")
    return settle(target, options.existing)


def _told(recording: Recording, target: Path, mode: str, reason: str, made: Annotation) -> Annotated:
    bps = made.unit_columns.get("bps", np.zeros(0))
    known = bps[np.isfinite(bps)]
    return Annotated(
        source=recording.source.name,
        path=target,
        mode=mode,
        reason=reason,
        units=len(made.units),
        share=made.share(names.UNSEEN),
        bps=float(known.mean()) if len(known) else float("nan"),
        reliable=int(made.unit_columns.get("reliable", np.zeros(1)).sum()),
    )
