"""What a step looks at: the same whoever else is in the batch, and put together without being asked for again."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import populations
import torch

from nwb_mtm.batch import Roster
from nwb_mtm.config import Config
from nwb_mtm.sampling import Sampler
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

TWO = (populations.windows(session="a/1"), populations.windows(["CA1"] * 5 + ["DG"] * 6, bins=7, session="b/1"))


def sampler(windows: Sequence[Windows] = TWO, **changes: object) -> Sampler:
    """A sampler of small batches."""
    config = Config().changed(
        {"train.batch": 3, "train.windows": 3, **{k.replace("__", "."): v for k, v in changes.items()}}
    )
    vocabulary = Vocabulary.from_windows(windows)
    rosters = [Roster.of(one.units, one.session, vocabulary) for one in windows]
    return Sampler(windows, rosters, config, torch.Generator().manual_seed(0))


def test_windows_of_a_draw_share_one_mask() -> None:
    some = sampler()
    drawn = some.draw(["neuron", "intra-region"], shared=True)
    assert [draw.scheme for draw in drawn] == ["neuron", "neuron", "intra-region", "intra-region"]
    _, mask = some.assemble(drawn)
    assert mask.hidden.shape == (12, 10, 12)
    for start in range(0, 12, 3):
        assert (mask.hidden[start : start + 3] == mask.hidden[start]).all()
    assert not torch.equal(mask.hidden[0], mask.hidden[3])


def test_a_draw_that_shares_no_mask_hides_something_else_in_every_window() -> None:
    some = sampler(schemes__together=False)
    _, mask = some.assemble(some.draw(["neuron"]))
    assert len({tuple(row.flatten().tolist()) for row in mask.hidden}) == 3


def test_who_else_is_drawn_changes_nothing() -> None:
    some = sampler()
    drawn = some.draw(["neuron", "inter-region"], shared=True)
    both, both_mask = some.assemble(drawn)
    start = 0
    for draw in drawn:
        one, mask = some.assemble([draw])
        rows, (bins, units) = slice(start, start + 3), one.counts.shape[1:]
        assert torch.equal(both.counts[rows, :bins, :units], one.counts)
        assert torch.equal(both_mask.hidden[rows, :bins, :units], mask.hidden)
        assert torch.equal(both_mask.scored[rows, :bins, :units], mask.scored)
        assert not both_mask.hidden[rows, bins:].any()
        start += 3


def test_counts_above_255_and_unobserved_bins_arrive_whole() -> None:
    one = populations.windows()
    counts = one.counts.astype(np.uint16) * 300
    observed = np.ones(one.counts.shape, bool)
    observed[:, 4:, 2] = False
    some = sampler([replace(one, counts=counts, observed=observed)])
    batch, _ = some.assemble(some.draw(["neuron"])[:1])
    assert float(batch.counts.max()) >= 300
    assert not batch.complete
    assert not batch.valid[:, 4:, 2].any()
    assert float(batch.counts[:, 4:, 2].sum()) == 0
