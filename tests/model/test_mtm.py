"""For every architecture: nothing hidden or later is seen, and units keep their identity."""

from dataclasses import replace

import numpy as np
import populations
import pytest
import torch
from torch import Tensor

from nwb_mtm.batch import Batch, make_batch
from nwb_mtm.config import Config
from nwb_mtm.masks import CausalMask, InterRegionMask, IntraRegionMask, Mask, MaskScheme, NeuronMask, RandomTokenMask
from nwb_mtm.model import MtM, build
from nwb_mtm.presets import PRESETS
from nwb_mtm.vocabulary import Vocabulary

SMALL = {"model.width": 16, "model.layers": 2, "model.heads": 2, "model.mlp": 16, "model.patch": 5}
NAMES = tuple(PRESETS)


def small(name: str) -> Config:
    """A preset at a size for tests; `default` with and without a transformer is `default` and `both`."""
    if name == "both":
        return Config().changed({**SMALL, "model.latents": 3, "model.voices": 2})
    if name == "default":
        return Config().changed({"model.latents": 3, "model.layers": 0})
    return Config().changed({"model.preset": name}).changed(SMALL)


def random_model(config: Config, vocabulary: Vocabulary, bins: int = 10) -> MtM:
    """A model whose every weight matters."""
    torch.manual_seed(0)
    model = build(config, vocabulary, bins)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.2)
    return model.eval()


def session(seed: int = 0) -> tuple[Vocabulary, Batch]:
    """One session with context units."""
    one = populations.windows(["CA1"] * 5 + ["DG"] * 5 + ["unknown"], count=4, seed=seed)
    vocabulary = Vocabulary.from_windows([one])
    return vocabulary, make_batch([one], vocabulary)


def changed(batch: Batch, where: Tensor) -> Batch:
    """The same batch with other counts at some entries."""
    return batch.with_counts(torch.where(where, batch.counts + 3, batch.counts))


@pytest.mark.parametrize("name", [*NAMES, "both"])
@pytest.mark.parametrize(
    "scheme",
    [NeuronMask(), CausalMask(), InterRegionMask(), IntraRegionMask(), RandomTokenMask(patch=4)],
    ids=lambda scheme: scheme.name,
)
def test_a_hidden_count_reaches_no_prediction(name: str, scheme: MaskScheme) -> None:
    vocabulary, batch = session()
    model = random_model(small(name), vocabulary)
    mask = scheme.draw(batch, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(batch, mask), model(changed(batch, mask.hidden), mask))


@pytest.mark.parametrize("name", [*NAMES, "both"])
def test_causal_predictions_do_not_see_the_same_or_later_bins(name: str) -> None:
    vocabulary, batch = session()
    model = random_model(small(name), vocabulary)
    hidden = torch.zeros_like(batch.valid)
    hidden[:, 4] = True
    mask = Mask(hidden, hidden, "causal", causal=True)
    later = torch.zeros_like(batch.valid)
    later[:, 5:] = True
    with torch.no_grad():
        before, after = model(batch, mask), model(changed(batch, later), mask)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 6:], after[:, 6:])


@pytest.mark.parametrize("name", [*NAMES, "both"])
def test_visible_counts_do_reach_predictions(name: str) -> None:
    vocabulary, batch = session()
    model = random_model(small(name), vocabulary)
    mask = NeuronMask().draw(batch, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert not torch.equal(model(batch, mask), model(changed(batch, ~mask.hidden), mask))


@pytest.mark.parametrize("name", [*NAMES, "both"])
def test_gradients_reach_every_parameter(name: str) -> None:
    vocabulary, batch = session()
    config = small(name)
    model = random_model(config, vocabulary)
    schemes = [NeuronMask(), CausalMask(), InterRegionMask(), IntraRegionMask()]
    for scheme in schemes:
        mask = scheme.draw(batch, torch.Generator().manual_seed(1))
        (model(batch, mask) * mask.scored).square().sum().backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.abs().sum() > 0, path


@pytest.mark.parametrize("name", ["default", "both", "ndt1-stitch-mtm", "ndt2-mtm"])
def test_permuting_units_permutes_predictions(name: str) -> None:
    vocabulary, batch = session()
    model = random_model(small(name), vocabulary)
    mask = NeuronMask().draw(batch, torch.Generator().manual_seed(0))
    order = torch.randperm(batch.counts.shape[2], generator=torch.Generator().manual_seed(1))
    mixed = replace(
        batch,
        counts=batch.counts[:, :, order],
        valid=batch.valid[:, :, order],
        unit=batch.unit[:, order],
        region=batch.region[:, order],
        kin=batch.kin[:, :, order],
    )
    moved = Mask(mask.hidden[:, :, order], mask.scored[:, :, order], mask.scheme)
    with torch.no_grad():
        torch.testing.assert_close(model(batch, mask)[:, :, order], model(mixed, moved), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["default", "both", "ndt1-stitch-mtm", "ndt2-mtm"])
def test_a_session_alone_equals_the_same_session_beside_a_larger_one(name: str) -> None:
    one = populations.windows(["CA1"] * 5 + ["DG"] * 4, bins=7, count=3, session="b/1")
    large = populations.windows(count=3, session="a/1")
    vocabulary = Vocabulary.from_windows([large, one])
    model = random_model(small(name), vocabulary)
    alone, beside = make_batch([one], vocabulary), make_batch([large, one], vocabulary)
    hidden = torch.zeros_like(alone.valid)
    hidden[:, :, :2] = True
    wide = torch.zeros_like(beside.valid)
    wide[3:, :7, :2] = True
    with torch.no_grad():
        single = model(alone, Mask(hidden, hidden, "neuron"))
        joint = model(beside, Mask(wide, wide, "neuron"))[3:, :7, :9]
    torch.testing.assert_close(single, joint, rtol=1e-4, atol=1e-4)


def test_predictions_start_at_mean_rates() -> None:
    from nwb_mtm.model.start import start_from

    vocabulary, batch = session()
    model = build(small("both"), vocabulary, 10)
    counts = batch.counts.numpy()
    start_from(model, np.arange(11), counts, np.ones(counts.shape, bool))
    mean = counts.mean((0, 1))
    np.testing.assert_allclose(model.bias.exp().detach()[:, 0], (mean * 40 + 0.5) / 41, rtol=1e-4)
