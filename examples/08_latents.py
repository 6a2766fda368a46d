"""Take the model's inner state to scikit-learn: principal components, and a classifier of your own.

python examples/08_latents.py session.nwb
"""

import sys

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

import nwb_mtm as mtm
from nwb_mtm.inference import latents

recording = mtm.read(sys.argv[1])
windows = mtm.Windows.around(recording, "stim_on_time").with_split("blocks", seed=0)
train, valid, test = windows.only("train"), windows.only("valid"), windows.only("test")
model = mtm.fit([train], valid=[valid])

# One vector for every bin of every window.
before, after = latents(model, train), latents(model, test)
print("latents", before.shape)

space = PCA(3).fit(before.reshape(-1, before.shape[-1]))
print("share of variance", np.round(space.explained_variance_ratio_, 2))

# Trained on training time, scored on test time: the same split as the model's.
column = "choice"
classifier = LogisticRegression(max_iter=1000).fit(before.mean(axis=1), train.trial_column(column))
score = classifier.score(after.mean(axis=1), test.trial_column(column))
print(f"{column}: {score:.0%} of {len(test)} test trials")
