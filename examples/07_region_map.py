"""Which region's spikes tell about which other's, over and above what both share with the trial.

    python examples/07_region_map.py session.nwb

Shared input and movement suffice for two regions to tell about each other; a direction is no cause.
"""

import sys

import numpy as np

import nwb_mtm as mtm
from nwb_mtm.regionmap.map import map_regions

recording = mtm.read(sys.argv[1])
windows = mtm.Windows.around(recording, "stim_on_time").with_split("blocks", seed=0)

# One linear map for each pair, fitted out of fold over the whole session; no trained model is needed.
found = map_regions(windows, draws=200)
print(found)

print("source in rows, target in columns:", *found.regions)
print(np.array_str(found.matrix("lead"), precision=3, suppress_small=True))

for edge in found.edges:
    lead = edge.strengths["lead"]
    same = "same probe" if edge.same_group else "other probe"
    print(f"{edge.source:>6} to {edge.target:6} {lead.value.value:+.3f} bits per spike, q = {lead.q:.2f}, {same}")
