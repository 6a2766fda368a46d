"""Facts and arrays in one piece of bytes: the layout of safetensors, with a digest by which damage is noticed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.numpy import load, save


class DamagedBundleError(ValueError):
    """The bytes are not what was packed."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Plain facts, and arrays by name.

    >>> one = Bundle({"name": "a"}, {"x": np.arange(3.0)})
    >>> Bundle.unpack(one.pack()).arrays["x"].tolist()
    [0.0, 1.0, 2.0]
    """

    facts: Any
    arrays: Mapping[str, ndarray]

    def pack(self) -> bytes:
        """The bytes, which any reader of safetensors can open; arrays that are equal are there once."""
        text = json.dumps(self.facts)
        once: dict[str, ndarray] = {}
        place = {name: _once(once, array) for name, array in self.arrays.items()}
        where = json.dumps(place)
        head = {"facts": text, "place": where, "digest": _digest(text, where, once)}
        return bytes(save(once, metadata=head))

    @classmethod
    def unpack(cls, data: bytes) -> "Bundle":
        """What was packed, or an error when a byte of it has changed."""
        try:
            length = int.from_bytes(data[:8], "little")
            head = json.loads(data[8 : 8 + length])["__metadata__"]
            arrays = load(data)
            whole = head["digest"] == _digest(head["facts"], head["place"], arrays)
            place = json.loads(head["place"])
            found = cls(json.loads(head["facts"]), {name: arrays[key] for name, key in place.items()})
        except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise DamagedBundleError("the bytes have no readable header") from error
        if not whole:
            raise DamagedBundleError("the bytes do not match their digest")
        return found


def _once(known: dict[str, ndarray], array: ndarray) -> str:
    """The name of an array among those that are kept, by its content."""
    dense = np.ascontiguousarray(array)
    head = f"{dense.dtype.str}{dense.shape}".encode()
    name = hashlib.blake2b(head + dense.tobytes(), digest_size=16).hexdigest()
    known.setdefault(name, dense)
    return name


def _digest(facts: str, place: str, arrays: Mapping[str, ndarray]) -> str:
    state = hashlib.blake2b(facts.encode() + place.encode(), digest_size=20)
    for name in sorted(arrays):
        state.update(name.encode())
        state.update(arrays[name].tobytes())
    return state.hexdigest()
