"""What changes slowly: how far each unit was from what the others told, in training windows around a time."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nwb_mtm.batch import NO_TIME, Batch
from nwb_mtm.masks import SCHEMES, Mask
from nwb_mtm.model.tables import Targets, look_up, mix, wanted

FOREVER = 10**18  # microseconds
START = (60.0, 1.0, 0.0)  # seconds, spikes, amount: nothing is said before training ends


class Places(nn.Module):
    """Where the groups of training windows are: for every session their centres, then how far they reach.

    In whole microseconds: on a clock of seconds since 1970, numbers of four bytes are minutes apart.
    """

    weight: Tensor

    def __init__(self, sessions: int, groups: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(sessions, 2 * groups, dtype=torch.int64))
        self.clear()

    def clear(self) -> None:
        """No group is anywhere."""
        self.weight[:, : self.weight.shape[1] // 2] = 0
        self.weight[:, self.weight.shape[1] // 2 :] = FOREVER

    def near(self, batch: Batch, memory: Float[Tensor, " batch"]) -> Float[Tensor, "batch group"]:
        """How much every group counts: less the further away, the nearest 1, those that overlap the window 0."""
        centre, reach = self.weight[batch.session].chunk(2, 1)
        away = (centre - batch.start[:, None]).abs()
        counts = (away >= reach) & (batch.start != NO_TIME)[:, None]
        gap = torch.where(counts, 1e-6 * away.float(), torch.inf)
        nearest = gap.amin(1, keepdim=True).clamp_max(FOREVER)
        return torch.exp((nearest - gap) / memory[:, None])


class Slow(nn.Module):
    """A unit's own change from minute to minute, which no other unit shows.

    The ratio of its spikes to what the voices expected of it, over training windows around the window, drawn to 1
    by a few spikes. The window itself, and what overlaps it, never counts.
    """

    rows: Tensor
    setting: Tensor

    def __init__(self, rows: int, sessions: int, groups: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(rows, 2 * groups))  # spikes of every group, then those expected
        self.session = Places(sessions, groups)
        self.register_buffer("setting", torch.tensor(START).repeat(len(SCHEMES), 1))

    @property
    def speaks(self) -> bool:
        """Whether it was found to help with any score."""
        return bool(self.setting[:, 2].any())

    def forget(self) -> None:
        """Say nothing, until tables are filled again."""
        self.rows.zero_()
        self.session.clear()
        self.setting.copy_(torch.tensor(START).repeat(len(SCHEMES), 1))

    def forward(self, batch: Batch, mask: Mask, targets: Targets = None) -> Float[Tensor, "batch one target"]:
        """The change of every log rate, or of the targets' alone; the same in all bins."""
        memory, prior, amount = self.setting[mask.prompts].unbind(1)
        near = self.session.near(batch, memory)[:, None]
        spikes, expected = (mix(near, part) for part in look_up(self.rows, wanted(batch, targets)).mT.chunk(2, 1))
        ratio = (prior[:, None, None] + spikes) / (prior[:, None, None] + expected)
        return amount[:, None, None] * ratio.log()
