"""Does pretraining help? Sessions of one species, then few trials of a new one, beside those trials alone.

Every simulated species has its own dynamics; sessions of a species share them, and no unit. Of the new session's first
trials seven in eight are trained on, one validated with; all others are test trials.

With `--steinmetz FOLDER` the sessions are real (see benchmarks/steinmetz.py): each of the four in turn is the new one,
and the other three are trained on before. Their regions are probes, which lie elsewhere in every session.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from steinmetz import windows_of

from nwb_mtm import inference
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.metrics import sums, unit_scores
from nwb_mtm.passes import SCORES
from nwb_mtm.road.finetuning import scratch_config, untrained
from nwb_mtm.splits import TEST
from nwb_mtm.synthetic import simulate
from nwb_mtm.training import Training
from nwb_mtm.windows import Windows

T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 8: 2.36, 10: 2.26}  # of so many differences


Sessions = tuple[list[Windows], Windows]  # to pretrain on, and a new one of which few trials are known


def species(seed: int, given: argparse.Namespace) -> Sessions:
    """Simulated sessions that share their dynamics."""
    drawn = simulate(sessions=given.sessions + 1, units=given.units, trials=given.long, seed=seed)
    *before, last = [Windows.around(one.recording, "stim_on_time") for one in drawn]
    return [one.with_split("random") for one in before], few_known(last, given.trials)


def recorded(folder: Path, trials: int) -> Iterator[tuple[str, Sessions]]:
    """Real sessions, each of them the new one in turn."""
    sessions = [windows_of(path, "random") for path in sorted(folder.glob("session*.npz"))]
    for new in sessions:
        yield new.session, ([one for one in sessions if one is not new], few_known(new, trials))


def few_known(windows: Windows, trials: int) -> Windows:
    """The first trials to train and validate with, and all others to test."""
    few = windows.take(np.arange(trials)).with_split("random", shares=(0.875, 0.125, 0.0))
    part = np.full(len(windows), TEST)
    part[:trials] = few.part
    return replace(windows, part=part)


def scores(checkpoint: Checkpoint, windows: Windows) -> np.ndarray:
    """The four scores on test windows: means over units, then medians."""
    test = windows.only("test")
    expected = [inference.predict(checkpoint, test, score) for score in SCORES]
    bits = [unit_scores(sums(test.counts, one, valid=test.valid).total(), test.rates).bps[0] for one in expected]
    return np.array([[np.nanmean(one) for one in bits], [np.nanmedian(one) for one in bits]])


def trained(training: Training) -> Checkpoint:
    """What training ends with."""
    for _ in training:
        pass
    return training.checkpoint()


def all_ways(sessions: Sessions, seed: int, given: argparse.Namespace) -> dict[str, np.ndarray]:
    """Scores of every way to the new session."""
    before, new = sessions
    chosen = {"model.layers": given.layers, "model.latents": given.latents}
    sizes = {"train.seed": seed} | {name: value for name, value in chosen.items() if value >= 0}
    config = Config().changed({**sizes, "train.steps": given.tuning_steps})
    first = config.changed({"train.steps": given.steps})
    pretrained = trained(Training([w.only("train") for w in before], [w.only("valid") for w in before], first))
    some, valid = [new.only("train")], [new.only("valid")]
    tuning = Training(some, valid, config, init=pretrained)
    frozen = Training(some, valid, config, init=pretrained, freeze="trunk")
    ways = untrained(tuning.checkpoint(), pretrained)
    found = {f"{name}, not trained": scores(one, new) for name, one in ways.items()}
    found["finetuned, rows alone"] = scores(trained(frozen), new)
    found["finetuned"] = scores(trained(tuning), new)
    same = scratch_config(replace(config, model=tuning.config.model))
    found["from scratch"] = scores(trained(Training(some, valid, same)), new)
    return found


def main() -> None:
    """Print every species' scores, then means and paired differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    defaults = {"species": 4, "first": 1, "sessions": 8, "units": 80, "long": 100, "trials": 50}
    for name, default in {**defaults, "steps": 300, "tuning-steps": 200, "layers": -1, "latents": -1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--steinmetz", type=Path, metavar="FOLDER", help="Take the real sessions of this folder.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':36}" + "".join(f"{score:>15}" for score in SCORES))
    rows: dict[str, list[np.ndarray]] = {}
    simulated = ((f"species {seed}", species(seed, given)) for seed in range(given.first, given.first + given.species))
    for number, (title, sessions) in enumerate(
        recorded(given.steinmetz, given.trials) if given.steinmetz else simulated
    ):
        began = time.process_time()
        for name, bits in all_ways(sessions, 0 if given.steinmetz else given.first + number, given).items():
            rows.setdefault(name, []).append(bits)
            print(f"{title}: {name:25}" + "".join(f"{b:15.3f}" for b in bits[0]), flush=True)
        print(f"({time.process_time() - began:.0f} s)", flush=True)
    for which, what in enumerate(("mean over units", "median unit")):
        print(f"\n{what}")
        summary({name: np.array(bits)[:, which] for name, bits in rows.items()})


def summary(rows: Mapping[str, np.ndarray]) -> None:
    """Means over species or sessions, paired differences, and what zero-shot reaches."""
    for name, bits in rows.items():
        print(f"{name:36}" + "".join(f"{b:15.3f}" for b in bits.mean(axis=0)))
    for name in ("finetuned", "finetuned, rows alone", "zero_shot, not trained"):
        against = "mean_row, not trained" if name.startswith("zero_shot") else "from scratch"
        differences(f"{name} over {against}", rows[name] - rows[against])
    tuned = rows["finetuned"].mean(axis=0)
    share = [f"{z / t:.0%}" if t > 0 else "-" for z, t in zip(rows["zero_shot, not trained"].mean(axis=0), tuned)]
    print(f"{'zero_shot as a share of finetuned':36}" + "".join(f"{cell:>15}" for cell in share))


def differences(title: str, gain: np.ndarray) -> None:
    """Their mean with its interval, and the smallest."""
    spread = gain.std(axis=0, ddof=1) if len(gain) > 1 else np.full(gain.shape[1], np.nan)
    half = T_95.get(len(gain), np.nan) * spread / len(gain) ** 0.5
    cells = [f"{m:+.3f} ±{h:.3f}" for m, h in zip(gain.mean(axis=0), half)]
    print(f"{title.replace(', not trained', '').replace('from ', ''):36}" + "".join(f"{cell:>15}" for cell in cells))
    print(f"{'the smallest':36}" + "".join(f"{value:+15.3f}" for value in gain.min(axis=0)))


if __name__ == "__main__":
    main()
