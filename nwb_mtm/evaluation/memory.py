"""What was worked out about the baselines of a session, remembered for the next model on the same windows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from typing import Any

from nwb_mtm.bundle import Bundle, DamagedBundleError
from nwb_mtm.errors import NwbMtmError
from nwb_mtm.evaluation.fingerprints import fingerprint, key
from nwb_mtm.metrics import Sums
from nwb_mtm.recording import Recording
from nwb_mtm.sources.store import Store
from nwb_mtm.windows import Windows

PARTS = tuple(f.name for f in fields(Sums))


@dataclass(eq=False)
class Memory:
    """Sums and facts by name; what is not known yet is made, and kept."""

    known: dict[str, Sums] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    grown: bool = False

    def sums(self, name: str, make: Callable[[], Sums]) -> Sums:
        """The sums of that name."""
        if name not in self.known:
            self.known[name], self.grown = make(), True
        return self.known[name]

    def fact(self, name: str, make: Callable[[], Any]) -> Any:
        """The plain value of that name."""
        if name not in self.facts:
            self.facts[name], self.grown = make(), True
        return self.facts[name]

    def pack(self) -> bytes:
        """All of it, as bytes."""
        arrays = {f"{name}/{part}": getattr(one, part) for name, one in self.known.items() for part in PARTS}
        return Bundle({"sums": list(self.known), "facts": self.facts}, arrays).pack()

    @classmethod
    def unpack(cls, data: bytes) -> "Memory":
        """What was packed."""
        found = Bundle.unpack(data)
        read = {name: Sums(*(found.arrays[f"{name}/{part}"] for part in PARTS)) for name in found.facts["sums"]}
        return cls(read, dict(found.facts["facts"]))


@contextmanager
def remembering(
    store: Store | None, windows: Windows, options: object, recording: Recording | None
) -> Iterator[Memory]:
    """The memory of one session's baselines under these options, written back when it has grown.

    Whatever is wrong with the cache, scores are worth more: they are made anew, and nothing is kept.
    """
    if store is None:
        yield Memory()
        return
    name = key("baselines", fingerprint(windows, recording), repr(options))
    memory = _read(store.get_results(name))
    yield memory
    if memory.grown:
        with suppress(NwbMtmError):
            store.put_results(name, memory.pack())


def _read(data: bytes | None) -> Memory:
    if data is None:
        return Memory()
    try:
        return Memory.unpack(data)
    except (DamagedBundleError, KeyError, TypeError):
        return Memory()
