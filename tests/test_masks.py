"""Schemes hide what they say, score a part of it, and never score what is not there."""

import populations
import pytest
import torch

from nwb_mtm.batch import Batch, make_batch
from nwb_mtm.config import SchemeConfig
from nwb_mtm.masks import (
    CausalMask,
    InterRegionMask,
    IntraRegionMask,
    MaskScheme,
    NeuronMask,
    RandomTokenMask,
    RegionSubsetMask,
    ScatteredCausalMask,
    TemporalMask,
    make_schemes,
)
from nwb_mtm.vocabulary import Vocabulary

SCHEMES: tuple[MaskScheme, ...] = (
    NeuronMask(),
    CausalMask(),
    ScatteredCausalMask(),
    TemporalMask(),
    RandomTokenMask(patch=4),
    InterRegionMask(),
    IntraRegionMask(),
    RegionSubsetMask(),
)


def batch(seed: int = 0) -> Batch:
    """Two sessions of different size and length."""
    large = populations.windows(session="a/1", count=8, seed=seed)
    small = populations.windows(["CA1"] * 5 + ["DG"] * 5, bins=6, count=8, session="b/1")
    return make_batch([large, small], Vocabulary.from_windows([large, small]))


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: type(scheme).__name__)
def test_only_hidden_and_valid_entries_are_scored(scheme: MaskScheme) -> None:
    some = batch()
    for seed in range(20):
        mask = scheme.draw(some, torch.Generator().manual_seed(seed))
        assert not (mask.scored & ~mask.hidden).any()
        assert not (mask.scored & ~some.valid).any()
        assert mask.scored[:8].flatten(1).any(1).all(), "a whole session always has something to score"


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: type(scheme).__name__)
def test_the_same_chance_draws_the_same_mask(scheme: MaskScheme) -> None:
    one = scheme.draw(batch(), torch.Generator().manual_seed(3))
    two = scheme.draw(batch(), torch.Generator().manual_seed(3))
    assert torch.equal(one.hidden, two.hidden)
    assert torch.equal(one.scored, two.scored)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: type(scheme).__name__)
def test_masks_do_not_depend_on_counts(scheme: MaskScheme) -> None:
    one = scheme.draw(batch(), torch.Generator().manual_seed(3))
    two = scheme.draw(batch(seed=5), torch.Generator().manual_seed(3))
    assert torch.equal(one.hidden, two.hidden)


def test_inter_region_hides_exactly_one_region() -> None:
    some = batch()
    mask = InterRegionMask().draw(some, torch.Generator().manual_seed(0))
    for row in range(len(some)):
        hidden = mask.hidden[row, 0]
        regions = set(some.region[row, hidden].tolist())
        assert len(regions) == 1
        assert torch.equal(hidden, some.region[row] == regions.pop())


def test_intra_region_scores_a_few_units_of_the_one_visible_region() -> None:
    some = batch()
    mask = IntraRegionMask().draw(some, torch.Generator().manual_seed(0))
    for row in range(len(some)):
        seen = set(some.region[row, ~mask.hidden[row, 0]].tolist()) - {-1}
        assert len(seen) == 1
        assert set(some.region[row, mask.scored[row, 0]].tolist()) == seen


def test_hiding_few_units_includes_hiding_one() -> None:
    some = batch()
    sizes = {
        int(mask.hidden[0, 0].sum())
        for seed in range(60)
        for mask in [NeuronMask((0.0, 0.3)).draw(some, torch.Generator().manual_seed(seed))]
    }
    assert 1 in sizes
    assert max(sizes) > 1


def test_causal_hides_whole_bins_and_shows_some_before_them() -> None:
    some = batch()
    mask = CausalMask().draw(some, torch.Generator().manual_seed(1))
    assert mask.causal
    everyone = some.present[:, None].expand_as(mask.hidden)
    assert torch.equal(mask.hidden, mask.hidden.any(2, keepdim=True) & everyone)
    assert not mask.hidden[:, 0].any()


def test_region_subset_shows_and_hides_at_least_one_region() -> None:
    some = batch()
    for seed in range(20):
        mask = RegionSubsetMask().draw(some, torch.Generator().manual_seed(seed))
        hidden = mask.hidden[:, 0] & (some.region >= 0)
        assert hidden.any(1).all()
        assert ((some.region >= 0) & ~hidden).any(1).all()


def test_schemes_without_weight_are_left_out() -> None:
    assert list(make_schemes(SchemeConfig(causal=0.0))) == ["neuron", "inter-region", "intra-region"]
