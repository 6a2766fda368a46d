"""Small recordings drawn from known rates, and windows cut from them."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.baselines.oracle import Truth
from nwb_mtm.recording import Intervals, Recording
from nwb_mtm.windows import Windows

STEP = 0.01


@dataclass(frozen=True, eq=False)
class Toy:
    """A recording, the rates it was drawn from, and its windows with a split."""

    recording: Recording
    truth: Truth
    windows: Windows


def toy(
    *,
    units: int = 24,
    seconds: float = 240.0,
    width: float = 1.0,
    seed: int = 0,
    shared: float = 0.6,
    session: str = "s1",
) -> Toy:
    """Two regions of units that share smooth latents; every tenth unit of the trials table is `b`."""
    rng = np.random.default_rng(seed)
    steps = int(seconds / STEP)
    latents = gaussian_filter1d(rng.normal(size=(steps, 2)), 8, axis=0)
    latents /= latents.std(axis=0)
    level = np.exp(rng.normal(1.8, 0.4, units))
    rates = (level * np.exp(shared * latents @ rng.normal(size=(2, units)))).astype(np.float32)
    counts = rng.poisson(rates * STEP)
    trains = [
        np.repeat(np.arange(steps) * STEP, counts[:, u]) + rng.uniform(0, STEP, counts[:, u].sum())
        for u in range(units)
    ]
    start = np.arange(0.0, seconds - width, width * 1.2)
    labels = np.array(["a", "b"])[rng.integers(0, 2, len(start))]
    trials = Intervals(start, start + width, columns={"choice": labels})
    half = units // 2
    recording = Recording.from_arrays(
        trains,
        session=session,
        regions=["CA1"] * half + ["DG"] * (units - half),
        groups=["probe0"] * half + ["probe1"] * (units - half),
        positions=np.stack([np.zeros(units), np.zeros(units), 40.0 * np.arange(units)], axis=1),
        trials=trials,
        observed=[[0.0, seconds]],
    )
    windows = Windows.around(recording, "trials.start_time", before=0.0, after=width).with_split("blocks")
    return Toy(recording, Truth(rates, 0.0), windows)
