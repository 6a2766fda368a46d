"""Windows of rates, overlapping and at any offset, as one regular series."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

EDGE = 0.1  # weight of a window's first and last bin, beside 1 in its middle


@dataclass(frozen=True)
class Grid:
    """Bins of equal width, one after the other."""

    t0: float
    bin_size: float
    bins: int

    def position(self, time: float) -> tuple[int, float]:
        """The bin in which a time lies, and how far into it (0 to 1).

        >>> Grid(10.0, 0.02, 100).position(10.05)
        (2, 0.5)
        """
        place = (time - self.t0) / self.bin_size
        whole = int(np.floor(place + 1e-6))
        share = round(place - whole, 6)
        return whole, max(0.0, share)

    def snap(self, times: Float[ndarray, " time"]) -> Float[ndarray, " time"]:
        """Each time moved to the nearest edge of a bin."""
        return self.t0 + np.round((times - self.t0) / self.bin_size) * self.bin_size

    @classmethod
    def covering(cls, start: float, stop: float, bin_size: float, *, origin: float) -> "Grid":
        """Bins from `start` to `stop` that share their edges with a bin at `origin`."""
        first = np.floor((start - origin) / bin_size + 1e-6)
        bins = int(np.ceil((stop - origin) / bin_size - 1e-6) - first)
        return cls(float(origin + first * bin_size), bin_size, max(bins, 0))


def taper(bins: int, *, causal: bool = False) -> Float[ndarray, " bin"]:
    """Weights that trust the middle of a window, which sees both sides, more than its edges.

    A causal window sees one side, the more of it the longer it has been going on.
    """
    place = np.arange(bins) if causal else np.minimum(np.arange(bins), np.arange(bins)[::-1])
    return EDGE + (1 - EDGE) * np.minimum(1.0, place / max(1.0, 0.25 * bins))


def blend(
    grid: Grid, pieces: Iterable[tuple[float, Float[ndarray, "bin column"]]], columns: int, *, causal: bool = False
) -> Float32[ndarray, "gridbin column"]:
    """Weighted averages of all windows over a bin; NaN where there is none.

    A window that does not begin at an edge of the grid is shared out between the bins it touches. Bins without any
    finite value carry no weight.
    """
    total = np.zeros((grid.bins, columns), np.float32)
    weight = np.zeros(grid.bins, np.float32)
    for start, values in pieces:
        first, late = grid.position(start)
        trust = taper(len(values), causal=causal) * np.isfinite(values).any(axis=1)
        part = np.where(trust[:, None] > 0, values, 0.0).astype(np.float32)
        for shift, share in ((0, 1.0 - late), (1, late)):
            if share > 0:
                _add(total, weight, first + shift, part, (share * trust).astype(np.float32))
    empty = weight <= 0
    weight[empty] = 1.0
    total /= weight[:, None]
    total[empty] = np.nan
    return total


def _add(total: ndarray, weight: ndarray, first: int, part: ndarray, trust: ndarray) -> None:
    low, high = max(0, -first), min(len(part), len(total) - first)
    if high > low:
        total[first + low : first + high] += trust[low:high, None] * part[low:high]
        weight[first + low : first + high] += trust[low:high]
