"""Small windows with a few shared latents, for tests of the model."""

import numpy as np

from nwb_mtm.recording import Units
from nwb_mtm.splits import TRAIN
from nwb_mtm.windows import Windows


def units(regions: list[str]) -> Units:
    """Units of the named regions."""
    count = len(regions)
    keys, names = tuple(str(i) for i in range(count)), tuple(regions)
    where = np.full((count, 3), np.nan)
    rows, none = np.arange(count), np.full(count, -1)
    rules, groups, quality = ("constant",) * count, ("probe",) * count, (None,) * count
    return Units(
        keys, tuple(range(count)), names, names, rules, groups, rows, none, where, quality, np.ones(count, bool)
    )


def windows(
    regions: list[str] | None = None,
    count: int = 12,
    bins: int = 10,
    seed: int = 0,
    session: str = "m/s",
    rate: float = 0.3,
) -> Windows:
    """Counts of units that follow two slow latents."""
    rng = np.random.default_rng(seed)
    names = regions if regions is not None else ["CA1"] * 6 + ["DG"] * 6
    latents = np.cumsum(rng.normal(size=(count, bins, 2)) * 0.5, axis=1)
    weights = np.random.default_rng(99).normal(size=(2, len(names))) * 0.5
    counts = rng.poisson(np.minimum(rate * np.exp(latents @ weights), 8.0)).astype(np.uint8)
    part = np.full(count, TRAIN)
    return Windows(session, units(names), np.arange(count) * 5.0, 0.02, counts, part=part)
