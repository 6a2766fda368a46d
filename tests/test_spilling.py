"""Counts that would not fit into memory are the same from disk, and train the same model."""

import numpy as np
import populations
import torch

from nwb_mtm.config import Config
from nwb_mtm.spilling import Spill, is_on_disk, release
from nwb_mtm.training import Training


def test_counts_beyond_the_limit_are_paged_from_disk() -> None:
    one = populations.windows(count=20)
    spill = Spill(limit=one.counts.nbytes)
    first, second = spill.keep(one), spill.keep(one)
    assert first is one
    assert is_on_disk(second.counts)
    assert not is_on_disk(one.counts)
    assert not second.counts.flags.writeable
    assert np.array_equal(second.counts, one.counts)
    assert np.array_equal(second.take([3, 1]).counts, one.counts[[3, 1]])
    assert spill.keep(second) is second


def test_a_model_trained_from_disk_is_the_same() -> None:
    one = populations.windows(count=20)
    config = Config().changed({"train.steps": 4, "train.batch": 3, "model.latents": 2, "model.layers": 0})
    runs = [Training([windows], [], config) for windows in (one, Spill(limit=0).keep(one))]
    for run in runs:
        list(run)
    states = [run.model.state_dict() for run in runs]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_pages_that_are_given_back_are_read_again() -> None:
    one = populations.windows(count=20)
    spilled = Spill(limit=0).keep(one)
    release(spilled.counts)
    release(one.counts)
    assert np.array_equal(spilled.counts, one.counts)
