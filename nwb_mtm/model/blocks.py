"""Transformer blocks with learned or rotary positions."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

Allowed = Bool[Tensor, "batch 1 token token"]


class Attention(nn.Module):
    """Multi-head attention; `turn` rotates queries and keys by their bin."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.dropout = dropout

    def forward(
        self, tokens: Float[Tensor, "batch token width"], place: Int[Tensor, " token"] | None, allowed: Allowed
    ) -> Float[Tensor, "batch token width"]:
        """What every token gathers from those it may see."""
        batch, count, width = tokens.shape
        split = self.project(tokens).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        if place is not None:
            query, key = turn(query, place), turn(key, place)
        dropout = self.dropout if self.training else 0.0
        gathered = scaled_dot_product_attention(query, key, value, attn_mask=allowed, dropout_p=dropout)
        mixed: Tensor = self.mix(gathered.transpose(1, 2).reshape(batch, count, width))
        return mixed


class Block(nn.Module):
    """Attention, then a small network, each added to what came before (layer norm first)."""

    def __init__(self, width: int, heads: int, mlp: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, mlp), nn.Linear(mlp, width)
        self.drop = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "batch token width"], place: Int[Tensor, " token"] | None, allowed: Allowed
    ) -> Float[Tensor, "batch token width"]:
        """One step of the trunk."""
        tokens = tokens + self.drop(self.attention(self.before(tokens), place, allowed))
        added: Tensor = self.drop(self.narrow(self.drop(gelu(self.widen(self.between(tokens))))))
        return tokens + added


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


def may_see(place: Int[Tensor, " token"], present: Bool[Tensor, "batch token"], *, causal: bool) -> Allowed:
    """Which token may look at which; context tokens have place -1.

    In a causal pass a bin sees earlier bins and the context, and context sees only itself:
    context that saw bins would carry the future to every bin.
    """
    count = len(place)
    itself = torch.eye(count, dtype=torch.bool, device=place.device)
    earlier = place[None, :] <= place[:, None]
    context = place == -1
    order = torch.where(context[:, None], itself, earlier) if causal else torch.ones_like(itself)
    return ((order & present[:, None, :]) | itself)[:, None]
