"""What makes two evaluations the same: windows and spikes to the last bit, the options, and the code that scores."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from numpy import ndarray

from nwb_mtm.baselines.oracle import Truth
from nwb_mtm.recording import Recording
from nwb_mtm.windows import Windows

CHUNK = 2**22  # bytes at a time
NOT_SCORED = ("others", "weight")  # of windows: other parts of them, and how often training draws them


def fingerprint(windows: Windows, recording: Recording | None = None, truth: Truth | None = None) -> str:
    """A hash of everything that a score of these windows can depend on."""
    parts = {f.name: getattr(windows, f.name) for f in fields(windows) if f.name not in NOT_SCORED}
    spikes = None if recording is None else (recording.units.keys, recording.spikes)
    return digest(parts, spikes, truth)


def digest(*values: Any) -> str:
    """A hash of arrays, and of what holds them.

    >>> digest({"a": 1.0}, "b") == digest({"a": 1.0}, "b") != digest({"a": 1}, "b")
    True
    """
    state = hashlib.blake2b(digest_size=20)
    _feed(state, values)
    return state.hexdigest()


def _feed(state: "hashlib.blake2b", value: Any) -> None:
    if isinstance(value, ndarray):
        _feed_array(state, value)
    elif isinstance(value, Mapping):
        _feed(state, [(name, value[name]) for name in sorted(value)])
    elif is_dataclass(value):
        _feed(state, [(f.name, getattr(value, f.name)) for f in fields(value)])
    elif isinstance(value, list | tuple):
        state.update(f"[{len(value)}".encode())
        for one in value:
            _feed(state, one)
    else:
        state.update(f"{type(value).__name__} {value!r};".encode())


def _feed_array(state: "hashlib.blake2b", array: ndarray) -> None:
    state.update(f"{array.dtype.str}{array.shape}".encode())
    if array.dtype.hasobject or not array.ndim:
        _feed(state, array.tolist())
        return
    rows = max(1, CHUNK * len(array) // max(1, array.nbytes))
    for first in range(0, len(array), rows):
        state.update(array[first : first + rows].tobytes())


@cache
def code() -> str:
    """A hash of this package's own code: what was found by other code is found again."""
    state = hashlib.blake2b(digest_size=20)
    folder = Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        state.update(path.relative_to(folder).as_posix().encode())
        state.update(path.read_bytes())
    return state.hexdigest()


def key(name: str, *values: Any) -> str:
    """The name under which a result is kept: what it is of, by which code and versions."""
    return digest(name, json.dumps(versions(), sort_keys=True), code(), *values)


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("nwb-mtm", "numpy", "scipy", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found
