"""The masked transformer: tokens of counts, context tokens, blocks, a change of every log rate."""

from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nwb_mtm.batch import Batch
from nwb_mtm.config import ModelConfig
from nwb_mtm.masks import SCHEMES, Lone, Mask
from nwb_mtm.model.blocks import Block, Dropout, may_see
from nwb_mtm.model.tables import Targets
from nwb_mtm.model.tokens import LONGEST_WINDOW, SmoothBins, StitchedBins, Tokenizer, UnitPatches

INPUT_DROPOUT = 0.5  # share of the trunk's dropout that is used at the embedding


class Transformer(nn.Module):
    """Figure 1 of arXiv 2407.14668: mask, embed, prompt, attend, read out."""

    def __init__(self, config: ModelConfig, tokenizer: Tokenizer, sessions: int, *, prompt: bool) -> None:
        super().__init__()
        width = config.width
        self.tokenizer = tokenizer
        self.share = nn.Linear(1, width)  # how much of the bin is seen: a hidden entry is no silence
        self.prompt = nn.Embedding(len(SCHEMES), width) if prompt else None
        self.session = nn.Embedding(sessions, width) if config.session_token else None
        self.position = nn.Embedding(LONGEST_WINDOW, width) if config.positions == "learned" else None
        blocks = (Block(width, config.heads, config.mlp, config.dropout) for _ in range(config.layers))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.reduced: torch.dtype | None = None  # arithmetic of the matrices, when it is not float32
        self.drop = Dropout(config.dropout * INPUT_DROPOUT)

    def forward(self, batch: Batch, mask: Mask, targets: Targets = None) -> Float[Tensor, "batch bin target"]:
        """A change of every log rate, or of the targets' alone."""
        with self._arithmetic(batch):
            return self.tokenizer.read_out(self._tokens(batch, mask), batch, targets).float()

    def trunk(self, batch: Batch, mask: Mask) -> Float[Tensor, "batch token width"]:
        """The last layer's tokens, without the context."""
        with self._arithmetic(batch):
            return self._tokens(batch, mask).float()

    def _arithmetic(self, batch: Batch) -> AbstractContextManager[object]:
        """Matrices in bfloat16 where that is chosen; what is added up stays in float32."""
        if self.reduced is None:
            return nullcontext()
        return torch.autocast(batch.counts.device.type, self.reduced)

    def _tokens(self, batch: Batch, mask: Mask) -> Float[Tensor, "batch token width"]:
        tokens, place, projected = self._first_tokens(batch, mask)
        context = tokens[:, : tokens.shape[1] - len(place)]
        shown = torch.ones(context.shape[:2], dtype=torch.bool, device=tokens.device)
        present = torch.cat([shown, self.tokenizer.present(batch)], 1)
        place = torch.cat([place.new_full((context.shape[1],), -1), place])
        in_order = self.tokenizer.per_bin(batch) == 1 and context.shape[1] <= 1
        plain = batch.complete and (in_order or not mask.causal)
        view = may_see(place, present, causal=mask.causal, plain=plain)
        turned = place.clamp_min(0) if self.position is None else None
        for block in self.blocks:
            tokens, projected = block(tokens, turned, view, projected), None
        normed: Tensor = self.norm(tokens[:, context.shape[1] :])
        return normed

    def _first_tokens(self, batch: Batch, mask: Mask) -> tuple[Tensor, Int[Tensor, " token"], Tensor | None]:
        """Context and tokens before the first block, and its projection of them where that is made on the way."""
        if mask.lone is not None and isinstance(self.tokenizer, StitchedBins) and batch.complete and not self.training:
            place = torch.arange(batch.counts.shape[1], device=batch.counts.device)
            tokens, projected = self._without(batch, mask, mask.lone, self.tokenizer)
            return tokens, place, projected
        tokens, place = self._embed(batch, mask)
        return torch.cat([self._context(batch, mask), tokens], 1), place, None

    def _without(
        self, batch: Batch, mask: Mask, lone: Lone, tokenizer: StitchedBins
    ) -> tuple[Float[Tensor, "batch token width"], Float[Tensor, "batch token parts"]]:
        """Tokens of windows that hide one unit each: those of the whole window, but where that unit has a spike.

        A token is a sum over the counts of its bin, and the first block's projection knows one token at a time.
        """
        some, block = batch.take(lone.first), self.blocks[0]
        assert isinstance(block, Block)
        share = self.share((1 - 1 / some.present.sum(1).clamp_min(1))[:, None, None])
        rows = tokenizer.reader(batch.rows)
        every = torch.arange(batch.counts.shape[1], device=batch.counts.device)

        def embedded(seen: Tensor, share: Tensor, place: Tensor) -> Tensor:
            tokens = tokenizer.summed(seen, rows) + share
            return tokens if self.position is None else tokens + self.position(place)

        context = self._context(some, mask.take(lone.first))
        whole = torch.cat([context, embedded(some.counts, share, every)], 1)
        spiked = batch.counts.gather(2, lone.units[:, None, None].expand(-1, len(every), 1))[..., 0]
        row, place = torch.nonzero(spiked, as_tuple=True)
        seen = batch.counts[row, place].scatter(1, lone.units[row][:, None], 0.0)
        changed = embedded(seen[:, None], share[lone.window[row]], place[:, None])[:, 0]
        at = (row, place + context.shape[1])
        tokens = whole[lone.window].index_put_(at, changed)
        projected = block.project(whole)[lone.window].index_put_(at, block.project(changed))
        return tokens, projected

    def _embed(self, batch: Batch, mask: Mask) -> tuple[Float[Tensor, "batch token width"], Int[Tensor, " token"]]:
        visible = mask.visible(batch)
        share = visible.float().sum(2, keepdim=True) / batch.present.sum(1)[:, None, None].clamp_min(1)
        per_bin = self.tokenizer.per_bin(batch)
        place = torch.arange(visible.shape[1], device=visible.device).repeat_interleave(per_bin)
        tokens = self.tokenizer.read_in(batch, mask) + self.share(share).repeat_interleave(per_bin, 1)
        if self.position is not None:
            tokens = tokens + self.position(place)
        return self.drop(tokens), place

    def _context(self, batch: Batch, mask: Mask) -> Float[Tensor, "batch context width"]:
        found = [batch.counts.new_zeros(len(batch), 0, self.norm.normalized_shape[0])]
        if self.prompt is not None:
            found.append(self.prompt(mask.prompts)[:, None])
        if self.session is not None:
            found.append(self.session(batch.session)[:, None])
        return torch.cat(found, 1)


def make_tokenizer(config: ModelConfig, rows: int, most: int) -> Tokenizer:
    """The tokenizer that the settings name."""
    if config.tokens == "patches":
        return UnitPatches(config.width, config.patch, -(-most // config.patch))
    if config.tokens == "smooth-bins":
        return SmoothBins(rows, config.width, most, config.dropout)
    hidden = (668, 1336) if config.tokens == "bins" and config.width >= 512 else ()
    return StitchedBins(rows, config.width, hidden)
