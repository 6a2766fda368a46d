"""Write reconstructed rates into a copy of the file, then recompute what the copy claims.

python examples/06_annotate.py session.nwb
"""

import sys

import nwb_mtm as mtm

source = sys.argv[1]
recording = mtm.read(source)
windows = mtm.Windows.around(recording, "stim_on_time")
train, valid, test = windows.split()
model = mtm.fit([train], valid=[valid])

prediction = mtm.predict(model, test)
print(prediction)

mtm.annotate(source, prediction, out="session_desc-mtm.nwb", existing="overwrite")

# Only time that the model was not trained on is filled; the rest is NaN, and the share is stated.
checked = mtm.check("session_desc-mtm.nwb")
print(checked)
