"""How large the linear path is, and which latents belong to which region."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from nwb_mtm.config import Config
from nwb_mtm.passes import mask_regions
from nwb_mtm.schema import seconds
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

MOST_LATENTS = 48
LEAST_HOME = 35  # units of the smallest region; smaller ones do better with latents that all share
FEW_BINS = 10_000  # in the longest session: below, transformers are small, many, and worth their time in any budget
LONG_BUDGET = 180.0  # seconds: above, there is time for both kinds of voices wherever much is recorded
NARROW, WIDE = 64, 128  # channels of a transformer that has seen few bins, or many
MOST_VOICES = 6  # transformers; more bring little
STEPS, SLOW = 600, 8e-6  # a transformer's steps, and their seconds for every bin of a unit, on a slow core
STEPS_OF_ONE = 100  # with fewer than twice as many there is one transformer
GROUPS, MOST_SLOW = 256, 20  # of training windows in a session; sessions that are looked at again
PASSES = 35  # over the windows of every scheme: where little is recorded, more only fits their noise


def sized(config: Config, windows: Sequence[Windows]) -> Config:
    """Settings whose size follows from the sessions and the budget."""
    if config.model.latents < 0:
        config = config.changed(_latents(windows))
    if config.model.layers < 0:
        few = few_bins(windows)
        long = seconds(config.train.budget) >= LONG_BUDGET
        config = config.changed({"model.layers": int(few or long)})
    if config.model.width < 0:
        config = config.changed({"model.width": NARROW if few_bins(windows) else WIDE})
    if config.model.voices < 0:
        config = config.changed({"model.voices": _voices(config, windows)})
    if config.model.slow < 0:
        config = config.changed({"model.slow": GROUPS if len(windows) <= MOST_SLOW else 0})
    return config


def _voices(config: Config, windows: Sequence[Windows]) -> int:
    """As many transformers as half of the budget trains; one where much is recorded or the steps are few."""
    if not few_bins(windows) or 0 < config.train.steps < 2 * STEPS_OF_ONE:
        return 1
    each = STEPS * SLOW * max(one.bins * len(one.units) for one in windows)
    return min(MOST_VOICES, max(1, int(0.5 * seconds(config.train.budget) / each)))


def few_bins(windows: Sequence[Windows]) -> bool:
    """Whether so little is recorded that voices are worth their time."""
    return max(len(one) * one.bins for one in windows) <= FEW_BINS


def enough_steps(config: Config, windows: Sequence[Windows]) -> int:
    """Steps after which more of them would not help the default, however long the budget is; presets use all of it."""
    if not few_bins(windows) or config.model.preset != "default":
        return 10**9
    return max(400, PASSES * sum(len(one) for one in windows) // config.train.windows)


def _latents(windows: Sequence[Windows]) -> dict[str, object]:
    """A few latents for every region and some that all share; all shared where regions are small, many or one."""
    sizes = region_sizes(windows)
    own = {name: round(0.3 * size**0.7) for name, size in sizes.items()}
    shared = 2 + round(0.25 * sum(own.values()))
    small = min(sizes.values(), default=0) < LEAST_HOME
    if len(own) < 2 or small or sum(own.values()) + shared > MOST_LATENTS:
        units = max(len(one.units) for one in windows)
        return {"model.latents": min(MOST_LATENTS, max(4, round(1.7 * units**0.5), min(29, round(0.29 * units))))}
    homes = tuple(f"{name}={count}" for name, count in own.items())
    return {"model.latents": sum(own.values()) + shared, "model.homes": homes}


def region_sizes(windows: Sequence[Windows]) -> Mapping[str, int]:
    """Units in every region that counts, in the session that has most of them."""
    sizes: dict[str, int] = {}
    for one in windows:
        for name in mask_regions(one.units):
            sizes[name] = max(sizes.get(name, 0), one.units.regions.count(name))
    return dict(sorted(sizes.items()))


def unit_homes(homes: Sequence[str], latents: int, vocabulary: Vocabulary) -> Bool[Tensor, "row latent"]:
    """Which latents every unit loads on: its region's and the shared ones; all, where its region has none.

    >>> vocabulary = Vocabulary({"a": ("0", "1", "2")}, {"a": ("CA1", "DG", "CA3")})
    >>> unit_homes(("CA1=1", "DG=2"), 4, vocabulary).int().tolist()
    [[1, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1]]
    """
    labels = [region for regions in vocabulary.regions.values() for region in regions]
    owned = home_slices(homes)
    home = torch.ones(len(labels), latents, dtype=torch.bool)
    taken = max((part.stop for part in owned.values()), default=0)
    for row, label in enumerate(labels):
        if label in owned:
            home[row, :taken] = False
            home[row, owned[label]] = True
    return home


def home_slices(homes: Sequence[str]) -> dict[str, slice]:
    """Each region's latents."""
    found: dict[str, slice] = {}
    start = 0
    for entry in homes:
        name, _, count = entry.rpartition("=")
        found[name] = slice(start, start + int(count))
        start += int(count)
    return found


def group_sizes(homes: Sequence[str], latents: int) -> tuple[int, ...]:
    """Latents of every region that has its own, and at the end those that all share.

    >>> group_sizes(("CA1=1", "DG=2"), 4)
    (1, 2, 1)
    """
    own = tuple(int(entry.rpartition("=")[2]) for entry in homes)
    return (*own, latents - sum(own)) if latents > sum(own) else own
