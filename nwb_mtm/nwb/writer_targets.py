"""A copy of the source, a sidecar, or the source itself: changed under a temporary name, moved when valid."""

import hashlib
import json
import os
import shutil
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from hdmf.backends.errors import UnsupportedOperation
from hdmf.build import BuildError, ConstructError
from numpy import ndarray
from pynwb import NWBHDF5IO, validate

from nwb_mtm.errors import RunError
from nwb_mtm.landing import placing, sweep
from nwb_mtm.nwb import annotations as names
from nwb_mtm.nwb import writer
from nwb_mtm.nwb.annotations import Annotation
from nwb_mtm.nwb.writer_annotations import add, append_hdf5, fill_hdf5
from nwb_mtm.recording import Recording, Spikes

LARGEST_COPY = 2 << 30
UNREADABLE = (
    LookupError, TypeError, ValueError, RuntimeError, OSError, AttributeError, BuildError, ConstructError,
    UnsupportedOperation,
)  # fmt: skip
OWN = frozenset(name for group in names.NAMES.values() for name in group)


def sidecar_reason(source: Path) -> str:
    """Why a source is not to be copied; empty when a copy is fine."""
    if source.is_dir():
        return "it is a Zarr store with references" if _zarr_references(source) else ""
    if source.stat().st_size > LARGEST_COPY:
        return f"it has {source.stat().st_size / 1e9:.1f} GB"
    return "" if readable(source) else "pynwb cannot read it"


def readable(source: Path) -> bool:
    """Whether pynwb opens the file and builds all of its objects."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with NWBHDF5IO(str(source), "r") as io:
                io.read()
    except UNREADABLE:
        return False
    return True


def is_annotated(path: Path) -> bool:
    """Whether a file holds a reconstruction of ours."""
    if path.is_dir():
        return (path / "processing" / "ecephys" / names.FACTS).is_dir()
    try:
        with h5py.File(path, "r") as file:
            return f"processing/ecephys/{names.FACTS}" in file
    except OSError:
        return False


def write_copy(source: Path, target: Path, annotation: Annotation) -> None:
    """A copy of the source with the annotation added (the source itself when both are the same)."""
    sweep(target)
    if source.is_dir():
        from nwb_mtm.nwb.writer_zarr import write_zarr_copy

        write_zarr_copy(source, target, annotation)
        return
    mode = stat.S_IMODE(source.stat().st_mode)
    with placing(target) as temporary:
        shutil.copyfile(source, temporary)
        with _quiet():
            strip(temporary)
            append_hdf5(temporary, annotation)
            check_valid(temporary)
        os.chmod(temporary, mode if source == target else mode | stat.S_IWUSR)


def strip(path: Path) -> None:
    """Take our objects out of a file; anything else stays, and stops the work when it bears one of our names."""
    with h5py.File(path, "r+") as file:
        ours = f"processing/ecephys/{names.FACTS}" in file
        for module, members in names.NAMES.items():
            group = file.get(f"processing/{module}")
            if group is None:
                continue
            taken = [name for name in members if name in group]
            if taken and not ours:
                raise RunError(
                    f"{path.name.rsplit('-', 1)[-1]} has its own processing/{module}/{taken[0]}, which nwb-mtm did not "
                    "write. Use --sidecar.",
                    kind="exists",
                )
            for name in taken:
                del group[name]
            if taken and not len(group):
                del file[f"processing/{module}"]


def write_sidecar(recording: Recording, target: Path, annotation: Annotation) -> None:
    """A small file with the subject, the session and the units' names and hashes instead of their spikes."""
    sweep(target)
    keyed = replace(annotation, unit_columns={**unit_hashes(recording, annotation), **annotation.unit_columns})
    identifier = f"{recording.source.identifier or recording.key}-mtm"
    about = "Reconstructed rates of a session whose spikes are in another file, by nwb-mtm."
    file = writer.frame(replace(recording, source=replace(recording.source, identifier=identifier)), about)
    add(file, keyed)
    with placing(target) as temporary, _quiet():
        with NWBHDF5IO(str(temporary), "w") as io:
            io.write(file)
        fill_hdf5(temporary, keyed)
        check_valid(temporary)


def unit_hashes(recording: Recording, annotation: Annotation) -> Mapping[str, ndarray]:
    """Spike count and hash for every annotated unit, by which a re-sorted source is noticed."""
    place = {int(row): i for i, row in enumerate(recording.units.rows)}
    chosen = recording.spikes.take(np.array([place[int(row)] for row in annotation.units.rows]))
    return {"spike_count": chosen.counts, "spike_hash": np.array(train_hashes(chosen))}


def train_hashes(spikes: Spikes) -> list[str]:
    """A hash of every unit's spike times, to the bit."""
    trains = (spikes[unit] for unit in range(len(spikes)))
    return [hashlib.blake2b(t.astype("<f8").tobytes(), digest_size=8).hexdigest() for t in trains]


def check_valid(path: Path) -> None:
    """Refuse a file in which something that we wrote breaks the NWB schema."""
    with NWBHDF5IO(str(path), "r") as io:
        found = [
            e
            for e in validate(io=io, use_cached_namespaces=False)
            if any(name in str(e.location or e.name) for name in OWN)
        ]
    if found:
        raise RunError(f"What was written is not valid NWB: {found[0]}.", kind="cannot_write")


@contextmanager
def _quiet() -> Iterator[None]:
    """Sources of other people make pynwb warn; that is nothing new to the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _zarr_references(store: Path) -> bool:
    """Whether a Zarr store holds columns of object references, which today's readers refuse to unpickle."""
    return any(_is_reference(file) for file in store.rglob(".zarray"))


def _is_reference(array: Path) -> bool:
    filters = json.loads(array.read_text()).get("filters") or ()
    return any(one.get("id") == "pickle" for one in filters)
