"""MtM: a linear path, a transformer, or both; log expected counts for every unit and bin."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nwb_mtm.batch import Batch
from nwb_mtm.config import Config
from nwb_mtm.masks import SCHEMES, Mask
from nwb_mtm.model.linear import LinearPath
from nwb_mtm.model.sizes import group_sizes, unit_homes
from nwb_mtm.model.tables import Targets, look_up, wanted
from nwb_mtm.model.transformer import Transformer, make_tokenizer
from nwb_mtm.vocabulary import Vocabulary


class MtM(nn.Module):
    """Log expected counts from one voice or two: a linear path and a transformer, each trained on its own.

    Their mistakes differ, so a weighted mean of their log rates is better than either; the weights are chosen
    on validation time, for each scheme that is scored.
    """

    share: Tensor

    def __init__(self, rows: int, linear: LinearPath | None, transformer: Transformer | None) -> None:
        super().__init__()
        self.linear = linear
        self.transformer = transformer
        count = sum(voice is not None for voice in (linear, transformer))
        self.bias = nn.Parameter(torch.full((rows, count), -2.0))
        self.register_buffer("share", torch.full((len(SCHEMES), count), 1.0 / count))

    def forward(self, batch: Batch, mask: Mask, targets: Targets = None) -> Float[Tensor, "batch bin target"]:
        """Log expected count per bin, of all units or the targets alone: the voices' weighted mean."""
        shares = self.share[mask.prompts].unbind(-1)
        parts = [share[:, None, None] * voice for share, voice in zip(shares, self.voices(batch, mask, targets))]
        return torch.stack(parts).sum(0)

    def voices(self, batch: Batch, mask: Mask, targets: Targets = None) -> list[Float[Tensor, "batch bin target"]]:
        """What each voice says on its own: a unit's mean, and what is seen in the others."""
        bias = look_up(self.bias, wanted(batch, targets))
        if len(bias) > 1:
            bias = bias.repeat_interleave(len(batch) // len(bias), 0)
        changes = []
        if self.linear is not None:
            changes.append(self.linear(batch, mask, targets)[0])
        if self.transformer is not None:
            changes.append(self.transformer(batch, mask, targets))
        return [mean[:, None] + change for mean, change in zip(bias.unbind(-1), changes)]

    def latents(self, batch: Batch, mask: Mask) -> Float[Tensor, "batch bin width"]:
        """What the model holds before the read-out."""
        found = []
        if self.linear is not None:
            found.append(self.linear.estimate(batch, mask).mean)
        if self.transformer is not None:
            rows, bins = batch.counts.shape[:2]
            found.append(
                self.transformer.trunk(batch, mask)
                .view(rows, bins, -1, self.transformer.norm.normalized_shape[0])
                .mean(2)
            )
        return torch.cat(found, -1)

    def penalty(self) -> Float[Tensor, ""]:
        """Squares that the prior on weights adds."""
        return self.linear.penalty() if self.linear is not None else self.bias.new_zeros(())


def build(config: Config, vocabulary: Vocabulary, bins: int) -> MtM:
    """The model that the settings describe, with a row for every unit of the vocabulary."""
    rows = len(vocabulary)
    model = config.model
    home, groups = unit_homes(model.homes, model.latents, vocabulary), group_sizes(model.homes, model.latents)
    linear = LinearPath(home, groups, bins) if model.latents else None
    if model.layers <= 0:
        return MtM(rows, linear, None)
    most = max((len(keys) for keys in vocabulary.units.values()), default=1)
    tokenizer = make_tokenizer(model, rows, most)
    transformer = Transformer(model, tokenizer, len(vocabulary.sessions), prompt=config.schemes.prompt)
    return MtM(rows, linear, transformer)
