"""From windows of rates to what is written: blended, masked where nothing was observed, and scored."""

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from nwb_mtm.annotation.blending import Grid, blend
from nwb_mtm.annotation.overlaps import Predict, before_and_after
from nwb_mtm.annotation.scoring import of_rows, score_units
from nwb_mtm.binning import observed_sets
from nwb_mtm.errors import RunError
from nwb_mtm.nwb import annotations as names
from nwb_mtm.nwb.annotations import Annotation, WindowTable
from nwb_mtm.prediction import Prediction
from nwb_mtm.recording import Recording, Units

CHUNK = 16  # windows predicted at a time
STRIPE = 8192  # bins masked at a time
PACKAGES = ("nwb-mtm", "numpy", "torch", "pynwb", "hdmf")


@dataclass(frozen=True, eq=False)
class Plan:
    """What is predicted, and how: windows on one grid, and a function that gives their rates."""

    recording: Recording
    units: Units
    grid: Grid
    windows: WindowTable
    predict: Predict
    scheme: str
    causal: bool = False
    reach: float = 0.0
    models: int = 1
    facts: Mapping[str, str] = field(default_factory=dict)


def make(plan: Plan, *, include_trained: bool = False) -> Annotation:
    """Predict, blend and score; only what is asked for is predicted."""
    rates, kind = _layers(plan, include_trained)
    _hide_unobserved(rates, plan)
    spikes = of_rows(plan.recording, plan.units.rows).spikes
    made = Annotation(
        session=plan.recording.key,
        t0=plan.grid.t0,
        bin_size=plan.grid.bin_size,
        rates=rates,
        kind=kind,
        units=plan.units,
        windows=plan.windows,
        scheme=plan.scheme,
        causal=plan.causal,
        reach=plan.reach,
        models=plan.models,
        facts={
            **plan.facts,
            **source_facts(plan.recording),
            **grid_facts(plan),
            **versions(),
            **before_and_after(spikes, plan.grid, plan.windows, plan.predict, rates),
        },
        include_trained=include_trained,
    )
    return scored(made, plan.recording)


def scored(made: Annotation, recording: Recording) -> Annotation:
    """The same with every unit's scores, of the rates as they are."""
    grid = Grid(made.t0, made.bin_size, len(made.kind))
    chosen = of_rows(recording, made.units.rows)
    found = score_units(chosen, grid, lambda a, b: unseen_rates(made, a, b), made.windows)
    columns = {name: values for name, values in found.items() if not np.isnan(values.astype(np.float64)).all()}
    return replace(made, unit_columns={**made.unit_columns, **columns}, facts={**made.facts, **summary(columns)})


def unseen_rates(made: Annotation, first: int, stop: int) -> ndarray:
    """A stretch of the rates of unseen time, NaN elsewhere."""
    unseen = (made.kind[first:stop] & names.UNSEEN) > 0
    return np.where(unseen[:, None], made.rates[first:stop], np.float32(np.nan))


def summary(columns: Mapping[str, ndarray]) -> dict[str, str]:
    """Means over units, for a reader who looks no further."""
    if "bps" not in columns:
        return {"score.units": "0"}
    bps = columns["bps"]
    known = np.isfinite(bps)
    mean = float(bps[known].mean()) if known.any() else float("nan")
    return {
        "score.units": str(int(known.sum())),
        "score.bps_mean": repr(mean),
        "score.reliable_units": str(int(columns["reliable"].sum())),
    }


def _layers(plan: Plan, include_trained: bool) -> tuple[ndarray, ndarray]:
    """Unseen windows first; others fill only what is still empty."""
    test = np.array([split == "test" for split in plan.windows.split], bool)
    late = plan.windows.extrapolated
    wanted = [(test & ~late, names.UNSEEN), (test & late, names.UNSEEN | names.EXTRAPOLATED)]
    if include_trained:
        rest = _untested(plan.windows)
        wanted += [(rest & ~late, names.SEEN), (rest & late, names.SEEN | names.EXTRAPOLATED)]
    rates = np.full((0, len(plan.units)), np.nan, np.float32)
    kind = np.zeros(plan.grid.bins, np.uint8)
    for rows, bits in wanted:
        if not rows.any():
            continue
        layer = blend(plan.grid, _pieces(plan, np.flatnonzero(rows)), len(plan.units), causal=plan.causal)
        fresh = np.isfinite(layer).any(axis=1) & (kind == 0)
        kind[fresh] = bits
        if not len(rates):
            rates = layer
        else:
            rates[fresh] = layer[fresh]
    if not len(rates):
        raise RunError(
            f"{plan.recording.source.name} has no window that the model has not been trained on.", kind="no_unseen_time"
        )
    return rates, kind


def _untested(windows: WindowTable) -> Bool[ndarray, " window"]:
    """Windows that no model may be tested on, each once."""
    test = np.zeros(len(windows), bool)
    test[windows.rows("test")] = True
    rest = np.flatnonzero(~np.isin(windows.start, windows.start[test]))
    out = np.zeros(len(windows), bool)
    out[rest[np.unique(windows.start[rest], return_index=True)[1]]] = True
    return out


def _pieces(plan: Plan, rows: Int[ndarray, " row"]) -> Iterator[tuple[float, ndarray]]:
    for first in range(0, len(rows), CHUNK):
        part = rows[first : first + CHUNK]
        for row, rates in zip(part, plan.predict(part)):
            yield float(plan.windows.start[row]), rates


def _hide_unobserved(rates: ndarray, plan: Plan) -> None:
    """Where a unit was not watched there is no rate."""
    observed = plan.recording.observed
    if observed is None:
        return
    place = {int(row): i for i, row in enumerate(plan.recording.units.rows)}
    index = observed.index[[place[int(row)] for row in plan.units.rows]]
    for first in range(0, plan.grid.bins, STRIPE):
        stop = min(plan.grid.bins, first + STRIPE)
        edges = plan.grid.t0 + np.arange(first, stop + 1) * plan.grid.bin_size
        watched = observed_sets(observed, edges[None])[:, 0]
        if not watched.all():
            rates[first:stop][~watched[index].T] = np.nan


def from_prediction(prediction: Prediction, recording: Recording) -> Plan:
    """A plan that takes the rates of a prediction; runs of seen and unseen bins become windows of their own."""
    _fits(prediction, recording)
    bins, step = prediction.rates.shape[1], prediction.bin_size
    grid = Grid.covering(
        float(prediction.start.min()),
        float(prediction.start.max()) + bins * step,
        step,
        origin=float(prediction.start[0]),
    )
    window, low, high, seen = _runs(prediction.seen)
    table = WindowTable(
        start=prediction.start[window] + low * step,
        stop=prediction.start[window] + high * step,
        split=tuple("train" if s else "test" for s in seen),
        fold=np.zeros(len(window), np.int64),
        extrapolated=np.zeros(len(window), bool),
    )

    def predict(rows: ndarray) -> list[ndarray]:
        return [prediction.rates[window[r], low[r] : high[r]] for r in rows]

    return Plan(
        recording, prediction.units, grid, table, predict, prediction.scheme, prediction.causal, prediction.reach,
        1, {name: str(value) for name, value in prediction.provenance.items()},
    )  # fmt: skip


def _runs(seen: ndarray) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Window, first bin, last bin and value of every run of equal bins within a window."""
    edge = np.ones((len(seen), seen.shape[1] + 1), bool)
    edge[:, 1:-1] = seen[:, 1:] != seen[:, :-1]
    window, place = np.nonzero(edge)
    inside = place[:-1] < place[1:]
    window, low, high = window[:-1][inside], place[:-1][inside], place[1:][inside]
    return window, low, high, seen[window, low]


def _fits(prediction: Prediction, recording: Recording) -> None:
    known = {int(row): key for row, key in zip(recording.units.rows, recording.units.keys)}
    strange = [k for r, k in zip(prediction.units.rows, prediction.units.keys) if known.get(int(r)) != k]
    if prediction.session != recording.key or strange:
        raise RunError(
            f"The prediction is of session {prediction.session!r}"
            f"{f' and has a unit {strange[0]!r} that is not there' if strange else ''}; "
            f"{recording.source.name} holds {recording.key!r}.",
            kind="does_not_fit",
        )


def source_facts(recording: Recording) -> dict[str, str]:
    """Where the recording came from: names and hashes, no folder, host or person."""
    source = recording.source
    shown = {
        "name": source.name.replace("\\", "/").rsplit("/", 1)[-1] if not source.dandiset else source.name,
        "identifier": source.identifier,
        "object_id": source.object_id,
        "dandiset": source.dandiset,
        "version": source.version,
        "etag": source.etag,
        "doi": source.doi,
        "licence": source.licence,
    }
    return {f"source.{name}": value for name, value in shown.items() if value}


def grid_facts(plan: Plan) -> dict[str, str]:
    """The grid to the bit, and how to read it."""
    return {
        "session": plan.recording.key,
        "scheme": plan.scheme,
        "causal": "true" if plan.causal else "false",
        "reach": repr(float(plan.reach)),
        "grid.t0": repr(float(plan.grid.t0)),
        "grid.bin_size": repr(float(plan.grid.bin_size)),
        "format": "1",
    }


def versions() -> dict[str, str]:
    """What it was made with."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package.replace("-", "_")] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
