"""One way to look at a file: groups and arrays by the specification's paths, whatever holds them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy import ndarray


@runtime_checkable
class Array(Protocol):
    """A dataset: its shape is known at once, its values are read when asked for."""

    @property
    def path(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def attrs(self) -> Mapping[str, Any]: ...
    @property
    def holds_references(self) -> bool: ...

    def read(self, start: int = 0, stop: int | None = None) -> ndarray:
        """Rows start to stop along the first axis, in one slice."""
        ...

    def targets(self) -> tuple[str, ...] | None:
        """The last path component that each object reference points to, or None when it cannot be told."""
        ...

    def extents(self) -> list[tuple[int, int]]:
        """Byte ranges (offset, length) in the file, as far as they are known."""
        ...


@runtime_checkable
class Group(Protocol):
    """A group: names, attributes and children."""

    @property
    def path(self) -> str: ...
    @property
    def attrs(self) -> Mapping[str, Any]: ...

    def names(self) -> tuple[str, ...]:
        """The names of the children, in the file's order."""
        ...

    def get(self, name: str) -> "Group | Array | None":
        """A child, or None when it is missing or its link leads nowhere."""
        ...


Node = Group | Array


def is_array(node: Node | None) -> bool:
    """Whether a node is a dataset."""
    return node is not None and hasattr(node, "shape")


def find(group: Group, path: str) -> Node | None:
    """What lies at a path below a group, or None."""
    node: Node | None = group
    for part in (p for p in path.split("/") if p):
        if node is None or is_array(node):
            return None
        node = node.get(part)  # type: ignore[union-attr]
    return node


def find_group(group: Group, path: str) -> Group | None:
    """The group at a path, or None."""
    node = find(group, path)
    return None if node is None or is_array(node) else node  # type: ignore[return-value]


def find_array(group: Group, path: str) -> Array | None:
    """The dataset at a path, or None."""
    node = find(group, path)
    return node if is_array(node) else None  # type: ignore[return-value]


def kind_of(node: Node) -> str:
    """The neurodata type, or an empty string."""
    return as_text(node.attrs.get("neurodata_type", ""))


def groups_below(group: Group, depth: int = 8) -> Iterator[Group]:
    """Every group below, parents before children."""
    for name in group.names() if depth else ():
        child = group.get(name)
        if child is None or is_array(child):
            continue
        yield child  # type: ignore[misc]
        yield from groups_below(child, depth - 1)  # type: ignore[arg-type]


def as_text(value: Any) -> str:
    """A string from whatever a file holds for one.

    >>> as_text(b"CA1"), as_text(np.array(["x"])), as_text(None)
    ('CA1', 'x', '')
    """
    if isinstance(value, ndarray):
        value = value.reshape(-1)[0] if value.size else ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return "" if value is None else str(value)


def as_number(value: Any) -> float:
    """A float from whatever a file holds for one; NaN when it is no number."""
    if isinstance(value, ndarray):
        value = value.reshape(-1)[0] if value.size else math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def text_at(group: Group, path: str) -> str | None:
    """The string at a path (a dataset or an attribute of its parent), stripped; None when there is none."""
    array = find_array(group, path)
    if array is not None:
        return as_text(array.read()).strip() or None
    parent, _, name = path.rpartition("/")
    holder = find_group(group, parent) if parent else group
    if holder is None or name not in holder.attrs:
        return None
    return as_text(holder.attrs[name]).strip() or None
