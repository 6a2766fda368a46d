"""Train on several sessions, then go on with a new one, held against a model from scratch.

python examples/04_finetune.py data/ session.nwb
"""

import sys
from pathlib import Path

import nwb_mtm as mtm

*others, new = sys.argv[1:]
files = [path for place in others for path in sorted(Path(place).rglob("*.nwb"))]
recordings = [mtm.read(path) for path in files]
target = mtm.read(new)

# A recording that comes again under another name must not be in both.
recordings = [one for one in recordings if one.key != target.key]
windows = [mtm.Windows.around(one, "stim_on_time") for one in recordings]
pretrained = mtm.fit(windows)
pretrained.save("pretrained.safetensors")

train, valid, test = mtm.Windows.around(target, "stim_on_time").split(seed=0)


def gained(model: mtm.Checkpoint) -> float:
    """Co-smoothing of the new session, in bits per spike."""
    return mtm.evaluate(model, test).sessions[target.key].scores["co-smoothing"].model.scored.bps_pooled.value


training = mtm.Training([train], [valid], init=pretrained)
for step in training:
    print(step)
print("fine-tuned  ", gained(training.checkpoint()))
print("from scratch", gained(mtm.fit([train], valid=[valid])))
