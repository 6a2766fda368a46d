"""The view over Zarr, by zarr; object references are never decoded, for they are stored as pickles."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from nwb_mtm.errors import ConfigError, SourceError
from nwb_mtm.nwb.view import Group, Node, find


@contextmanager
def open_folder(path: Path) -> Iterator[Group]:
    """Open a Zarr store that is a folder."""
    if not any((path / name).exists() for name in (".zgroup", ".zmetadata", "zarr.json")):
        raise SourceError(
            f"{path.name} is a folder without a Zarr store in it. Pass an .nwb file, or the .nwb.zarr folder itself.",
            kind="not_nwb",
        )
    try:
        import zarr
    except ImportError as error:
        raise ConfigError(
            f"{path.name} is a Zarr store; reading it needs the extra: pip install 'nwb-mtm[zarr]'.",
            kind="missing_extra",
        ) from error
    try:
        node = zarr.open_group(str(path), mode="r")
    except (ValueError, KeyError, OSError) as error:
        raise SourceError(f"{path.name} cannot be opened as a Zarr store: {error}", kind="unreadable") from error
    yield ZarrGroup(node, "/", node)


@dataclass(frozen=True, eq=False)
class ZarrGroup:
    """A group of a Zarr store."""

    node: Any
    path: str
    root: Any

    @cached_property
    def attrs(self) -> Mapping[str, Any]:
        return dict(self.node.attrs)

    @cached_property
    def _links(self) -> dict[str, str]:
        """Links are kept in an attribute: name -> path inside the same store."""
        links = self.attrs.get("zarr_link", [])
        return {link["name"]: link["path"] for link in links if link.get("source", ".") == "."}

    def names(self) -> tuple[str, ...]:
        return (*self.node.group_keys(), *self.node.array_keys(), *self._links)

    def get(self, name: str) -> Node | None:
        path = f"{self.path.rstrip('/')}/{name}"
        if name in self._links:
            target = find(ZarrGroup(self.root, "/", self.root), self._links[name])
            return None if target is None else _renamed(target, path)
        return _wrapped(self.node[name], path, self.root) if name in self.node else None


@dataclass(frozen=True, eq=False)
class ZarrArray:
    """An array of a Zarr store."""

    node: Any
    path: str
    root: Any

    @cached_property
    def attrs(self) -> Mapping[str, Any]:
        return dict(self.node.attrs)

    @property
    def _scalar(self) -> bool:
        return self.attrs.get("zarr_dtype") == "scalar"

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self._scalar else tuple(self.node.shape)

    @cached_property
    def dtype(self) -> np.dtype:
        dtype: np.dtype = np.dtype(self.node.dtype)
        return dtype

    @cached_property
    def holds_references(self) -> bool:
        """References, and anything else that only unpickling would show."""
        return _is_pickled(self.node) or self.attrs.get("zarr_dtype") == "object"

    def read(self, start: int = 0, stop: int | None = None) -> ndarray:
        if _is_pickled(self.node):
            raise SourceError(f"{self.path} is stored as pickles, which are never opened.", kind="unreadable")
        try:
            return np.asarray(self.node[0]) if self._scalar else np.asarray(self.node[start:stop])
        except (OSError, RuntimeError, ValueError) as error:
            raise SourceError(
                f"{self.path} cannot be read ({error}); the store is damaged.", kind="unreadable"
            ) from error

    def targets(self) -> tuple[str, ...] | None:
        """References that are plain text (newer writers): the last part of each path."""
        if _is_pickled(self.node) or len(self.shape) != 1:
            return None
        cells = self.node[:].tolist()
        paths = [cell.get("path", "") if isinstance(cell, dict) else "" for cell in cells]
        return tuple(path.rpartition("/")[2] for path in paths)

    def extents(self) -> list[tuple[int, int]]:
        return []


def _is_pickled(node: Any) -> bool:
    return any(type(codec).__name__ == "Pickle" for codec in node.filters or ())


def _wrapped(node: Any, path: str, root: Any) -> Node:
    return ZarrArray(node, path, root) if hasattr(node, "shape") else ZarrGroup(node, path, root)


def _renamed(target: Node, path: str) -> Node:
    """A link's target under the path of the link."""
    assert isinstance(target, ZarrArray | ZarrGroup)
    return _wrapped(target.node, path, target.root)
