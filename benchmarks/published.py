"""The published size, and what stands beside it: a plain stack of torch's own encoder layers.

Counts come from units whose mean rates are spread as in cortex and hippocampus (log-normal, median 1 Hz).
"""

from collections.abc import Callable
from time import perf_counter, process_time

import numpy as np
import torch
from torch import Tensor, nn

from nwb_mtm.config import Config
from nwb_mtm.recording import Recording
from nwb_mtm.training import Training
from nwb_mtm.windows import Windows

BINS, BATCH, REGIONS = 100, 16, 5
MEDIAN_RATE, SPREAD = 1.0, 1.2  # Hz, and of its logarithm
PRESET = "ndt1-stitch-mtm"


class Stack(nn.Module):
    """A read-in, five encoder layers of torch, and a read-out."""

    def __init__(self, units: int, width: int = 512, heads: int = 8, mlp: int = 1024, layers: int = 5) -> None:
        super().__init__()
        self.read_in, self.read_out = nn.Linear(units, width), nn.Linear(width, units)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, mlp, norm_first=True, batch_first=True) for _ in range(layers)
        )

    def forward(self, counts: Tensor) -> Tensor:
        """Log rates."""
        tokens = self.read_in(counts)
        for layer in self.layers:
            tokens = layer(tokens)
        found: Tensor = self.read_out(tokens)
        return found


def session(units: int, windows: int, name: str = "bench/0", seed: int = 0) -> Windows:
    """Windows of 100 bins of 20 ms of Poisson units."""
    rng = np.random.default_rng(seed)
    rates = np.minimum(rng.lognormal(np.log(MEDIAN_RATE), SPREAD, units), 60.0)
    length = windows * BINS * 0.02
    trains = [np.sort(rng.uniform(0, length, rng.poisson(rate * length) + 2)) for rate in rates]
    regions = [f"R{i * REGIONS // units}" for i in range(units)]
    recording = Recording.from_arrays(trains, session=name, regions=regions)
    start = np.arange(windows - 1) * BINS * 0.02
    return Windows.at(recording, start, bins=BINS, bin_size=0.02)


def settings(**changes: object) -> Config:
    """The published settings, with a number of steps that is never reached."""
    fixed = {"model.preset": PRESET, "train.steps": 10**6}
    return Config().changed({**fixed, **{name.replace("__", "."): value for name, value in changes.items()}})


def training(windows: Windows, **changes: object) -> Training:
    """Our training at the published size."""
    return Training([windows], [], settings(**changes))


def clock() -> float:
    """Seconds: the processor's with one thread, which others on the machine disturb least, else the wall's."""
    return process_time() if torch.get_num_threads() == 1 else perf_counter()


def paired(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of every way, in turn, the best of all rounds; a first round is not counted."""
    best = dict.fromkeys(ways, float("inf"))
    for turn in range(rounds + 1):
        for name, work in ways.items():
            began = clock()
            work()
            if turn:
                best[name] = min(best[name], clock() - began)
    return best


def reference_step(units: int, counts: Tensor) -> Callable[[], object]:
    """A training step of the plain stack in eager float32."""
    model = Stack(units)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

    def step() -> None:
        optimizer.zero_grad()
        loss = nn.functional.poisson_nll_loss(model(counts), counts)
        loss.backward()
        optimizer.step()

    return step
