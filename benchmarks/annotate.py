"""What writing costs beside inference: time, peak memory and bytes for a long session.

Run with `python benchmarks/annotate.py [--hours H] [--units N]`. A stand-in gives the rates, so that nothing of a
model is measured. Peak memory is that of a child process that annotates, above one that only reads the file.
`--kills N` also kills N annotations at random moments and says whether the source was whole every time.
"""

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy import ndarray

from nwb_mtm.recording import Intervals, Recording

BIN = 0.02
WIDTH = 100


def session(hours: float, units: int, folder: Path) -> Path:
    """A file of Poisson units at 5 Hz."""
    rng = np.random.default_rng(0)
    seconds = hours * 3600
    trains = [np.sort(rng.uniform(0, seconds, rng.poisson(5 * seconds))) for _ in range(units)]
    start = np.arange(1.0, seconds - 3, 4.0)
    trials = Intervals(start, start + 3, {"side": np.array(["a", "b"])[np.arange(len(start)) % 2]})
    recording = Recording.from_arrays(trains, session="long", trials=trials, regions=["CA1"] * units)
    return recording.to_nwb(folder / "long.nwb")


def annotate_long(path: Path) -> tuple[float, float]:
    """Annotate nearly all of the file as unseen; seconds by the clock and of the processor, rates included."""
    from nwb_mtm.annotation.blending import Grid
    from nwb_mtm.annotation.making import Plan, make
    from nwb_mtm.annotation.writing import read
    from nwb_mtm.nwb.annotations import WindowTable
    from nwb_mtm.nwb.writer_targets import write_copy

    recording = read(str(path))
    low, high = recording.span
    grid = Grid(float(low), BIN, int((high - low) / BIN))
    start = low + np.arange(0, grid.bins - WIDTH, WIDTH // 2) * BIN
    split = tuple("train" if i % 50 < 2 else "test" for i in range(len(start)))
    none = np.zeros(len(start), np.int64)
    table = WindowTable(start, start + WIDTH * BIN, split, none, none.astype(bool))
    pool = np.random.default_rng(0).gamma(2.0, 2.5, (8, WIDTH, len(recording.units))).astype(np.float32)

    def predict(rows: ndarray) -> list[ndarray]:
        return [pool[int(row) % len(pool)] * scale(int(row)) for row in rows]

    def scale(row: int) -> ndarray:
        return np.random.default_rng(row).uniform(0.5, 1.5, len(recording.units)).astype(np.float32)

    started, worked = time.perf_counter(), time.process_time()
    made = make(Plan(recording, recording.units, grid, table, predict, "neuron", reach=WIDTH * BIN))
    write_copy(path, path.with_name("copy.nwb"), made)
    return time.perf_counter() - started, time.process_time() - worked


def child(what: str, path: Path) -> tuple[float, float, float]:
    """Seconds (clock, processor) and peak memory (MB) of one step in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--child", what, str(path)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds, worked, peak = done.stdout.split()
    return float(seconds), float(worked), float(peak)


def run_child(what: str, path: Path) -> None:
    """Read, or annotate, and print seconds and peak memory."""
    seconds = worked = 0.0
    if what == "annotate":
        seconds, worked = annotate_long(path)
    else:
        from nwb_mtm.annotation.writing import read

        read(str(path))
    print(seconds, worked, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def sizes(path: Path) -> tuple[float, float]:
    """Megabytes of the written series, and of the same array alone under the same compression."""
    import h5py

    with h5py.File(path.with_name("copy.nwb")) as file, h5py.File(path.with_name("plain.h5"), "w") as plain:
        stored = file["processing/ecephys/ReconstructedRates/data"]
        alone = plain.create_dataset(
            "data", data=stored[:], chunks=True, compression="gzip", compression_opts=4, shuffle=True
        )
        return stored.id.get_storage_size() / 1e6, alone.id.get_storage_size() / 1e6


def kills(path: Path, count: int, longest: float) -> None:
    """Annotate in place and kill it at random moments; the source must be whole every time."""
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    rng, whole, ended = np.random.default_rng(0), 0, 0
    for _ in range(count):
        process = subprocess.Popen([sys.executable, __file__, "--child", "in-place", str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(float(rng.uniform(0, longest)))
        process.kill()
        process.communicate()
        ended += process.returncode == 0
        whole += hashlib.sha256(path.read_bytes()).hexdigest() == before or _is_whole(path)
    left = len(list(path.parent.glob(".part-*")))
    print(f"{count} kills in the first {longest:g} s: source whole {whole} times, {ended} had ended, {left} parts left")


def _is_whole(path: Path) -> bool:
    from nwb_mtm.annotation import check

    return check(path).passed


def annotate_forever(path: Path) -> None:
    """Annotate in place again and again, until killed."""
    from nwb_mtm.annotation import annotate
    from nwb_mtm.annotation.writing import read
    from nwb_mtm.prediction import Prediction
    from nwb_mtm.windows import Windows

    windows = Windows.tile(read(str(path)), 2.0).with_split("random")
    rates = windows.counts.astype(np.float32) / BIN + 0.5
    seen = np.repeat((windows.part != 2)[:, None], windows.bins, axis=1)
    given = Prediction(windows.session, windows.units, windows.start, BIN, rates, "neuron", seen, reach=2.0)
    print("ready", flush=True)
    while True:
        annotate(path, given, mode="in-place", existing="overwrite")


def main() -> None:
    """Make a long session, annotate it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--child", nargs=2)
    given = parser.parse_args()
    if given.child and given.child[0] == "in-place":
        annotate_forever(Path(given.child[1]))
    if given.child:
        run_child(given.child[0], Path(given.child[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = session(given.hours, given.units, Path(folder))
        _, _, floor = child("read", path)
        seconds, worked, peak = child("annotate", path)
        written, alone = sizes(path)
        print(f"{given.hours:g} h, {given.units} units, {int(given.hours * 3600 / BIN):,} bins of {BIN * 1000:g} ms")
        print(f"blending, scoring and writing {seconds:6.1f} s ({worked:.1f} s of one processor)")
        print(f"peak memory                   {peak:6.0f} MB ({peak - floor:.0f} above reading the file)")
        print(f"bytes                         {written:6.1f} MB, {written / alone:.2f} times the array alone")
        if given.kills:
            small = session(0.03, 20, Path(folder) / "small")
            kills(small, given.kills, 2.0)


if __name__ == "__main__":
    main()
