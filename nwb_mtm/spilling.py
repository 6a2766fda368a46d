"""Counts beyond a limit go to a file without a name, from which the system pages in what is looked at."""

import mmap
import tempfile
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from nwb_mtm.windows import Windows

LIMIT = 2**29  # bytes of counts that a run holds in memory before it spills


class Spill:
    """Counts what is held; when that is too much, what comes next is kept on disk.

    The file has no name and lives as long as the array does; TMPDIR says on which disk.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.held = limit, 0

    def keep(self, windows: Windows) -> Windows:
        """The same windows, with counts in memory or on disk."""
        if is_on_disk(windows.counts):
            return windows
        if self.held + windows.counts.nbytes <= self.limit:
            self.held += windows.counts.nbytes
            return windows
        return replace(windows, counts=on_disk(windows.counts))


def is_on_disk(array: ndarray) -> bool:
    """Whether an array shows what a file holds."""
    seen: Any = array
    while seen is not None:
        if isinstance(seen, np.memmap):
            return True
        seen = getattr(seen, "base", None)
    return False


def release(array: ndarray) -> None:
    """Give the pages of a mapped file back to the system, which reads them again when they are asked for."""
    seen: Any = array
    while seen is not None:
        if isinstance(seen, mmap.mmap):
            if hasattr(mmap, "MADV_DONTNEED"):
                seen.madvise(mmap.MADV_DONTNEED)
            return
        seen = seen.obj if isinstance(seen, memoryview) else getattr(seen, "base", None)


def on_disk(counts: Shaped[ndarray, "window bin unit"]) -> Shaped[ndarray, "window bin unit"]:
    """A copy that is read from disk."""
    if not counts.size:
        return counts
    with tempfile.TemporaryFile() as file:
        np.ascontiguousarray(counts).tofile(file)
        return np.memmap(file, counts.dtype, "r", shape=counts.shape)
