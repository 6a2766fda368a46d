"""The view over HDF5, by h5py."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numpy import ndarray

from nwb_mtm.errors import SourceError
from nwb_mtm.nwb.view import Node


@dataclass(frozen=True, eq=False)
class Hdf5Group:
    """A group of an HDF5 file."""

    node: Any
    path: str

    @cached_property
    def attrs(self) -> Mapping[str, Any]:
        return _attributes(self.node)

    def names(self) -> tuple[str, ...]:
        return tuple(self.node)

    def get(self, name: str) -> Node | None:
        try:
            child = self.node.get(name)
        except (KeyError, OSError, RuntimeError):  # a link that leads nowhere
            return None
        path = f"{self.path.rstrip('/')}/{name}"
        if isinstance(child, h5py.Group):
            return Hdf5Group(child, path)
        return Hdf5Array(child, path) if isinstance(child, h5py.Dataset) else None


@dataclass(frozen=True, eq=False)
class Hdf5Array:
    """A dataset of an HDF5 file."""

    node: Any
    path: str

    @cached_property
    def attrs(self) -> Mapping[str, Any]:
        return _attributes(self.node)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.node.shape or ())

    @cached_property
    def dtype(self) -> np.dtype:
        dtype: np.dtype = np.dtype(self.node.dtype)
        return dtype

    @cached_property
    def holds_references(self) -> bool:
        dtype = self.dtype
        fields = [dtype] if dtype.names is None else [dtype[name] for name in dtype.names]
        return any(h5py.check_ref_dtype(field) is not None for field in fields)

    def read(self, start: int = 0, stop: int | None = None) -> ndarray:
        try:
            if self.node.shape is None:
                return np.zeros(0)
            if self.node.shape == ():
                return np.asarray(self.node[()])
            return np.asarray(self.node[start:stop])
        except (OSError, RuntimeError) as error:
            raise SourceError(
                f"{self.path} cannot be read ({error}). The file is damaged or needs a compression filter "
                "that is not installed; download it again, or install the `hdf5plugin` package.",
                kind="unreadable",
            ) from error

    def targets(self) -> tuple[str, ...] | None:
        if h5py.check_ref_dtype(self.dtype) is not h5py.Reference or len(self.shape) != 1:
            return None
        addresses = self._addresses()
        _, first, which = np.unique(addresses, return_index=True, return_inverse=True)
        names = [_pointed(self.node.file, self.node[int(row)]) for row in first]
        return tuple(names[i] for i in which)

    def _addresses(self) -> ndarray:
        """The references as numbers, in one read; equal ones point to the same object."""
        out = np.zeros(self.shape, np.uint64)
        if out.size:
            self.node.id.read(h5py.h5s.ALL, h5py.h5s.ALL, out, h5py.h5t.STD_REF_OBJ)
        return out

    def extents(self) -> list[tuple[int, int]]:
        node = self.node
        if node.chunks is None:
            offset = node.id.get_offset()
            return [] if offset is None else [(int(offset), int(node.id.get_storage_size()))]
        found: list[tuple[int, int]] = []
        node.id.chunk_iter(lambda chunk: found.append((int(chunk.byte_offset), int(chunk.size))))
        return found


def _pointed(file: Any, reference: Any) -> str:
    try:
        return str(file[reference].name).rpartition("/")[2]
    except (ValueError, KeyError, RuntimeError, OSError):
        return ""


def _attributes(node: Any) -> Mapping[str, Any]:
    out: dict[str, Any] = {}
    for name in node.attrs:
        try:
            out[sys.intern(name)] = node.attrs[name]
        except (OSError, RuntimeError, TypeError):  # a type that h5py cannot show
            continue
    return out
