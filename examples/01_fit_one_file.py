"""Fit one NWB file, and score the model on time it has not seen.

python examples/01_fit_one_file.py session.nwb
"""

import sys

import nwb_mtm as mtm

recording = mtm.read(sys.argv[1])
print(recording)

# Two seconds around each event, in 20-ms bins; blocks of time train, select and test.
windows = mtm.Windows.around(recording, "stim_on_time", before=0.5, after=1.5, bin_size=0.02)
train, valid, test = windows.split(0.7, 0.1, 0.2, seed=0)
print(windows)

# Ten minutes unless told otherwise: budget="90s", steps=200, or a `config`.
model = mtm.fit([train], valid=[valid])
print(model)
model.save("one_file.safetensors")

# On test windows alone; baselines learn from the training windows that were split off.
scores = mtm.evaluate(model, test)
session = scores.sessions[recording.key]
for name, score in session.scores.items():
    print(f"{name:14}  {score.model.scored.bps_pooled.value:6.3f} bits per spike")
