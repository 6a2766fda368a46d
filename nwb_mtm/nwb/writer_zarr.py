"""Annotations into a copy of a Zarr store; rows are plain numbers there, for references are pickles."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from hdmf.data_utils import GenericDataChunkIterator
from hdmf_zarr import NWBZarrIO, ZarrDataIO
from numpy import ndarray
from pynwb import validate

from nwb_mtm.errors import RunError
from nwb_mtm.landing import placing
from nwb_mtm.nwb import annotations as names
from nwb_mtm.nwb.annotations import Annotation
from nwb_mtm.nwb.writer_annotations import CHUNK_BYTES, Form, add, masked

OWN = frozenset(name for group in names.NAMES.values() for name in group)


def write_zarr_copy(source: Path, target: Path, annotation: Annotation) -> None:
    """Copy the store, take out what an earlier annotation wrote, add this one."""
    with placing(target) as temporary:
        shutil.copytree(source, temporary)
        _strip(temporary)
        with NWBZarrIO(str(temporary), "r+") as io:
            file = io.read()
            add(file, annotation, form=Form(_rates, _pack))
            io.write(file)
        zarr.consolidate_metadata(str(temporary))
        _check_valid(temporary)


class Stripes(GenericDataChunkIterator):  # type: ignore[misc]
    """The rates of one kind of sample, some seconds of all units at a time, so that no second copy is held."""

    def __init__(self, annotation: Annotation, bit: int) -> None:
        bins, units = annotation.rates.shape
        self.rates = annotation.rates
        self.chosen = (annotation.kind & bit) > 0
        rows = max(1, min(bins, CHUNK_BYTES // (4 * max(units, 1))))
        super().__init__(buffer_shape=(rows, units), chunk_shape=(rows, units))

    def _get_data(self, selection: tuple[slice, ...]) -> ndarray:
        return masked(self.rates[selection], self.chosen[selection[0]])

    def _get_maxshape(self) -> tuple[int, ...]:
        return tuple(self.rates.shape)

    def _get_dtype(self) -> np.dtype:
        return np.dtype("float32")


def _rates(annotation: Annotation, bit: int) -> Any:
    stripes = Stripes(annotation, bit)
    return ZarrDataIO(stripes, chunks=stripes.chunk_shape)


def _pack(values: ndarray) -> ndarray:
    return values


def _strip(store: Path) -> None:
    root = zarr.open_group(str(store), mode="r+")
    ours = f"processing/ecephys/{names.FACTS}" in root
    for module, members in names.NAMES.items():
        taken = [name for name in members if f"processing/{module}/{name}" in root]
        if taken and not ours:
            raise RunError(
                f"The store has its own processing/{module}/{taken[0]}, which nwb-mtm did not write. Use --sidecar.",
                kind="exists",
            )
        for name in taken:
            del root[f"processing/{module}/{name}"]


def _check_valid(path: Path) -> None:
    with NWBZarrIO(str(path), "r") as io:
        found = [
            e
            for e in validate(io=io, use_cached_namespaces=False)
            if any(name in str(e.location or e.name) for name in OWN)
        ]
    if found:
        raise RunError(f"What was written is not valid NWB: {found[0]}.", kind="cannot_write")
