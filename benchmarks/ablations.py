"""What each choice of the default model is worth: the same session and steps, one choice changed at a time.

Run with `python benchmarks/ablations.py [FILE.nwb ...] [--steps N] [--seeds N] [--only NAME,NAME]`; without files,
on a simulated session. Scores are validation scores unless `--test` is given: choices are never made on test time.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from nwb_mtm import inference
from nwb_mtm.config import Config
from nwb_mtm.model.validating import mean_bits
from nwb_mtm.passes import SCORES
from nwb_mtm.recording import Recording
from nwb_mtm.synthetic.session import simulate
from nwb_mtm.training import Training
from nwb_mtm.windows import Windows

CHOICES: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "latents shared by all regions": {"model.latents": 29},
    "half the latents": {"model.latents": 15},
    "no prior on weights": {"model.prior": 1e3},
    "prior ten times tighter": {"model.prior": 1e-3},
    "no averaging of weights": {"train.average": 0.0},
    "one mask a scheme and step": {"train.masks": 1},
    "units hidden up to 90 %": {"schemes.ratio_high": 0.9},
    "neuron scheme alone": {"schemes.causal": 0.0, "schemes.inter_region": 0.0, "schemes.intra_region": 0.0},
    "one scheme a step": {"schemes.together": False},
    "causal hides single bins": {"schemes.scattered": True},
    "linear path alone": {"model.layers": 0},
    "linear path with shared latents": {"model.layers": 0, "model.latents": 29},
    "nothing slow": {"model.slow": 0},
    "one transformer": {"model.voices": 1},
    "transformers without the linear path": {"model.latents": 0, "model.layers": 1},
}


def sessions(paths: Sequence[str]) -> Iterator[Recording]:
    """The recordings asked for, or a simulated one."""
    if not paths:
        yield next(iter(simulate(sessions=1, units=100, trials=120, seed=3))).recording
        return
    from nwb_mtm.nwb.reader import read

    for path in paths:
        yield read(path)


def scores(windows: Windows, config: Config, *, test: bool) -> dict[str, float]:
    """Scores of one run."""
    training = Training([windows.only("train")], [windows.only("valid")], config)
    for _ in training:
        pass
    judged = windows.only("test" if test else "valid")
    checkpoint = training.checkpoint()
    found = {}
    for score in SCORES:
        rates = inference.predict(checkpoint, judged, score)
        found[score] = mean_bits(judged.counts, judged.valid, rates)
    return found


def main() -> None:
    """Print one line for every choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--align", default="stim_on_time")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--test", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    names = asked.only.split(",") if asked.only else list(CHOICES)
    for recording in sessions(asked.files):
        windows = Windows.around(recording, asked.align).with_split("random")
        print(windows)
        print(f"{'':36}" + "".join(f"{score:>22}" for score in SCORES))
        for name in names:
            changes = {**CHOICES[name], "train.steps": asked.steps}
            runs = [
                scores(windows, Config().changed({**changes, "train.seed": seed}), test=asked.test)
                for seed in range(asked.seeds)
            ]
            cells = [np.array([run[score] for run in runs]) for score in SCORES]
            print(f"{name:36}" + "".join(f"{c.mean():14.3f} ±{c.std():6.3f}" for c in cells), flush=True)


if __name__ == "__main__":
    main()
