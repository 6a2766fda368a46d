"""Does a model that was trained for it find the planted couplings better than reduced-rank maps?

    python benchmarks/regionsubset.py [SEEDS] [STEPS]

The model sees a random set of regions in training (the scheme `region-subset`) and predicts the rest. Then each region
is predicted from each other one alone, and from all others with and without each; both scored on test windows, in bits
per spike of the target over the drift baseline. Area under the ROC curve of planted against absent ordered pairs.
"""

import sys
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from nwb_mtm.baselines.plain import Evidence, drift_expectation
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.inference import predict
from nwb_mtm.metrics import LN2, sums
from nwb_mtm.passes import mask_regions
from nwb_mtm.regionmap.map import map_regions
from nwb_mtm.road.calls import fit
from nwb_mtm.synthetic import simulate
from nwb_mtm.windows import Windows

SCHEMES = ("neuron", "causal", "inter_region", "intra_region", "temporal", "random_token")


def strengths(checkpoint: Checkpoint, test: Windows) -> dict[str, dict[tuple[str, str], float]]:
    """What each source adds to each target, alone and beside all others."""
    labels, regions = np.array(test.units.regions), mask_regions(test.units)
    out: dict[str, dict[tuple[str, str], float]] = {"alone": {}, "left_out": {}}

    for source in regions:
        alone = predict(checkpoint, test, "inter-region", visible=labels == source)
        rest = predict(checkpoint, test, "inter-region", visible=labels != source)
        losses = [sums(test.counts, one).total().loss[0] for one in (alone, rest)]
        for target in set(regions) - {source}:
            rows = labels == target
            spikes = LN2 * test.counts[:, :, rows].sum()
            out["alone"][source, target] = -float(losses[0][rows].sum()) / spikes
            out["left_out"][source, target] = float(losses[1][rows].sum()) / spikes
    return out


def over_baselines(
    found: dict[str, dict[tuple[str, str], float]], windows: Windows, checkpoint: Checkpoint
) -> dict[str, dict[tuple[str, str], float]]:
    """The same as differences: from drift, and from the prediction that sees all other regions."""
    train, valid, test = (windows.only(part) for part in ("train", "valid", "test"))
    labels = np.array(test.units.regions)
    empty = sums(test.counts, drift_expectation(Evidence(train, valid, test))).total().loss[0]
    full = sums(test.counts, predict(checkpoint, test, "inter-region")).total().loss[0]
    for name, base, sign in (("alone", empty, 1.0), ("left_out", full, -1.0)):
        for (source, target), value in found[name].items():
            rows = labels == target
            found[name][source, target] = value + sign * float(base[rows].sum()) / (LN2 * test.counts[:, :, rows].sum())
    return found


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    config = Config().changed(
        {"train.steps": steps, "schemes.region_subset": 1.0, **{f"schemes.{name}": 0.0 for name in SCHEMES}}
    )
    for seed in range(seeds):
        began = time.process_time()
        session = next(iter(simulate(sessions=1, units=150, trials=200, seed=seed)))
        planted = {(c["source"], c["target"]) for c in session.truth["couplings"]}
        windows = Windows.around(session.recording, "trials.stim_on_time").with_split()
        checkpoint = fit([windows], config=config)
        test = windows.only("test")
        found = over_baselines(strengths(checkpoint, test), windows, checkpoint)
        map_ = {(e.source, e.target): e.strengths for e in map_regions(windows, matched_draws=0).edges}
        pairs = sorted(found["alone"])
        truth = [pair in planted for pair in pairs]
        model = {name: roc_auc_score(truth, [table[pair] for pair in pairs]) for name, table in found.items()}
        linear = {
            name: roc_auc_score(truth, [map_[pair][name].value.value for pair in pairs])
            for name in ("alone", "left_out", "lead")
        }
        said = ", ".join(f"{name} {value:.2f}" for name, value in model.items())
        other = ", ".join(f"{name} {value:.2f}" for name, value in linear.items())
        print(
            f"seed {seed}: model {said}; maps {other}; {time.process_time() - began:.0f} s of processor time",
            flush=True,
        )


if __name__ == "__main__":
    main()
