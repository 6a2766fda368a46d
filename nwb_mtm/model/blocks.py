"""Transformer blocks with learned or rotary positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import local

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu, scaled_dot_product_attention


@dataclass(frozen=True, eq=False)
class View:
    """Which token may look at which: as a mask, or, where that says it all, all at all or each at earlier ones."""

    allowed: Bool[Tensor, "batch 1 token token"] | None
    causal: bool = False


class Chance(local):
    """Where dropout on a CPU draws from: a generator for every run of windows, or torch's own when there are none.

    With a generator of its own, what is dropped from a window does not depend on who else is in the batch. Every
    thread has runs of its own, so that voices can be trained side by side.
    """

    runs: Sequence[tuple[torch.Generator, int]] = ()

    def bytes(self, entries: Tensor) -> Tensor:
        """A random byte for every entry."""
        drawn = []
        for rng, count in self.runs or ((None, len(entries)),):
            size = entries[:1].numel() * count
            words = torch.empty(-(-size // 8), dtype=torch.int64).random_(-(2**63), None, generator=rng)
            drawn.append(words.view(torch.uint8)[:size])
        return (drawn[0] if len(drawn) == 1 else torch.cat(drawn)).view(entries.shape)


class Dropout(nn.Module):
    """Zero a share of the entries; on a CPU from one random byte each, to the nearest 256th.

    Torch's own draw takes four times as long there, and as long as the matrices in bfloat16.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share, self.chance = share, Chance()

    def forward(self, entries: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The entries that are kept, larger by what is lost."""
        if not self.training or not self.share:
            return entries
        if entries.device.type != "cpu":
            return dropout(entries, self.share)
        cut = min(255, round(256 * self.share))
        kept = self.chance.bytes(entries) >= cut
        return entries * kept.to(entries.dtype).mul_(256 / (256 - cut))


def share_chance(model: nn.Module) -> Chance:
    """One source of chance for all of a model's dropout."""
    chance = Chance()
    for module in model.modules():
        if isinstance(module, Dropout):
            module.chance = chance
    return chance


class Attention(nn.Module):
    """Multi-head attention; `turn` rotates queries and keys by their bin."""

    def __init__(self, width: int, heads: int, share: float) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.drop = Dropout(share)

    def forward(
        self, projected: Float[Tensor, "batch token parts"], place: Int[Tensor, " token"] | None, view: View
    ) -> Float[Tensor, "batch token width"]:
        """What every token gathers from those it may see; asked with its query, key and value."""
        batch, count, width = *projected.shape[:2], projected.shape[2] // 3
        split = projected.view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        if place is not None:
            query, key = turn(query, place), turn(key, place)
        if self.training and self.drop.share and projected.device.type == "cpu":
            gathered = self._dropped(query, key, value, view)
        else:
            share = self.drop.share if self.training else 0.0
            gathered = scaled_dot_product_attention(
                query, key, value, attn_mask=view.allowed, dropout_p=share, is_causal=view.causal
            )
        mixed: Tensor = self.mix(gathered.transpose(1, 2).reshape(batch, count, width))
        return mixed

    def _dropped(self, query: Tensor, key: Tensor, value: Tensor, view: View) -> Tensor:
        """The same by hand, where torch's own attention has nothing fused for dropout."""
        alike = (query * query.shape[-1] ** -0.5) @ key.mT
        if view.causal:
            alike = alike + torch.full(alike.shape[-2:], -torch.inf, dtype=alike.dtype).triu(1)
        elif view.allowed is not None:
            alike = alike.masked_fill(~view.allowed, -torch.inf)
        gathered: Tensor = self.drop(alike.softmax(-1, dtype=alike.dtype)) @ value
        return gathered


class Block(nn.Module):
    """Attention, then a small network, each added to what came before (layer norm first)."""

    def __init__(self, width: int, heads: int, mlp: int, share: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, share)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, mlp), nn.Linear(mlp, width)
        self.drop = Dropout(share)

    def forward(
        self,
        tokens: Float[Tensor, "batch token width"],
        place: Int[Tensor, " token"] | None,
        view: View,
        projected: Float[Tensor, "batch token parts"] | None = None,
    ) -> Float[Tensor, "batch token width"]:
        """One step of the trunk; `projected` when that is known already."""
        asked = self.project(tokens) if projected is None else projected
        tokens = onto(self.drop(self.attention(asked, place, view)), tokens)
        wide = self.drop(activated(self.widen(self.between(tokens))))
        return onto(self.drop(self.narrow(wide)), tokens)

    def project(self, tokens: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch parts"]:
        """What attention asks of every token, and is told by it: nothing that other tokens change."""
        projected: Tensor = self.attention.project(self.before(tokens))
        return projected


def onto(
    added: Float[Tensor, "batch token width"], tokens: Float[Tensor, "batch token width"]
) -> Float[Tensor, "batch token width"]:
    """Their sum; in the place of what is added, where no gradient needs it."""
    if torch.is_grad_enabled() or added.dtype != tokens.dtype:
        return tokens + added
    return added.add_(tokens)


def activated(wide: Float[Tensor, "batch token wide"]) -> Float[Tensor, "batch token wide"]:
    """A GELU; in place, where no gradient needs what comes in."""
    found: Tensor = gelu(wide) if torch.is_grad_enabled() else torch.ops.aten.gelu_(wide)
    return found


def turn(
    heads: Float[Tensor, "batch head token channel"], place: Int[Tensor, " token"]
) -> Float[Tensor, "batch head token channel"]:
    """Rotate pairs of channels by angles that grow with the bin (arXiv 2104.09864)."""
    channels = heads.shape[-1]
    speed = 100.0 ** (-torch.arange(0, channels, 2, device=heads.device) / channels)
    angle = place[:, None] * speed
    even, odd = heads[..., 0::2], heads[..., 1::2]
    turned = torch.stack([even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()], -1)
    return turned.flatten(-2).to(heads.dtype)


def may_see(
    place: Int[Tensor, " token"],
    present: Bool[Tensor, "batch token"],
    *,
    causal: bool,
    plain: bool = False,
) -> View:
    """Which token may look at which; context tokens have place -1.

    In a causal pass a bin sees earlier bins and the context, and context sees only itself:
    context that saw bins would carry the future to every bin. `plain` says that all tokens are present and,
    in a causal pass, that their order is the bins' order with at most one context token before them.
    """
    if plain:
        return View(None, causal)
    count = len(place)
    itself = torch.eye(count, dtype=torch.bool, device=place.device)
    earlier = place[None, :] <= place[:, None]
    order = torch.where((place == -1)[:, None], itself, earlier) if causal else torch.ones_like(itself)
    return View(((order & present[:, None, :]) | itself)[:, None])
