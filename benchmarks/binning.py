"""How long binning takes: 800 units with 15.7 million spikes into 600 windows of 100 bins.

python benchmarks/binning.py
"""

import time
from collections.abc import Callable

import numpy as np
from numpy import ndarray

from nwb_mtm.binning import bin_spikes
from nwb_mtm.recording import Spikes

UNITS, SPIKES, SECONDS = 800, 15_700_000, 3600.0
WINDOWS, BINS, BIN_SIZE = 600, 100, 0.02


def main() -> None:
    """Print one line for each way, with the best of three."""
    rng = np.random.default_rng(0)
    sizes = rng.multinomial(SPIKES, rng.dirichlet(np.full(UNITS, 1.0)))
    spikes = Spikes.from_trains([np.sort(rng.uniform(0, SECONDS, size)) for size in sizes])
    start = np.sort(rng.choice(int(SECONDS / 2) - 2, WINDOWS, replace=False) * 2.0)
    ours, ours_seconds = best(lambda: bin_spikes(spikes, start, bins=BINS, bin_size=BIN_SIZE))
    reference, reference_seconds = best(lambda: vectorised(spikes, start))
    few, few_seconds = best(lambda: histograms(spikes, start, units=8), times=1)
    assert (ours == reference).mean() > 0.99999  # the reference is not exact at the edges of bins
    assert (ours[:, :, :8] == few).mean() > 0.9999
    print(f"{SPIKES / 1e6:.1f} M spikes, {UNITS} units, {WINDOWS} windows of {BINS} bins")
    print(f"nwb_mtm.binning.bin_spikes       {ours_seconds:7.2f} s")
    print(f"one bincount over all spikes     {reference_seconds:7.2f} s")
    print(f"np.histogram, unit by window     {few_seconds * UNITS / 8:7.2f} s (from 8 units)")
    print(f"ours against the bincount        {ours_seconds / reference_seconds:7.2f} x")


def best(work: Callable[[], ndarray], times: int = 3) -> tuple[ndarray, float]:
    """The result, and the shortest of several times."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    return result, min(seconds)


def vectorised(spikes: Spikes, start: ndarray) -> ndarray:
    """All spikes at once; needs windows that do not overlap, and rounds at the edges of bins."""
    window = np.searchsorted(start, spikes.times, side="right") - 1
    offset = spikes.times - start[window]
    inside = (window >= 0) & (offset < BINS * BIN_SIZE)
    unit = np.repeat(np.arange(UNITS), spikes.counts)[inside]
    index = (window[inside] * BINS + (offset[inside] / BIN_SIZE).astype(np.int64)) * UNITS + unit
    return np.bincount(index, minlength=WINDOWS * BINS * UNITS).reshape(WINDOWS, BINS, UNITS)


def histograms(spikes: Spikes, start: ndarray, units: int) -> ndarray:
    """The usual loop."""
    edges = start[:, None] + np.arange(BINS + 1) * BIN_SIZE
    return np.stack([np.stack([np.histogram(spikes[u], e)[0] for e in edges]) for u in range(units)], axis=-1)


if __name__ == "__main__":
    main()
