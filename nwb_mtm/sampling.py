"""Which windows a step looks at, and what is hidden of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from nwb_mtm.batch import Batch, Roster, Shelf, join
from nwb_mtm.config import Config
from nwb_mtm.masks import REGION_SCHEMES, Mask, MaskScheme, make_schemes
from nwb_mtm.masks import join as join_masks
from nwb_mtm.windows import Windows


@dataclass(frozen=True, eq=False)
class Draw:
    """Windows of one session for one scheme, and the seed of all else that is left to chance about them."""

    scheme: str
    session: int
    windows: Int[Tensor, " window"]
    seed: int
    shared: bool = False  # one mask for all windows, or one for each


class Sampler:
    """Draws sessions, windows and masks; all chance comes from one generator.

    Who else is in the batch changes nothing about a draw, so that ranks can share the draws of a step.
    """

    def __init__(
        self,
        windows: Sequence[Windows],
        rosters: Sequence[Roster],
        config: Config,
        rng: torch.Generator,
        device: torch.device | None = None,
    ) -> None:
        self.windows, self.rosters, self.config, self.rng = windows, rosters, config, rng
        self.shelf = Shelf(windows, rosters, device)
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

    def draw(self, names: Sequence[str], *, shared: bool = False) -> list[Draw]:
        """Which windows of which sessions a voice looks at for every scheme; those of a draw may share a mask."""
        train = self.config.train
        count = train.masks if self.config.schemes.together else 1
        each = train.batch if shared else max(1, train.windows // count)
        drawn = []
        for name in names:
            for session in self._draw_sessions(count, needs_regions=name in REGION_SCHEMES):
                rows = torch.randint(len(self.windows[session]), (each,), generator=self.rng)
                seed = int(torch.randint(2**62, (1,), generator=self.rng))
                drawn.append(Draw(name, session, rows, seed, shared))
        return drawn

    def assemble(self, draws: Sequence[Draw]) -> tuple[Batch, Mask]:
        """The windows and what is hidden of them, on the device; chance is every draw's own."""
        batches = [self.shelf.batch(draw.session, draw.windows) for draw in draws]
        masks = [self._hide(draw, batch) for draw, batch in zip(draws, batches)]
        return join(batches), join_masks(masks)

    def _hide(self, draw: Draw, batch: Batch) -> Mask:
        """One mask for all windows of a draw, or one for each."""
        scheme, rng = self.schemes[draw.scheme], torch.Generator().manual_seed(draw.seed)
        if not draw.shared:
            return scheme.draw(batch, rng)
        shared = scheme.draw(batch.take(slice(0, 1)), rng)
        hidden, scored = (part.expand(batch.counts.shape) for part in (shared.hidden, shared.scored))
        return Mask(hidden, scored & batch.valid, shared.scheme, shared.causal, runs=1)

    def _draw_sessions(self, count: int, *, needs_regions: bool) -> list[int]:
        """Sessions by the square root of their number of windows, times their own weight."""
        weight = torch.tensor([one.weight * len(one) ** 0.5 for one in self.windows])
        if needs_regions:
            weight *= torch.tensor([float(len(roster.names) > 1) for roster in self.rosters])
        drawn = torch.multinomial(weight, count, replacement=True, generator=self.rng)
        return [int(i) for i in drawn]
