"""Leaving units out at the published size, beside a loop of one unit per pass over a plain stack in float32.

    python benchmarks/evaluation.py [--units 300] [--windows 24] [--passes 10]

The loop is timed for some passes, before and after each of ours, and scaled to all units; ours is timed whole.
With one thread (OMP_NUM_THREADS=1) these are seconds, else of the clock.
"""

import argparse
from collections.abc import Callable

import torch
from published import Stack, clock, session, training

from nwb_mtm.batch import make_batch
from nwb_mtm.model.looking import predict_passes
from nwb_mtm.passes import passes


def loop(units: int, counts: torch.Tensor, some: int) -> Callable[[], float]:
    """How to time one pass for each unit, all windows in a batch: seconds, from a few passes."""
    model = Stack(units).eval()

    def one(unit: int) -> None:
        seen = counts.clone()
        seen[:, :, unit] = 0
        with torch.no_grad():
            model(seen)[:, :, unit].exp()

    def timed() -> float:
        began = clock()
        for unit in range(some):
            one(unit % units)
        return (clock() - began) / some * units

    one(0)
    return timed


def measure(units: int, windows: int, some: int) -> dict[str, tuple[float, float]]:
    """Seconds of exact leave-one-out in both precisions, and of folds; with each, those of the loop beside it."""
    cut = session(units, windows + 1)
    plain, found = loop(units, torch.tensor(cut.counts.astype("float32")), some), {}
    for precision in ("float32", "auto"):
        run = training(cut, train__precision=precision)
        chosen = run.config.train.precision
        name = chosen if precision == "float32" else f"auto ({chosen})"
        batch = make_batch([cut], run.vocabulary)
        model = run.checkpoint().model()
        predict_passes(model, batch.take(slice(0, 2)), passes(cut.units, "co-smoothing"), "co-smoothing")
        for words, folds in (("exact", None), ("10 folds", 10)):
            plan, before = passes(cut.units, "co-smoothing", folds=folds), plain()
            began = clock()
            predict_passes(model, batch, plan, "co-smoothing")
            spent = clock() - began
            found[f"{words}, {name}"] = spent, (before + plain()) / 2
    return found


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=300)
    parser.add_argument("--windows", type=int, default=24)
    parser.add_argument("--passes", type=int, default=10)
    given = parser.parse_args()
    found = measure(given.units, given.windows, given.passes)
    print(f"{given.units} units, {given.windows} windows of 100 bins; beside it the loop over a plain stack in float32")
    for name, (seconds, base) in found.items():
        print(f"{name:24s} {seconds:8.2f} s, {base:8.2f} s, {base / seconds:6.2f} times as fast")


if __name__ == "__main__":
    main()
