"""What a fit of many cached sessions holds in memory, above torch itself.

    python benchmarks/memory.py [--sessions 100] [--units 300] [--minutes 30]

Simulated sessions are put into a cache of their own; another process then takes them from there, cuts them into windows
of 100 bins, trains a few steps and evaluates one session. What counts is what it alone holds (anonymous memory): pages
of the cache belong to the system, which takes them back when it needs them; with them is the second figure.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

STEPS = 5
KEY = ("benchmark", "memory")


def fill(folder: Path, sessions: int, units: int, minutes: float) -> None:
    """Put Poisson sessions into a cache, with a trial every four seconds."""
    from nwb_mtm.recording import Intervals, Recording
    from nwb_mtm.sources.store import Key, Store

    store, seconds = Store(folder, limit=2**40), minutes * 60
    regions = [f"R{i * 5 // units}" for i in range(units)]
    start = np.arange(1.0, seconds - 4, 4.0)
    trials = Intervals(start, start + 3, {"stim_on_time": start + 0.5})
    for number in range(sessions):
        rng = np.random.default_rng(number)
        times = np.sort(rng.uniform(0, seconds, (units, int(3 * seconds))), axis=1)
        recording = Recording.from_arrays(list(times), session=f"bench/{number}", trials=trials, regions=regions)
        store.put(Key(str(number), *KEY), recording)


def held() -> tuple[float, float]:
    """GiB that this process holds: alone, and with the pages of files."""
    found = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("RssAnon", "VmRSS"):
            found[name] = int(rest.split()[0]) / 2**20
    return found["RssAnon"], found["VmRSS"]


class Watch(threading.Thread):
    """Looks at memory every hundredth of a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.whole, self.done = 0.0, 0.0, False

    def run(self) -> None:
        """Look until told to stop."""
        while not self.done:
            alone, whole = held()
            self.peak, self.whole = max(self.peak, alone), max(self.whole, whole)
            time.sleep(0.01)


def fit(folder: Path, sessions: int) -> None:
    """Train on what the cache holds, and print what it took."""
    import torch  # noqa: F401  (its own memory is the floor)

    from nwb_mtm.config import Config
    from nwb_mtm.evaluation.activity import Options
    from nwb_mtm.predictor import ModelPredictor
    from nwb_mtm.road.preparation import prepare
    from nwb_mtm.road.sharing import Evaluation
    from nwb_mtm.sources.store import Key, Store
    from nwb_mtm.training import Training

    floor, floor_whole = held()
    watch, peaks = Watch(), {}
    watch.start()
    store = Store(folder, limit=2**40)
    recordings = [store.get(Key(str(number), *KEY)) for number in range(sessions)]
    config = Config().changed({"train.steps": 10**6, "model.latents": 8, "model.layers": 1})
    prepared = prepare([one for one in recordings if one is not None], config)
    peaks["prepared"] = watch.peak - floor
    training = Training(prepared.part("train"), prepared.part("valid"), config, prepared.vocabulary)
    began = time.perf_counter()
    for step in training:
        if step.step == STEPS:
            break
    training._look()  # one validation
    seconds = time.perf_counter() - began
    peaks["trained"] = watch.peak - floor
    checkpoint = training.checkpoint()
    list(Evaluation((checkpoint,), prepared.sessions[:1], Options(draws=50)).run())
    ModelPredictor(checkpoint)
    watch.done = True
    watch.join()
    above = {"above_torch_gib": watch.peak - floor, "with_file_pages_gib": watch.whole - floor_whole}
    rounded = {key: round(value, 3) for key, value in {**peaks, **above, "seconds_to_train": seconds}.items()}
    print(json.dumps({"sessions": sessions, "torch_gib": round(floor, 3), **rounded}))


def main() -> None:
    """Fill a cache, then fit in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--units", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--child", type=Path)
    given = parser.parse_args()
    if given.child:
        fit(given.child, given.sessions)
        return
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), given.sessions, given.units, given.minutes)
        command = [sys.executable, __file__, "--child", folder, "--sessions", str(given.sessions)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
