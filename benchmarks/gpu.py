"""Everything that is claimed about one large GPU, measured in one call that needs only the checkout.

    python benchmarks/gpu.py            on a GPU, under nine minutes
    python benchmarks/gpu.py --smoke    the same road at a tiny size on any machine

Prints one JSON line for each claim: the rate of an 8192-cubed product in bfloat16; training steps at the published
size for several batches with windows/s, memory and MFU (the trunk's operations, forward and back, over the whole step's
time, as a share of that rate); the published workloads of 34 sessions and of one, projected from measured steps; exact
leave-one-out of one session.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nothing needs to be installed but what it imports

from published import BINS, session, settings

from nwb_mtm.batch import make_batch
from nwb_mtm.model.looking import predict_passes
from nwb_mtm.passes import passes
from nwb_mtm.training import Training
from nwb_mtm.windows import Windows

PASSES, SESSION_PASSES = 12e6, 580 * 1000  # window-passes of the published runs
TINY = {"model__width": 32, "model__mlp": 32, "model__heads": 2, "model__layers": 2}


@dataclass(frozen=True)
class Size:
    """How large everything is."""

    sessions: int = 34
    units: int = 676
    windows: int = 410
    one: int = 580  # windows of the session that is trained alone
    test: int = 166
    batches: tuple[int, ...] = (512, 1024, 2048)  # of all sessions
    few: tuple[int, ...] = (16, 128, 512)  # of one
    seconds: float = 15.0  # of steps for each batch
    square: int = 8192
    changes: Mapping[str, object] = field(default_factory=dict)


SMOKE = Size(2, 30, 12, 14, 6, (2, 4), (2,), 0.1, 128, TINY)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true")
    measure(SMOKE if parser.parse_args().smoke else Size())


def measure(size: Size) -> None:
    """Everything, at one size."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and size is not SMOKE:
        raise SystemExit("torch sees no GPU here; --smoke runs the same road at a tiny size.")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    tell("device", name=name, torch=torch.__version__)
    rate = product_rate(size.square, device)
    tell("bfloat16 product", size=size.square, tflops=rate / 1e12)
    one = session(size.units, size.windows + 1)
    many = [replace(one, session=f"bench/{i}") for i in range(size.sessions)]
    best = train_rates("published sessions", many, size, size.batches, rate, device)
    tell("published workload", sessions=len(many), window_passes=PASSES, minutes=PASSES / best / 60, goal_minutes=30)
    alone = train_rates("one session", [session(size.units, size.one + 1)], size, size.few, rate, device)
    tell("one session, 1000 passes", seconds=SESSION_PASSES / alone, goal_seconds=120)
    leave_one_out(size, device)


def tell(claim: str, **facts: object) -> None:
    """One line."""
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in facts.items()}
    print(json.dumps({"claim": claim, **rounded}), flush=True)


def waited(device: torch.device) -> float:
    """The clock, when the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def product_rate(size: int, device: torch.device) -> float:
    """Operations a second of a square product in bfloat16."""
    one, two = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = repeat(lambda: one @ two, 3.0 if device.type == "cuda" else 0.1, device)
    return 2 * size**3 / seconds


def repeat(work: Callable[[], object], longest: float, device: torch.device) -> float:
    """Seconds of one of many calls, ten at a time, after a few that warm up."""
    for _ in range(3):
        work()
    began, count = waited(device), 0
    while waited(device) - began < longest:
        for _ in range(10):
            work()
        count += 10
    return (waited(device) - began) / count


def trunk_operations(training: Training, tokens: int) -> float:
    """Multiplications and additions of the blocks for each window, forward and back."""
    model = training.config.model
    matrices = 2 * (4 * model.width**2 + 2 * model.width * model.mlp)
    attention = 2 * 2 * tokens * model.width
    return 3.0 * model.layers * tokens * (matrices + attention)


def train_rates(
    claim: str, windows: Sequence[Windows], size: Size, batches: Sequence[int], rate: float, device: torch.device
) -> float:
    """Steps of every batch; windows a second of the quickest."""
    best = 0.0
    for batch in batches:
        config = settings(train__batch=batch, train__device=device.type, **size.changes)
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            began = time.perf_counter()
            training = Training(windows, [], config)
            ready = time.perf_counter() - began
            seconds = repeat(training._train_step, size.seconds, device)
        except torch.OutOfMemoryError:
            tell(claim, batch=batch, left_out="out of memory")
            continue
        done = trunk_operations(training, BINS + 2) * batch / seconds
        memory = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0
        tell(
            claim,
            batch=batch,
            step_ms=1000 * seconds,
            windows_per_s=batch / seconds,
            trunk_tflops=done / 1e12,
            mfu=done / rate,
            memory_gib=memory,
            ready_s=ready,
            notes=list(training.notes),
        )
        best = max(best, batch / seconds)
    return best


def leave_one_out(size: Size, device: torch.device) -> None:
    """Every unit of every test window, exactly."""
    windows = session(size.units, size.test + 1)
    training = Training([windows], [], settings(train__device=device.type, **size.changes))
    model = training.checkpoint().model(device)
    batch = make_batch([windows], training.vocabulary).to(device)
    for words, folds in (("exact leave-one-out", None), ("10 folds", 10)):
        plan = passes(windows.units, "co-smoothing", folds=folds)
        predict_passes(model, batch.take(slice(0, 2)), plan[:2], "co-smoothing")
        began = waited(device)
        predict_passes(model, batch, plan, "co-smoothing")
        seconds = waited(device) - began
        tell(words, units=size.units, windows=len(windows), seconds=seconds, goal_seconds=20)


if __name__ == "__main__":
    main()
