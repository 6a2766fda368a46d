"""Decode trial labels and behaviour: from all units, and from one region at a time.

python examples/05_decode_regions.py session.nwb
"""

import sys

import nwb_mtm as mtm

recording = mtm.read(sys.argv[1])
windows = mtm.Windows.around(recording, "stim_on_time").with_split("blocks", seed=0)
model = mtm.fit([windows.only("train")], valid=[windows.only("valid")])

# Fitted on training and validation windows, scored on test windows, beside the clock and plain counts.
decoded = mtm.decode(windows, model, targets=["choice"])
print(decoded)

choice = decoded.labels["choice"]
print(f"choice: {choice.status}, {choice.majority:.0%} by always saying the same")
for features, score in choice.scores.items():
    value = score.headline
    print(f"  from {features:20} {value.value:.2f} [{value.low:.2f}, {value.high:.2f}]")
for region, scores in choice.regions.items():
    for features, score in scores.items():
        print(f"  {region:8} {features:12} {score.headline.value:.2f}")
