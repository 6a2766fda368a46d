"""What each choice of the default model is worth: the same session and steps, one choice changed at a time.

Run with `python benchmarks/ablations.py [FILE.nwb ...] [--steps N] [--seeds N] [--only NAME,NAME]`; without files,
on a simulated session. Scores are validation scores unless `--test` is given: choices are never made on test time.

`--parts` trains once a seed and leaves parts of the trained model out instead, weighing anew what stays. The trials
of the training and validation parts are split again, and scored are the new test windows, which chose nothing.
`--steinmetz FOLDER` does so on real sessions (benchmarks/steinmetz.py says what the folder holds).
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nwb_mtm import inference
from nwb_mtm.batch import make_batch
from nwb_mtm.config import Config
from nwb_mtm.model.looking import predict_passes
from nwb_mtm.model.settling import settle
from nwb_mtm.model.validating import look, mean_bits
from nwb_mtm.passes import SCORES, passes
from nwb_mtm.recording import Recording
from nwb_mtm.splits import TEST
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


PARTS = ("nothing", "own region", "slow part", "own region and slow part", "transformers", "all transformers but one")


def split_again(windows: Windows) -> Windows:
    """Windows that are not for test, with test windows among them."""
    few = windows.take(np.flatnonzero(windows.part != TEST))
    return replace(few, part=None, partition=None).with_split("random")


def without(training: Training, windows: Windows, part: str) -> np.ndarray:
    """The four scores on test windows of a trained model that has lost a part."""
    device, own = torch.device("cpu"), 0.0 if "own region" in part else -1.0
    checkpoint, config = training.checkpoint(), training.config.changed({"model.own_region": own})
    model = checkpoint.model()
    if "slow part" in part:
        model.slow = None
    if "transformers" in part:
        kept = len(model.paths) + ("but one" in part)
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.transformers = model.transformers[: kept - len(model.paths)]
        weights = {**weights, "bias": weights["bias"][:, :kept], "share": weights["share"][:, :kept]}
        model.bias = torch.nn.Parameter(weights["bias"])
        model.share = weights["share"]
        model.share.copy_(look(model, [windows.only("valid")], checkpoint.vocabulary, config, device).share)
    settle(model, [windows.only("train")], [windows.only("valid")], checkpoint.vocabulary, config, device)
    test = windows.only("test")
    batch = make_batch([test], checkpoint.vocabulary, strict=True)
    plans = {score: passes(test.units, score) for score in SCORES}
    said = [predict_passes(model, batch, plan, score) for score, plan in plans.items()]
    return np.array([mean_bits(test.counts, test.valid, rates) for rates in said])


def compare_parts(name: str, windows: Windows, steps: int, seeds: int) -> None:
    """One line for every part that is left out: the mean of seeds, and how far that is from the whole."""
    found = np.zeros((seeds, len(PARTS), len(SCORES)))
    for seed in range(seeds):
        config = Config().changed({"train.steps": steps, "train.seed": seed})
        training = Training([windows.only("train")], [windows.only("valid")], config)
        for _ in training:
            pass
        found[seed] = [without(training, windows, part) for part in PARTS]
    for row, part in enumerate(PARTS):
        cells = "".join(f"{mean:10.3f}" for mean in found[:, row].mean(0))
        lost = found[:, row] - found[:, 0]
        print(
            f"{name:12}{part:28}{cells}",
            *(f"{m:+.3f} ± {s:.3f}" for m, s in zip(lost.mean(0), lost.std(0))),
            flush=True,
        )


def parted(asked: argparse.Namespace) -> None:
    """The parts of the default, on simulated or real sessions."""
    if asked.steinmetz:
        from steinmetz import windows_of

        for path in sorted(Path(asked.steinmetz).glob("session*.npz")):
            compare_parts(path.stem, split_again(windows_of(path, "random")), asked.steps, asked.seeds)
        return
    for recording in sessions(asked.files):
        windows = Windows.around(recording, asked.align).with_split("random")
        compare_parts(recording.session, split_again(windows), asked.steps, asked.seeds)


def main() -> None:
    """Print one line for every choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--align", default="stim_on_time")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--steinmetz", default="", metavar="FOLDER")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.parts or asked.steinmetz:
        parted(asked)
        return
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
