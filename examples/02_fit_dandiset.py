"""Fit one model on several sessions of a dandiset, streamed; a folder of files works the same.

python examples/02_fit_dandiset.py DANDI:000409/0.230101.1234
python examples/02_fit_dandiset.py data/
"""

import sys
from pathlib import Path

import nwb_mtm as mtm
from nwb_mtm.road.fitting import FitOptions, fit_run
from nwb_mtm.runs import create, default_folder
from nwb_mtm.sources.reading import SourceOptions

source = sys.argv[1]
options = FitOptions(sources=SourceOptions(max_sessions=3))
folder = create(default_folder(source, "example"), existing="overwrite")
assert folder is not None

# Each thing that happens is yielded: sentences, training steps, scores, files.
for event in fit_run([source], folder, mtm.Config(), options):
    print(event)

print("Open", Path(folder.report))
