"""Which windows a step looks at, and what is hidden of them."""

from collections.abc import Mapping, Sequence

import torch

from nwb_mtm.batch import Batch, Roster, collate
from nwb_mtm.config import Config
from nwb_mtm.masks import REGION_SCHEMES, Mask, MaskScheme, draw_shared, join, make_schemes
from nwb_mtm.windows import Windows


class Sampler:
    """Draws sessions, windows and masks; all chance comes from one generator."""

    def __init__(
        self, windows: Sequence[Windows], rosters: Sequence[Roster], config: Config, rng: torch.Generator
    ) -> None:
        self.windows, self.rosters, self.config, self.rng = windows, rosters, config, rng
        self.schemes = self._usable()

    def _usable(self) -> Mapping[str, MaskScheme]:
        """Schemes that some session can be trained with."""
        known = make_schemes(self.config.schemes)
        if any(len(roster.names) > 1 for roster in self.rosters):
            return known
        return {name: scheme for name, scheme in known.items() if name not in REGION_SCHEMES}

    def schemes_now(self) -> list[list[str]]:
        """Schemes of this step, those that may share one look at the network together."""
        names = list(self.schemes)
        if not self.config.schemes.together:
            weights = torch.tensor([self.weight(name) for name in names])
            return [[names[int(torch.multinomial(weights, 1, generator=self.rng))]]]
        past = [name for name in names if name == "causal"]
        return [some for some in ([name for name in names if name not in past], past) if some]

    def weight(self, name: str) -> float:
        """The scheme's share of the loss."""
        weights = {n: getattr(self.config.schemes, n.replace("-", "_")) for n in self.schemes}
        return float(weights[name] / sum(weights.values()))

    def draw(self, names: Sequence[str], device: torch.device) -> tuple[Batch, Mask, list[slice]]:
        """Windows for every scheme, and what is hidden of them; windows of a group share a session and a mask."""
        train, together = self.config.train, self.config.schemes.together
        index = [self._draw_windows(needs_regions=name in REGION_SCHEMES) for name in names]
        batch = collate(self.windows, self.rosters, [pair for pairs in index for pair in pairs])
        size = len(index[0])
        group = torch.arange(size) // (train.batch if together else 1)
        parts = [slice(i * size, (i + 1) * size) for i in range(len(names))]
        drawn = [draw_shared(self.schemes[name], batch.take(part), group, self.rng) for name, part in zip(names, parts)]
        return batch.to(device), join(drawn).to(device), parts

    def _draw_windows(self, *, needs_regions: bool) -> list[tuple[int, int]]:
        """(session, window) pairs, one session after the other."""
        train = self.config.train
        sessions = self._draw_sessions(train.masks if self.config.schemes.together else 1, needs_regions=needs_regions)
        return [
            (session, int(window))
            for session in sessions
            for window in torch.randint(len(self.windows[session]), (train.batch,), generator=self.rng)
        ]

    def _draw_sessions(self, count: int, *, needs_regions: bool) -> list[int]:
        """Sessions by the square root of their number of windows, times their own weight."""
        weight = torch.tensor([one.weight * len(one) ** 0.5 for one in self.windows])
        if needs_regions:
            weight *= torch.tensor([float(len(roster.names) > 1) for roster in self.rosters])
        drawn = torch.multinomial(weight, count, replacement=True, generator=self.rng)
        return [int(i) for i in drawn]
