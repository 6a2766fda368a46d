"""A recording as one file, written whole or not at all: arrays that are mapped, and a table of the rest in JSON.

The layout is that of safetensors, so any reader of that format can open it; the last tensor is a digest of
all bytes before it.
"""

import contextlib
import errno
import hashlib
import json
import mmap
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy import ndarray

from nwb_mtm.errors import NwbMtmError, SourceError
from nwb_mtm.recording import Behavior, Intervals, Observed, Recording, Source, Spikes, Units

DIGEST = "digest"
PARTIAL = ".part"
DIGEST_BYTES = 32
TYPES = {kind.__name__: kind for kind in (Recording, Units, Spikes, Intervals, Behavior, Observed, Source)}
TENSORS = {"f8": "F64", "f4": "F32", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8", "u8": "U64"} | {
    "u4": "U32",
    "u2": "U16",
    "u1": "U8",
    "b1": "BOOL",
}


class DamagedError(ValueError):
    """The file is not what was written."""


@dataclass(frozen=True)
class Packed:
    """An open file: its header, and the bytes behind it."""

    facts: Mapping[str, Any]
    tree: Any
    tensors: Mapping[str, Any]
    body: ndarray
    mapped: mmap.mmap


def write(file: BinaryIO, recording: Recording, facts: Mapping[str, Any]) -> None:
    """Write a recording, with a few facts about it that are read without the rest."""
    arrays: list[ndarray] = []
    tree = _encode(recording, arrays, {})
    order = sorted(range(len(arrays)), key=lambda i: -arrays[i].dtype.itemsize)
    head = _header(arrays, order, {"facts": json.dumps(facts), "tree": json.dumps(tree)})
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for piece in (len(head).to_bytes(8, "little"), head, *(_raw(arrays[i]) for i in order)):
        digest.update(piece)
        file.write(piece)
    file.write(digest.digest())


def open_packed(path: Path) -> Packed:
    """Map a file; only its header is read."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        length = int.from_bytes(mapped[:8], "little")
        header = json.loads(mapped[8 : 8 + length])
        facts, tree = (json.loads(header["__metadata__"][name]) for name in ("facts", "tree"))
        body = np.frombuffer(mapped, np.uint8, offset=8 + length)
        return Packed(facts, tree, header, body, mapped)
    except (ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise DamagedError(f"{path.name} has no readable header") from error


def read_facts(path: Path) -> Mapping[str, Any]:
    """What was noted beside the recording."""
    return open_packed(path).facts


def check(packed: Packed) -> None:
    """Compare the file with the digest at its end."""
    view = memoryview(packed.mapped)
    found = hashlib.blake2b(view[:-DIGEST_BYTES], digest_size=DIGEST_BYTES).digest()
    if found != bytes(view[-DIGEST_BYTES:]):
        raise DamagedError("the bytes do not match their digest")


def unpack(packed: Packed) -> Recording:
    """The recording, its arrays mapped from the file."""
    try:
        recording = _decode(packed.tree, packed)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DamagedError("the table does not describe a recording") from error
    if not isinstance(recording, Recording):
        raise DamagedError("the file holds no recording")
    return recording


def _encode(value: Any, arrays: list[ndarray], known: dict[int, int]) -> Any:
    """A value as JSON; arrays go to the list, each once."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return _encode(value.item(), arrays, known)
    if isinstance(value, ndarray):
        return _encode_array(value, arrays, known)
    if isinstance(value, tuple | list):
        return {"tuple": [_encode(one, arrays, known) for one in value]}
    if isinstance(value, Mapping):
        return {"map": {str(name): _encode(one, arrays, known) for name, one in value.items()}}
    if is_dataclass(value) and type(value).__name__ in TYPES:
        parts = {f.name: _encode(getattr(value, f.name), arrays, known) for f in fields(value)}
        return {"type": type(value).__name__, "fields": parts}
    raise TypeError(f"A recording cannot hold a {type(value).__name__}.")


def _encode_array(array: ndarray, arrays: list[ndarray], known: dict[int, int]) -> Any:
    if array.dtype.hasobject:
        items = [_encode(one, arrays, known) for one in array.ravel()]
        return {"objects": items, "shape": list(array.shape)}
    if id(array) not in known:
        known[id(array)] = len(arrays)
        native = array.astype(array.dtype.newbyteorder("<"), copy=False)
        arrays.append(np.ascontiguousarray(native).reshape(array.shape))
    return {
        "array": known[id(array)],
        "dtype": arrays[known[id(array)]].dtype.str,
        "shape": list(array.shape),
    }


def _decode(node: Any, packed: Packed) -> Any:
    if not isinstance(node, dict):
        return node
    if "tuple" in node:
        return tuple(_decode(one, packed) for one in node["tuple"])
    if "map" in node:
        return {name: _decode(one, packed) for name, one in node["map"].items()}
    if "type" in node:
        return TYPES[node["type"]](**{name: _decode(one, packed) for name, one in node["fields"].items()})
    if "objects" in node:
        filled = np.empty(len(node["objects"]), object)
        for i, one in enumerate(node["objects"]):
            filled[i] = _decode(one, packed)
        return filled.reshape(node["shape"])
    start, stop = packed.tensors[str(node["array"])]["data_offsets"]
    return packed.body[start:stop].view(np.dtype(node["dtype"])).reshape(node["shape"])


def _header(arrays: list[ndarray], order: list[int], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for i in order:
        kind = TENSORS.get(arrays[i].dtype.str[1:])
        shape = list(arrays[i].shape) if kind else [arrays[i].nbytes]
        span = [at, at + arrays[i].nbytes]
        entries[str(i)] = {"dtype": kind or "U8", "shape": shape, "data_offsets": span}
        at = span[1]
    entries[DIGEST] = {"dtype": "U8", "shape": [DIGEST_BYTES], "data_offsets": [at, at + DIGEST_BYTES]}
    text = json.dumps(entries).encode()
    return text + b" " * (-len(text) % 8)


def _raw(array: ndarray) -> Any:
    """The array's bytes, not copied."""
    return array.reshape(-1).view(np.uint8).data if array.size else b""


def write_whole(path: Path, write: Callable[[BinaryIO], object], *, called: str = "") -> None:
    """Write a file under a temporary name, then move it into place; or leave nothing behind.

    `called` is what an error names it, when the file's own name says nothing.
    """
    partial = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise _not_written(called or path.name, error) from error
    finally:
        drop(partial)


def drop(path: Path) -> int:
    """Remove a file, unless it is gone or may not be removed; return its size."""
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        path.unlink()
        return size
    return 0


def _not_written(name: str, error: OSError) -> NwbMtmError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SourceError(f"The disk is full, so {name} was not written.", kind="no_space")
    return SourceError(f"{name} cannot be written: {error.strerror}.", kind="cannot_write")
