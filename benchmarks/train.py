"""A training step at the published size, in turn with a plain stack of torch's encoder layers in eager float32.

    python benchmarks/train.py [--units 300] [--rounds 8]

Width 512, 5 blocks, MLP 1024, 16 windows of 100 bins. With one thread
(OMP_NUM_THREADS=1) these are seconds of the processor, which others on the machine disturb least, else of the clock.
"""

import argparse

import torch
from published import BATCH, paired, reference_step, session, training

from nwb_mtm.model.compute import computes_bfloat16


def measure(units: int, rounds: int) -> dict[str, float]:
    """Seconds of a step: the reference, ours in float32, and ours in what `auto` chooses."""
    windows = session(units, 65)
    counts = torch.tensor(windows.counts[:BATCH].astype("float32"))
    exact, chosen = training(windows, train__precision="float32"), training(windows)
    ways = {
        "plain stack, float32": reference_step(units, counts),
        "ours, float32": exact._train_step,
        f"ours, auto ({chosen.config.train.precision})": chosen._train_step,
    }
    return paired(ways, rounds)


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=8)
    given = parser.parse_args()
    found = measure(given.units, given.rounds)
    base = next(iter(found.values()))
    print(f"{torch.get_num_threads()} threads; bfloat16 arithmetic: {'yes' if computes_bfloat16() else 'no'}")
    for name, seconds in found.items():
        print(f"{name:28s} {seconds:7.3f} s a step, {base / seconds:5.2f} times as fast")


if __name__ == "__main__":
    main()
