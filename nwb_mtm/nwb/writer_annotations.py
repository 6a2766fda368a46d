"""Annotations into NWB files: core types only, built by pynwb, large arrays filled in afterwards in chunks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hdmf.backends.hdf5 import H5DataIO
from hdmf.common import DynamicTable, DynamicTableRegion, ElementIdentifiers, VectorData
from jaxtyping import Bool
from numpy import ndarray
from pynwb import NWBHDF5IO, NWBFile, ProcessingModule, TimeSeries
from pynwb.behavior import BehavioralTimeSeries, SpatialSeries
from pynwb.epoch import TimeIntervals

from nwb_mtm.nwb import annotations as names
from nwb_mtm.nwb.annotations import Annotation, DecodedSeries

CHUNK_BYTES = 1 << 20
STRIPE = 4096  # samples copied at a time
LEVEL = 4
ABOUT = {"ecephys": "Processed extracellular electrophysiology.", "behavior": "Processed behaviour."}
COLUMNS: Mapping[str, str] = {
    "unit": "the unit in the units table (its row)",
    "unit_row": "the unit's row in the units table of the source",
    "unit_id": "the unit's id in the units table",
    "unit_key": "how nwb-mtm names the unit within its session",
    "region": "the region the model was told",
    "region_rule": "where the region was found",
    "group": "probe, shank or array",
    "spike_count": "spikes in the source",
    "spike_hash": "hash of the spike times in the source",
    "spikes": "spikes in the scored bins",
    "bps": "bits per spike over the unit's mean rate in the scored bins, of the rates as written",
    "bps_low": "lower end of its 95 % interval (bootstrap over blocks of time)",
    "bps_high": "upper end of its 95 % interval",
    "bps_train_null": "bits per spike over the unit's mean rate in training time",
    "d2": "share of the Poisson deviance explained",
    "gain": "bits per spike over the best of the training mean, the average response, and that response with drift",
    "gain_low": "lower end of its 95 % interval (paired)",
    "gain_high": "upper end of its 95 % interval (paired)",
    "reliable": "the gain's interval lies above 0 and the unit is in no flagged pair",
    "flagged": "the unit shares spikes with another one, which may give it away",
}


def append_hdf5(path: Path, annotation: Annotation) -> None:
    """Add an annotation to an HDF5 file that pynwb can read; the file itself is changed."""
    with NWBHDF5IO(str(path), "r+") as io:
        file = io.read()
        add(file, annotation, table=_units_table(file, annotation))
        io.write(file)
    fill_hdf5(path, annotation)


def fill_hdf5(path: Path, annotation: Annotation) -> None:
    """Fill in the rates, stripe by stripe."""
    with h5py.File(path, "r+") as file:
        for name, bit, _ in annotation.series():
            _fill(file[f"processing/ecephys/{name}/data"], annotation, bit)


def _fill(target: Any, annotation: Annotation, bit: int) -> None:
    chosen = (annotation.kind & bit) > 0
    for first in range(0, len(chosen), target.chunks[0] if target.chunks else STRIPE):
        part = slice(first, first + (target.chunks[0] if target.chunks else STRIPE))
        if chosen[part].any():
            target[part] = masked(annotation.rates[part], chosen[part])


def masked(rates: ndarray, chosen: Bool[ndarray, " bin"]) -> ndarray:
    """The rates of the chosen samples, NaN in the others."""
    return np.where(chosen[:, None], rates, np.float32(np.nan))


@dataclass(frozen=True)
class Form:
    """How a backend wants large arrays: the rates of one kind of sample, and anything else."""

    rates: Callable[[Annotation, int], Any]
    pack: Callable[[ndarray], Any]


def add(file: NWBFile, annotation: Annotation, *, table: Any = None, form: Form | None = None) -> None:
    """Add all objects; `table` is the units table that rows refer to."""
    module = _module(file, "ecephys")
    form = form or Form(_empty, packed)
    for name, bit, about in annotation.series():
        rates = form.rates(annotation, bit)
        module.add(TimeSeries(name=name, data=rates, unit="Hz", description=about, **annotation.clock))
    module.add(_samples(annotation, form))
    module.add(_unit_table(annotation, table))
    module.add(_window_table(annotation))
    module.add(_fact_table(annotation))
    if annotation.latents is not None:
        module.add(_latents(annotation, form))
    if annotation.behaviors:
        _add_behaviors(_module(file, "behavior"), annotation, form)
    if annotation.trials is not None and len(annotation.trials["start_time"]):
        _module(file, "behavior").add(_trial_table(annotation))


def _module(file: NWBFile, name: str) -> ProcessingModule:
    if name not in file.processing:
        file.create_processing_module(name, ABOUT[name])
    return file.processing[name]


def _empty(annotation: Annotation, bit: int) -> H5DataIO:
    """A compressed dataset full of NaN; its chunks hold all units for some seconds."""
    bins, units = annotation.rates.shape
    rows = max(1, min(bins, CHUNK_BYTES // (4 * max(units, 1))))
    return H5DataIO(
        shape=(bins, units),
        dtype=np.dtype("float32"),
        chunks=(rows, units),
        compression="gzip",
        compression_opts=LEVEL,
        shuffle=True,
        fillvalue=np.float32(np.nan),
    )


def packed(values: ndarray) -> Any:
    """A small array as it is, a larger one compressed."""
    if values.size < 256:
        return values
    return H5DataIO(values, compression="gzip", compression_opts=LEVEL, shuffle=True)


def _samples(annotation: Annotation, form: Form) -> TimeSeries:
    about = (
        f"For every sample of {names.RATES}: 0 nothing was predicted, 1 not trained on, 2 trained on or selected by; "
        "4 is added where the model was asked about time of another kind than it was trained on (extrapolated)."
    )
    data = form.pack(annotation.kind)
    return TimeSeries(name=names.SAMPLES, data=data, unit="n/a", description=about, **annotation.clock)


def _units_table(file: NWBFile, annotation: Annotation) -> Any:
    """The units table if the rows lie in it."""
    table = file.units
    rows = annotation.units.rows
    return table if table is not None and len(rows) and len(table) > int(rows.max()) else None


def _unit_table(annotation: Annotation, table: Any) -> DynamicTable:
    units = annotation.units
    columns: list[Any]
    if table is not None:
        about = COLUMNS["unit"]
        columns = [DynamicTableRegion(name="unit", data=units.rows.tolist(), description=about, table=table)]
    else:
        columns = [_column("unit_row", units.rows)]
    columns += [
        _column("unit_id", np.array([str(i) for i in units.ids])),
        _column("unit_key", np.array(units.keys)),
        _column("region", np.array(units.regions)),
        _column("region_rule", np.array(units.region_rules)),
        _column("group", np.array(units.groups)),
    ]
    columns += [_column(name, values) for name, values in annotation.unit_columns.items()]
    about = f"One row for each column of {names.RATES}. Scores are of the rates as written, on unseen time."
    return DynamicTable(name=names.UNITS, description=about, columns=columns)


def _column(name: str, values: ndarray) -> VectorData:
    data = [str(v) for v in values] if values.dtype.kind in "UO" else values
    return VectorData(name=name, description=COLUMNS.get(name, name.replace("_", " ")), data=data)


def _window_table(annotation: Annotation) -> TimeIntervals:
    windows = annotation.windows
    columns = [
        VectorData(name="start_time", description="start (s)", data=windows.start),
        VectorData(name="stop_time", description="stop (s)", data=windows.stop),
        VectorData(name="split", description="train, valid, test or dropped", data=list(windows.split)),
        VectorData(name="fold", description="the model that the row is about, 0 the only", data=windows.fold),
        VectorData(name="extrapolated", description="of a kind not trained on", data=windows.extrapolated),
    ]
    about = "The windows the model saw in training (train), was selected by (valid), or did not see (test)."
    if annotation.models > 1:
        about += " Of several models, each has rows of its own; a window is predicted by the model that tests it."
    ids = ElementIdentifiers(name="id", data=np.arange(len(windows)))
    return TimeIntervals(name=names.WINDOWS, description=about, columns=columns, id=ids)


def _fact_table(annotation: Annotation) -> DynamicTable:
    facts = dict(sorted(annotation.facts.items()))
    columns = [
        VectorData(name="fact", description="what is stated", data=list(facts)),
        VectorData(name="value", description="its value, as text", data=list(facts.values())),
    ]
    about = "Which software, model, settings and source the reconstruction was made with."
    return DynamicTable(name=names.FACTS, description=about, columns=columns)


def _latents(annotation: Annotation, form: Form) -> TimeSeries:
    assert annotation.latents is not None
    about = (
        f"{annotation.warning()} Internal state of the model, {annotation.latents.shape[1]} numbers for every bin, "
        "no unit hidden; the axes have no order and no meaning of their own."
    )
    if annotation.models > 1:
        about += f" Of the first of {annotation.models} models alone (fold 0), since each has axes of its own."
    data = form.pack(annotation.latents)
    return TimeSeries(name=names.LATENTS, data=data, unit="a.u.", description=about, **annotation.clock)


def _add_behaviors(module: ProcessingModule, annotation: Annotation, form: Form) -> None:
    container = BehavioralTimeSeries(name=names.BEHAVIOR)
    module.add(container)
    for decoded in annotation.behaviors:
        container.add_timeseries(_decoded(decoded, annotation, form))


def _decoded(decoded: DecodedSeries, annotation: Annotation, form: Form) -> TimeSeries:
    name = decoded.like.name.rsplit("/", 1)[-1]
    values = decoded.values[:, 0] if decoded.values.shape[1] == 1 else decoded.values
    columns = decoded.like.columns
    comments = f"columns=[{','.join(columns)}]" if columns else "no comments"
    shared = {"name": name, "data": form.pack(values), "description": decoded.about, "comments": comments}
    if decoded.like.kind == "SpatialSeries":
        unit = SPELLED.get(decoded.like.unit, decoded.like.unit or "unknown")
        return SpatialSeries(unit=unit, reference_frame="as in the source series", **shared, **annotation.clock)
    return TimeSeries(unit=decoded.like.unit or "unknown", **shared, **annotation.clock)


SPELLED = {"m": "meters", "cm": "centimeters", "mm": "millimeters", "px": "pixels"}


def _trial_table(annotation: Annotation) -> TimeIntervals:
    assert annotation.trials is not None
    columns = [_column(name, values) for name, values in annotation.trials.items()]
    ids = ElementIdentifiers(name="id", data=np.arange(len(annotation.trials["start_time"])))
    about = annotation.trials_about or "Trial labels as decoded, each by a decoder that did not see its block."
    return TimeIntervals(name=names.TRIALS, description=about, columns=columns, id=ids)
