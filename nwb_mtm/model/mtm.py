"""MtM: a linear path, some transformers, or both; log expected counts for every unit and bin."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor, nn

from nwb_mtm.batch import Batch
from nwb_mtm.config import Config
from nwb_mtm.masks import SCHEMES, Mask
from nwb_mtm.model.linear import LinearPath
from nwb_mtm.model.sizes import group_sizes, unit_homes
from nwb_mtm.model.slow import Slow
from nwb_mtm.model.tables import Targets, look_up, wanted
from nwb_mtm.model.transformer import Transformer, make_tokenizer
from nwb_mtm.vocabulary import Vocabulary

PATHS = ("linear", "carried")  # what linear paths are called


class MtM(nn.Module):
    """Log expected counts from several voices: a linear path and transformers, each trained on its own.

    Their mistakes differ, so a weighted mean of their log rates is better than any. The weights are chosen on
    validation time for each scheme that is scored; their sum scales the change about the units' means.
    """

    share: Tensor

    def __init__(
        self,
        rows: int,
        linear: LinearPath | None,
        transformers: Sequence[Transformer],
        slow: Slow | None = None,
        carried: LinearPath | None = None,
    ) -> None:
        super().__init__()
        self.linear = linear
        self.carried = carried
        self.transformers = nn.ModuleList(transformers)
        self.slow = slow
        self.own_region = 0.0  # its share in co-smoothing; set when training ends
        count = len(self.voices)
        self.bias = nn.Parameter(torch.full((rows, count), -2.0))
        self.register_buffer("share", torch.full((len(SCHEMES), count), 1.0 / count))

    @property
    def paths(self) -> list[LinearPath]:
        """The linear path, and the one carried over from another model."""
        return [one for one in (self.linear, self.carried) if one is not None]

    @property
    def voices(self) -> list[LinearPath | Transformer]:
        """Everyone who speaks, linear paths first."""
        return [*self.paths, *(one for one in self.transformers if isinstance(one, Transformer))]

    def forward(self, batch: Batch, mask: Mask, targets: Targets = None) -> Float[Tensor, "batch bin target"]:
        """Log expected count per bin, of all units or the targets alone: the mean of all voices that count."""
        share = self.share[mask.prompts]
        mean = (self._bias(batch, targets) * (share / share.sum(1, keepdim=True))[:, None]).sum(-1)[:, None]
        said = [
            part[:, None, None] * voice(batch, mask, targets)
            for part, voice in zip(share.unbind(1), self.voices)
            if bool(part.any())
        ]
        rates = mean + torch.stack(said).sum(0)
        return rates + self.slow(batch, mask, targets) if self.slow is not None and self.slow.speaks else rates

    def alone(self, row: int, batch: Batch, mask: Mask) -> Float[Tensor, "batch bin unit"]:
        """What one voice says: a unit's mean, and what is seen in the others."""
        change: Tensor = self.voices[row](batch, mask)
        return self._bias(batch, None)[..., row][:, None] + change

    def _bias(self, batch: Batch, targets: Targets) -> Float[Tensor, "row target voice"]:
        """Log mean rates; one row where all windows have the same units."""
        bias = look_up(self.bias, wanted(batch, targets))
        return bias.repeat_interleave(len(batch) // len(bias), 0) if len(bias) > 1 else bias

    def latents(self, batch: Batch, mask: Mask) -> Float[Tensor, "batch bin width"]:
        """What the model holds before the read-out."""
        rows, bins = batch.counts.shape[:2]
        found = [one.estimate(batch, mask).mean for one in self.paths]
        for one in self.transformers:
            assert isinstance(one, Transformer)
            found.append(one.trunk(batch, mask).view(rows, bins, -1, one.norm.normalized_shape[0]).mean(2))
        return torch.cat(found, -1)

    def penalty(self) -> Float[Tensor, ""]:
        """Squares that the prior on weights adds."""
        return sum((one.penalty() for one in self.paths), self.bias.new_zeros(()))

    def parts(self) -> list[str]:
        """How the names of every voice's weights begin."""
        paths = [f"{name}." for name, _ in zip(PATHS, self.paths)]
        return [*paths, *(f"transformers.{row}." for row in range(len(self.transformers)))]

    def assembled(
        self, new: Mapping[str, Tensor], old: Mapping[str, Tensor], chosen: Bool[ndarray, " voice"]
    ) -> dict[str, Tensor]:
        """Weights with the new ones of the chosen voices and the old ones of the others."""
        stay = tuple(part for part, taken in zip(self.parts(), chosen) if not taken)
        found = {name: old[name] if name.startswith(stay) else tensor for name, tensor in new.items()}
        found["bias"] = torch.where(torch.from_numpy(chosen).to(new["bias"].device), new["bias"], old["bias"])
        return found


def build(config: Config, vocabulary: Vocabulary, bins: int) -> MtM:
    """The model that the settings describe, with a row for every unit of the vocabulary."""
    rows = len(vocabulary)
    model = config.model
    home, groups = unit_homes(model.homes, model.latents, vocabulary), group_sizes(model.homes, model.latents)
    linear = LinearPath(home, groups, bins) if model.latents else None
    carried = LinearPath(home, groups, bins) if model.latents and model.carried else None
    most = max((len(keys) for keys in vocabulary.units.values()), default=1)
    sessions, prompt = len(vocabulary.sessions), config.schemes.prompt
    count = max(1, model.voices) if model.layers > 0 else 0
    transformers = [
        Transformer(model, make_tokenizer(model, rows, most), sessions, prompt=prompt) for _ in range(count)
    ]
    slow = Slow(rows, sessions, model.slow) if model.slow > 0 else None
    return MtM(rows, linear, transformers, slow, carried)
