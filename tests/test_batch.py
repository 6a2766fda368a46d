"""Batches say which unit is which, and never let padding count."""

import numpy as np
import populations
import torch

from nwb_mtm.batch import CONTEXT, PADDING, make_batch
from nwb_mtm.vocabulary import Vocabulary


def test_units_carry_their_vocabulary_rows_and_regions() -> None:
    one = populations.windows(["CA1"] * 5 + ["DG"] * 5 + ["unknown"])
    batch = make_batch([one], Vocabulary.from_windows([one]))
    assert batch.unit[0].tolist() == list(range(11))
    assert batch.region[0].tolist() == [0] * 5 + [1] * 5 + [CONTEXT]


def test_smaller_sessions_and_shorter_windows_are_padded_and_not_valid() -> None:
    large = populations.windows(session="a/1")
    small = populations.windows(["CA1"] * 5, bins=6, count=2, session="b/1")
    batch = make_batch([large, small], Vocabulary.from_windows([large, small]))
    assert batch.counts.shape == (14, 10, 12)
    assert not batch.valid[12:, 6:].any()
    assert not batch.valid[12:, :, 5:].any()
    assert (batch.unit[12:, 5:] == PADDING).all()
    assert batch.session.tolist() == [0] * 12 + [1] * 2


def test_unobserved_bins_are_not_valid_and_hold_no_count() -> None:
    one = populations.windows()
    observed = np.ones(one.counts.shape, bool)
    observed[3, 4:, :2] = False
    from dataclasses import replace

    batch = make_batch([replace(one, observed=observed)], Vocabulary.from_windows([one]))
    assert torch.equal(batch.valid, torch.tensor(observed))
    assert batch.counts[3, 4:, :2].sum() == 0


def test_a_region_takes_unknown_units_of_its_probe_with_it_unless_told_otherwise() -> None:
    one = populations.windows(["CA1"] * 5 + ["DG"] * 5 + ["unknown"] * 2)
    vocabulary = Vocabulary.from_windows([one])
    strict = make_batch([one], vocabulary).kin[0]
    published = make_batch([one], vocabulary, strict=False).kin[0]
    assert strict.sum(1).tolist() == [7, 7]
    assert published.sum(1).tolist() == [5, 5]


def test_chosen_windows_come_in_the_order_asked_for() -> None:
    one = populations.windows()
    batch = make_batch([one], Vocabulary.from_windows([one]), [(0, 3), (0, 1)])
    assert torch.equal(batch.counts, torch.tensor(one.counts[[3, 1]].astype(np.float32)))
