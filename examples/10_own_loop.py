"""Your own training loop: one scheme only, losses kept, stopped early, and a score of your own beside the model's.

python examples/10_own_loop.py session.nwb
"""

import sys
from pathlib import Path

import numpy as np

import nwb_mtm as mtm

windows = mtm.Windows.around(mtm.read(sys.argv[1]), "stim_on_time")
train, valid, test = windows.split(seed=0)

# Any setting by its dotted name; `nwb-mtm config show` lists them with a sentence each.
only_units = {"schemes.causal": 0.0, "schemes.inter_region": 0.0, "schemes.intra_region": 0.0}
config = mtm.Config().changed({"train.steps": 60, **only_units})

training = mtm.Training([train], [valid], config, seed=1)
losses, best, worse = [], -np.inf, 0
for step in training:  # a step: losses by scheme, validation scores on some steps (else None), time left
    losses.append(step.loss["neuron"])
    if step.valid is not None:
        score = step.valid["co-smoothing"]
        best, worse = max(best, score), worse + 1 if score < best else 0
        print(f"step {step.step}: loss {losses[-1]:.3f}, validation {score:.3f}")
    if worse == 3:
        break
training.save_resume(Path("own_loop.resume.safetensors"))  # `training.load_resume(...)` goes on from here, bit for bit

model = training.checkpoint()  # the best on validation windows so far
print(model)

# Bits per spike of every unit, for the model and for anything else that expects counts of the same shape.
prediction = mtm.predict(model, test, score="co-smoothing")
average = np.broadcast_to(train.counts.mean(axis=0), test.counts.shape)
print("model          ", np.nanmean(mtm.bits_per_spike(test.counts, prediction.expected)))
print("average of time", np.nanmean(mtm.bits_per_spike(test.counts, average)))
