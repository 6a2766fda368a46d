"""Reading a large session: our reader beside plain h5py reads of the same columns, and beside pynwb's data frame.

    python benchmarks/read.py [--units 800] [--spikes 15700000]

Each way runs in a process of its own, so that its peak of memory (Linux only) is its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py

COLUMNS = ("quality", "depth", "snr", "amplitude", "label_a", "label_b", "heldout")
TIMING = """
import json, time
{setup}

def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))

with open("/proc/self/clear_refs", "w") as refs:
    refs.write("5")  # the peak begins here
before, best = memory("VmRSS"), 1e9
for _ in range({repeats}):
    kept = None
    start = time.perf_counter()
    {work}
    best = min(best, time.perf_counter() - start)
print(json.dumps([best, memory("VmHWM") - before]))
"""
PLAIN = """
    with h5py.File(PATH, "r") as f:
        units, electrodes, trials = f["units"], f["general/extracellular_ephys/electrodes"], f["intervals/trials"]
        kept = [units["spike_times"][:], units["spike_times_index"][:], units["id"][:], units["electrodes"][:]]
        kept += [units["electrodes_index"][:], *(units[name][:] for name in COLUMNS)]
        kept += [electrodes[name][:] for name in ("id", "location", "group_name", "x", "y", "z")]
        kept += [trials[name][:] for name in ("id", "start_time", "stop_time", "choice", "contrast", "stim_on_time")]
"""


def make(path: Path, units: int, spikes: int) -> None:
    """A session with 384 electrodes and 600 trials, written as hdf5 writers do: plain arrays."""
    import numpy as np

    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    import zoo_bricks as bricks

    rng = np.random.default_rng(0)
    each = np.maximum(1, rng.multinomial(spikes, rng.dirichlet(np.full(units, 2.0))))
    trains = [np.sort(rng.uniform(0, 5000, n)) for n in each]
    with bricks.start(path) as file:
        bricks.electrodes(
            file,
            ["VISp", "CA1", "DG", "LP"] * 96,
            ["probe"] * 384,
            x=rng.normal(size=384),
            y=np.arange(384.0),
            z=np.zeros(384),
        )
        links = bricks.Ragged(
            [[int(r)] for r in rng.integers(0, 384, units)], "uint32", "/general/extracellular_ephys/electrodes"
        )
        texts = {name: [f"{name}{i % 7}" for i in range(units)] for name in ("label_a", "label_b")}
        numbers = {name: rng.normal(size=units) for name in ("depth", "snr", "amplitude")}
        bricks.units(
            file,
            trains,
            electrodes=links,
            quality=["good", "mua"] * (units // 2),
            heldout=np.zeros(units, bool),
            **texts,
            **numbers,
        )
        add_trials(file)


def add_trials(file: h5py.File) -> None:
    """600 trials with a choice, a contrast and the time of a stimulus."""
    import numpy as np
    import zoo_bricks as bricks

    begin = np.arange(600) * 8.0
    bricks.intervals(
        file,
        "trials",
        begin,
        begin + 5,
        choice=["left", "right"] * 300,
        contrast=np.tile([0.0, 1.0], 300),
        stim_on_time=begin + 1,
    )


def timed(setup: str, work: str, repeats: int) -> tuple[float, float]:
    """Seconds (best of some) and peak memory in MiB above what the imports took."""
    code = TIMING.format(setup=setup, work=work.strip(), repeats=repeats)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, peak = json.loads(done.stdout.strip().splitlines()[-1])
    return float(seconds), float(peak)


def main() -> None:
    """Make the file, time the three ways, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=800)
    parser.add_argument("--spikes", type=int, default=15_700_000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.nwb"
        make(path, asked.units, asked.spikes)
        named = f"PATH = {str(path)!r}; COLUMNS = {COLUMNS!r}"
        plain = timed(f"import h5py\n{named}", PLAIN, asked.repeats)
        ours = timed(
            f"import h5py, nwb_mtm.nwb.reader\nfrom nwb_mtm.nwb.reader import read\n{named}",
            "kept = read(PATH)",
            asked.repeats,
        )
        frame = timed(
            f"from pynwb import NWBHDF5IO\n{named}",
            "io = NWBHDF5IO(PATH, 'r'); kept = io.read().units.to_dataframe(); io.close()",
            1,
        )
    spike_mb = asked.spikes * 8 / 2**20
    print(f"{asked.units} units, {asked.spikes:,} spikes ({spike_mb:.0f} MiB)")
    print(f"{'':24}{'seconds':>9}{'x plain':>9}{'peak MiB':>10}{'x spikes':>10}")
    for name, (seconds, peak) in (("plain h5py", plain), ("nwb_mtm.read", ours), ("pynwb to_dataframe", frame)):
        print(f"{name:24}{seconds:9.3f}{seconds / plain[0]:9.2f}{peak:10.0f}{peak / spike_mb:10.2f}")


if __name__ == "__main__":
    main()
