"""Data of your own that are not NWB: plain arrays in, an NWB file and a model out.

python examples/03_own_arrays.py
"""

import numpy as np

import nwb_mtm as mtm

rng = np.random.default_rng(0)

# Thirty units that follow one slow wave, for ten minutes; times are in seconds.
seconds, units = 600.0, 30
grid = np.arange(0, seconds, 0.01)
wave = np.sin(2 * np.pi * grid / 3.0)
rates = 5 * np.exp(np.outer(rng.normal(0, 0.5, units), wave))
trains = [grid[rng.random(len(grid)) < rate * 0.01] + rng.uniform(0, 0.005) for rate in rates]

starts = np.arange(2.0, seconds - 4, 3.0)
trials = mtm.Intervals(starts, starts + 2.5, {"go_time": starts + 0.5}, events=("go_time",))
wheel = mtm.Behavior("/wheel", grid, wave[:, None].astype(np.float32), unit="rad")

recording = mtm.Recording.from_arrays(
    trains,
    session="monday",
    subject="mouse1",
    regions=["CA1"] * 15 + ["CA3"] * 15,
    trials=trials,
    behaviors=[wheel],
    observed=[[0.0, seconds]],
    species="Mus musculus",
)
print(recording)
recording.to_nwb("monday.nwb", existing="overwrite")
print(mtm.read("monday.nwb"))

model = mtm.fit([mtm.Windows.around(recording, "go_time", before=0.5, after=1.5)])
model.save("monday.safetensors")
