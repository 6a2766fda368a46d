"""One table of what everything costs, each beside its reference; what `make bench` prints, in under ten minutes.

    python benchmarks/table.py [--quick]

Seconds are those of the clock, best of some rounds in turn with the reference; with OMP_NUM_THREADS=1 the processor's,
which others on the machine disturb least. Each line has a script of its own with larger sizes: read.py, binning.py,
train.py, evaluation.py, annotate.py, memory.py, gpu.py.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import annotate
import binning
import evaluation
import numpy as np
import read
import torch
import train
from published import paired

from nwb_mtm.binning import bin_spikes
from nwb_mtm.recording import Spikes


@dataclass(frozen=True)
class Row:
    """One claim: seconds of ours and of the reference, and what the goal for their ratio is."""

    what: str
    ours: float
    reference: float
    beside: str
    goal: str = ""


def reading(units: int, spikes: int) -> Iterator[Row]:
    """A session file, beside plain h5py reads of the same columns and pynwb's data frame."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.nwb"
        read.make(path, units, spikes)
        named = f"PATH = {str(path)!r}; COLUMNS = {read.COLUMNS!r}"
        setup = f"import h5py, nwb_mtm.nwb.reader\nfrom nwb_mtm.nwb.reader import read\n{named}"
        ours = read.timed(setup, "kept = read(PATH)", 2)[0]
        yield Row(f"read {units} units, {spikes / 1e6:.1f} M spikes", ours, plain(named), "plain h5py")
        frame = "io = NWBHDF5IO(PATH, 'r'); kept = io.read().units.to_dataframe(); io.close()"
        slow = read.timed(f"from pynwb import NWBHDF5IO\n{named}", frame, 1)[0]
        yield Row("", ours, slow, "pynwb to_dataframe")


def plain(named: str) -> float:
    """Seconds of plain reads."""
    return read.timed(f"import h5py\n{named}", read.PLAIN, 2)[0]


def cutting(units: int, spikes: int) -> Iterator[Row]:
    """Spikes into windows of bins, beside one bincount over all spikes."""
    rng = np.random.default_rng(0)
    binning.UNITS = units
    sizes = rng.multinomial(spikes, np.full(units, 1 / units))
    trains = Spikes.from_trains([np.sort(rng.uniform(0, binning.SECONDS, size)) for size in sizes])
    start = np.arange(binning.WINDOWS) * 4.0
    ways = {
        "ours": lambda: bin_spikes(trains, start, bins=binning.BINS, bin_size=binning.BIN_SIZE),
        "reference": lambda: binning.vectorised(trains, start),
    }
    found = paired(ways, 2)
    what = f"bin {spikes / 1e6:.1f} M spikes, {binning.WINDOWS} windows"
    yield Row(what, found["ours"], found["reference"], "one bincount of all spikes")


def training(units: int, rounds: int) -> Iterator[Row]:
    """A step at the published size."""
    base, *ours = train.measure(units, rounds).items()
    for name, seconds in ours:
        goal = "1.5 with bfloat16, else 1" if "bfloat16" in name else "1"
        yield Row(f"train step, {units} units, {name}", seconds, base[1], "plain stack, float32", goal)


def evaluating(units: int, windows: int, some: int) -> Iterator[Row]:
    """Leaving units out at the published size."""
    for name, (seconds, base) in evaluation.measure(units, windows, some).items():
        goal = "10" if "folds" in name else "2" if "bfloat16" in name else "1.2"
        yield Row(f"{name}, {units} units, {windows} windows", seconds, base, "one unit a pass, float32", goal)


def annotating(hours: float, units: int) -> Iterator[Row]:
    """Blending, scoring and writing, beside the session's own length."""
    with tempfile.TemporaryDirectory() as folder:
        path = annotate.session(hours, units, Path(folder))
        seconds, _, _ = annotate.child("annotate", path)
    yield Row(f"annotate {hours * 60:.0f} min, {units} units", seconds, hours * 3600, "the recording's length")


def show(rows: Iterator[Row]) -> None:
    """Lines of the table, as they come."""
    for row in rows:
        times = f"{row.reference / row.ours:8.2f}"
        print(f"{row.what:52s}{row.ours:9.3f}{row.reference:11.3f}{times}  {row.goal:26s}{row.beside}", flush=True)


def main() -> None:
    """Measure everything in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="Tiny sizes: whether it runs, not how fast.")
    quick = parser.parse_args().quick
    print(
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {'GPU' if torch.cuda.is_available() else 'CPU'}"
    )
    print(f"{'':52s}{'seconds':>9s}{'reference':>11s}{'times':>8s}  {'goal':26s}beside")
    show(reading(20, 20_000) if quick else reading(400, 4_000_000))
    show(cutting(20, 20_000) if quick else cutting(400, 4_000_000))
    show(training(10, 1) if quick else training(300, 5))
    show(evaluating(6, 3, 1) if quick else evaluating(300, 8, 6))
    show(annotating(0.02, 4) if quick else annotating(0.25, 200))
    if torch.cuda.is_available():
        import gpu

        gpu.measure(gpu.SMOKE if quick else gpu.Size())


if __name__ == "__main__":
    main()
