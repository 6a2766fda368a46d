"""Four sessions of Steinmetz et al. 2019, for blocks and random splits: model and baselines in one table.

    python benchmarks/steinmetz.py FOLDER [--steps 450 | --budget 10m] [--seeds 3] [--no-model]

After every seed stands how far the model is ahead of ridge: the difference of their means over units, averaged over
sessions and seeds, with an interval from resampling sessions and, within them, seeds.

FOLDER holds sessionNN.npz with `spikes` (trial, unit, 40 bins of 10 ms), `time` and `probe_block`.
The release gives counts, not spike times, so pairs of units cannot be checked for shared spikes.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np

from nwb_mtm.baselines.rivals import NAMES
from nwb_mtm.config import Config
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.scoring import evaluate
from nwb_mtm.passes import SCORES, Score
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.recording import Recording
from nwb_mtm.road import calls
from nwb_mtm.scores import Activity
from nwb_mtm.windows import Windows

HEAD = (
    "session",
    "split",
    "score",
    "predictor",
    "pooled bits per spike",
    "mean",
    "median",
    "train null",
    "D2",
    "units",
)


def windows_of(path: Path, split: str) -> Windows:
    """Trials as windows of 20-ms bins, with the region of every unit taken from its probe."""
    stored = np.load(path)
    spikes = stored["spikes"]
    counts = spikes.reshape(*spikes.shape[:2], -1, 2).sum(axis=3).transpose(0, 2, 1).astype(np.uint8)
    keep = counts.sum(axis=(0, 1)) / (len(counts) * counts.shape[1] * 0.02) > 0.5
    regions = [f"block{block}" for block in stored["probe_block"][keep]]
    recording = Recording.from_arrays([[0.0]] * len(regions), session=path.stem, subject="mouse", regions=regions)
    start = stored["time"][:, 0].astype(np.float64)
    windows = Windows(recording.key, recording.units, start, 0.02, counts[:, :, keep], alignment="stimulus [0, +0.4] s")
    return windows.with_split(split)


def scored(windows: Windows, config: Config | None, baselines: tuple[str, ...]) -> Mapping[Score, Activity]:
    """Every score of one session, with a model when there are settings for one."""
    predictor = None if config is None else ModelPredictor(calls.fit(windows, config=config))
    options = Options(baselines=baselines, guarded=False, variants=False, horizons=(), strict=False)
    return evaluate(predictor, windows, options=options).sessions[windows.session].scores


def rows(head: tuple[str, ...], scores: Mapping[Score, Activity]) -> Iterator[tuple[str, ...]]:
    """A row for every score and predictor, then one with the answer in words."""
    for score in SCORES:
        activity = scores[score]
        yield from ((*head, score, *cells) for cells in _cells(activity))
        if activity.model is not None:
            told = f"{activity.verdict}: {activity.gain} over {activity.against}"
            yield (*head, score, "**gain**", told, "", "", "", "", "")


def ahead(found: Mapping[tuple[str, str, Score], list[float]]) -> Iterator[str]:
    """How far the model is ahead of ridge on each split and score, over sessions and seeds."""
    rng = np.random.default_rng(0)
    for split in dict.fromkeys(split for _, split, _ in found):
        for score in SCORES:
            groups = [np.array(v) for (_, s, name), v in found.items() if (s, name) == (split, score)]
            picks = rng.integers(0, len(groups), (2000, len(groups)))
            drawn = [np.mean([rng.choice(groups[i], len(groups[i])).mean() for i in pick]) for pick in picks]
            low, high = np.quantile(drawn, [0.025, 0.975])
            told = ", ".join(f"{v:+.3f}" for group in groups for v in group)
            mean = np.mean([group.mean() for group in groups])
            yield f"{split:7} {score:13} {mean:+.3f} [{low:+.3f}, {high:+.3f}] over ridge: {told}"


def _cells(activity: Activity) -> Iterator[tuple[str, ...]]:
    sets = {**({} if activity.model is None else {"**model**": activity.model}), **activity.baselines}
    for name, found in sets.items():
        t = found.scored
        plain = (f"{v.value:.3f}" for v in (t.bps_median, t.bps_mean_train_null, t.d2_mean))
        yield (name, str(t.bps_pooled), str(t.bps_mean), *plain, str(t.units))


def main() -> None:
    """Print the table as it grows."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--steps", type=int, default=450, help="Steps of the default model.")
    asked.add_argument("--budget", default="", help="Time for each model, instead of steps.")
    asked.add_argument("--seeds", type=int, default=1)
    asked.add_argument("--no-model", action="store_true")
    asked.add_argument("--baselines", default=",".join(NAMES))
    asked.add_argument("--sessions", default="session02,session03,session07,session09")
    asked.add_argument("--splits", default="blocks,random")
    given = asked.parse_args()
    print("| " + " | ".join(HEAD) + " |\n|" + " --- |" * len(HEAD))
    started, baselines = time.perf_counter(), tuple(given.baselines.split(","))
    gains: dict[tuple[str, str, Score], list[float]] = {}
    seeds, names = range(1 if given.no_model else given.seeds), given.sessions.split(",")
    for seed, split, name in product(seeds, given.splits.split(","), names):
        windows = windows_of(given.folder / f"{name}.npz", split)
        size = {"train.budget": given.budget} if given.budget else {"train.steps": given.steps}
        config = None if given.no_model else Config().changed({**size, "train.seed": seed})
        scores = scored(windows, config, baselines)
        for row in rows((name, split), scores):
            print("| " + " | ".join(row) + " |", flush=True)
        for score, one in scores.items():
            if one.model is not None and "ridge" in one.baselines:
                gained = one.model.scored.bps_mean.value - one.baselines["ridge"].scored.bps_mean.value
                gains.setdefault((name, split, score), []).append(gained)
        if name == names[-1]:
            print("\n".join(["", *ahead(gains)]), flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
