"""Every series that could be behaviour, wherever it is, and what speaks against it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.view import Array, Group, as_text, find_array, find_group, is_array, kind_of, text_at

PLACES = ("acquisition", "processing", "analysis", "scratch")
NO_BEHAVIOR = frozenset(
    ["ElectricalSeries", "SpikeEventSeries", "ImageSeries", "ImageMaskSeries", "OpticalSeries", "IndexSeries"]
    + ["TwoPhotonSeries", "OnePhotonSeries", "AnnotationSeries", "IntervalSeries", "OptogeneticSeries"]
    + ["RoiResponseSeries", "DecompositionSeries", "AbstractFeatureSeries", "CurrentClampSeries", "VoltageClampSeries"]
    + ["PatchClampSeries", "CurrentClampStimulusSeries", "VoltageClampStimulusSeries", "IZeroClampSeries", "Events"]
    + ["LabeledEvents", "TTLs", "AnnotatedEventsTable"]
)
OURS = re.compile(r"decoded|predict(ed|ion)|reconstruct|latent", re.IGNORECASE)
RATES = re.compile(
    r"binned_?spikes?|spike_?(counts?|rates?)|firing_?rates?|multiunit|threshold_crossings", re.IGNORECASE
)
MASKS = re.compile(r"(^|_)mask(s|ed)?($|_)|eval_?mask|is_?valid", re.IGNORECASE)
EVENTS = re.compile(
    r"(^|_)(events?|ttls?|triggers?|sync|barcodes?|experiment_?ids?|digital_?in)($|_|\d)", re.IGNORECASE
)
VOLTAGE = re.compile(r"voltage", re.IGNORECASE)
MANY_UNITS = 10


@dataclass(frozen=True, eq=False)
class Candidate:
    """A series, or a table with timestamps, before its values are read."""

    path: str
    group: Group
    shape: tuple[int, ...]
    kind: str
    container: str
    columns: tuple[str, ...]  # of a table; empty for a series
    reason: str  # what its name, place or shape says against it; empty when nothing

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def samples(self) -> int:
        """How many there are."""
        return self.shape[0] if self.shape else 0

    def arrays(self) -> tuple[Array, ...]:
        """The datasets that reading it touches."""
        names = (*self.columns, "timestamps") if self.columns else ("data", "timestamps")
        return tuple(a for a in (find_array(self.group, name) for name in names) if a is not None)

    def words(self) -> str:
        """What the file says about it."""
        parts = [text_at(self.group, name) or "" for name in ("description", "comments")]
        data = find_array(self.group, "data")
        return " ".join([*parts, as_text(data.attrs.get("description", "")) if data is not None else ""])


def find_candidates(root: Group, units: int) -> tuple[Candidate, ...]:
    """All of them, in the order of the file."""
    found = []
    for place in PLACES:
        branch = find_group(root, place)
        if branch is not None:
            found += list(_walk(branch, kind_of(branch), units))
    return tuple(found)


def _walk(group: Group, container: str, units: int) -> Iterator[Candidate]:
    for name in group.names():
        child = group.get(name)
        if child is None or is_array(child):
            continue
        assert not isinstance(child, Array)
        candidate = _candidate(child, container, units)
        if candidate is not None:
            yield candidate
        elif not _is_series(child):
            yield from _walk(child, kind_of(child), units)


def _is_series(group: Group) -> bool:
    names = set(group.names())
    return "data" in names or bool({"timestamps", "starting_time"} & names)


def _candidate(group: Group, container: str, units: int) -> Candidate | None:
    kind = kind_of(group)
    data = find_array(group, "data")
    if data is not None:
        if kind in NO_BEHAVIOR or find_array(group, "electrodes") is not None or "external_file" in group.names():
            return None
        clocked = find_array(group, "timestamps") is not None or find_array(group, "starting_time") is not None
        if not clocked and not kind.endswith("Series"):
            return None
        reason = _reason(group, data.shape, data, container, units)
        return Candidate(group.path, group, data.shape, kind, container, (), reason)
    return _table(group, container, units)


def _table(group: Group, container: str, units: int) -> Candidate | None:
    """A table with a column of timestamps is a series whose columns are its numeric columns."""
    if find_array(group, "timestamps") is None or "colnames" not in group.attrs:
        return None
    table = Table(group)
    columns = tuple(
        n for n in table.names if n != "timestamps" and table.is_flat(n) and table.members[n].dtype.kind in "fiu"
    )
    if not table.is_flat("timestamps") or not columns:
        return None
    shape = (table.count, len(columns))
    return Candidate(
        group.path, group, shape, kind_of(group), container, columns, _reason(group, shape, None, container, units)
    )


def _reason(group: Group, shape: tuple[int, ...], data: Array | None, container: str, units: int) -> str:
    """Why this can be no behaviour, from its name, place and shape alone."""
    name = group.path.rpartition("/")[2]
    if OURS.search(group.path):
        return "decoded, predicted or reconstructed, not measured"
    if group.path.startswith("/processing/ecephys/"):
        return "lies in /processing/ecephys: made from the recording itself"
    if RATES.search(name):
        return "binned spikes or firing rates"
    if data is not None and data.dtype.kind not in "fiub":
        return "holds no numbers"
    if not shape or 0 in shape:
        return "is empty"
    if len(shape) > 2:
        return f"has {len(shape)} dimensions"
    if len(shape) == 2 and shape[1] == units and units >= MANY_UNITS:
        return "has one column for every unit"
    return _reason_by_kind(name, data, container)


def _reason_by_kind(name: str, data: Array | None, container: str) -> str:
    if MASKS.search(name) or (data is not None and data.dtype.kind == "b"):
        return "is a mask"
    if container == "BehavioralEvents" or EVENTS.search(name):
        return "holds events, no continuous series"
    if VOLTAGE.search(name):
        return "is a raw voltage"
    return ""


def is_whole(values: np.ndarray) -> bool:
    """Whether all finite values are whole numbers."""
    finite = values[np.isfinite(values)]
    return bool(len(finite)) and not np.any(np.mod(finite, 1.0))
