"""Headers of a remote file, fetched side by side before HDF5 asks for them one after the other.

HDF5 learns where a group's members lie by following addresses, each a request of its own. Here the addresses of all
groups of a level are followed together. Numbers of sections are those of the HDF5 File Format Specification.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import h5py

HEADER = 512  # bytes of a header that are looked at
NODE = 1024  # bytes of a tree's node
CONTINUATION, SYMBOL_TABLE = 0x10, 0x11
LEVELS = 5  # below the root: processing, module, container, series, its data
Wanted = frozenset[str] | None  # paths below a group; None for all of it


def fetch_headers(file: h5py.File, stream: Any, branches: Sequence[str]) -> None:
    """Announce to a stream, level by level, where all that lies below some branches has its headers.

    What is damaged is said when it is read.
    """
    level: list[tuple[h5py.Group, Wanted]] = [(file, frozenset(branches))]
    with suppress(KeyError, OSError, RuntimeError, ValueError, struct.error):
        for _ in range(LEVELS):
            members = [(group, name, _below(wanted, name)) for group, wanted in level for name in _names(group, wanted)]
            places = [_place(group, name) for group, name, _ in members]
            _announce_links(stream, [place for place in places if place is not None])
            level = [
                (child, wanted)
                for (group, name, wanted), place in zip(members, places)
                if place is not None and isinstance(child := group[name], h5py.Group)
            ]


def _names(group: h5py.Group, wanted: Wanted) -> Iterator[str]:
    first = None if wanted is None else {path.split("/", 1)[0] for path in wanted}
    return (name for name in group if first is None or name in first)


def _below(wanted: Wanted, name: str) -> Wanted:
    if wanted is None or name in wanted:
        return None
    return frozenset(path.split("/", 1)[1] for path in wanted if path.split("/", 1)[0] == name)


def _place(group: h5py.Group, name: str) -> int | None:
    """The first byte of a member's header; None for links that lead elsewhere."""
    link = group.id.links.get_info(name.encode())
    return int(link.u) if link.type == h5py.h5l.TYPE_HARD else None


def _announce_links(stream: Any, places: Sequence[int]) -> None:
    """Headers, then what they go on in, then the trees and heaps of groups of the old kind, then their nodes."""
    stream.announce(places)
    messages = [message for place in places for message in _header(_bytes(stream, place, HEADER))]
    further = [values for kind, values in messages if kind == CONTINUATION]
    stream.announce([place for place, _ in further])
    for place, length in further:
        messages += _messages(_bytes(stream, place, min(length, HEADER)))
    tables = [place for kind, values in messages if kind == SYMBOL_TABLE for place in values]
    stream.announce(tables)
    stream.announce([place for table in tables for place in _nodes(_bytes(stream, table, NODE))])


def _bytes(stream: Any, place: int, length: int) -> bytes:
    stream.seek(place)
    return bytes(stream.read(length))


def _header(found: bytes) -> Iterator[tuple[int, tuple[int, int]]]:
    """Messages of an object header of version 1 (IV.A.1.a); none of another."""
    if len(found) >= 16 and found[0] == 1:
        (length,) = struct.unpack_from("<I", found, 8)
        yield from _messages(found[16 : 16 + length])


def _messages(found: bytes) -> Iterator[tuple[int, tuple[int, int]]]:
    """Continuations and symbol tables among some messages, each with its two addresses (IV.A.2.q and r)."""
    at = 0
    while at + 24 <= len(found):
        kind, size = struct.unpack_from("<HH", found, at)
        if kind in (CONTINUATION, SYMBOL_TABLE):
            first, second = struct.unpack_from("<QQ", found, at + 8)
            yield kind, (first, second)
        at += 8 + size


def _nodes(found: bytes) -> tuple[int, ...]:
    """Where the nodes of a group's tree lie (III.A.1), or the names in its heap (III.D)."""
    if found[:4] == b"HEAP" and len(found) >= 32:
        return tuple(struct.unpack_from("<Q", found, 24))
    if found[:4] != b"TREE" or found[4]:
        return ()
    (count,) = struct.unpack_from("<H", found, 6)
    return tuple(struct.unpack_from("<Q", found, at)[0] for at in range(32, min(32 + 16 * count, len(found) - 7), 16))
