"""Co-smoothing may be mixed with what a unit's own region says; what is hidden stays hidden."""

from dataclasses import replace

import numpy as np
import populations
import pytest
import torch

from nwb_mtm import inference
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.errors import ConfigError
from nwb_mtm.model.settling import OWN_SHARES, settle
from nwb_mtm.presets import PRESETS
from nwb_mtm.training import Training
from nwb_mtm.windows import Windows

REGIONS = ["CA1"] * 6 + ["DG"] * 6 + ["unknown"]
SMALL = Config().changed({"train.steps": 60, "train.batch": 8, "model.latents": 3, "model.layers": 0, "model.slow": 0})
BOTH = SMALL.changed({"model.layers": 1, "model.voices": 1})


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    training = Training([populations.windows(REGIONS, count=60)], [], BOTH)
    list(training)
    return training.checkpoint()


def sharing(checkpoint: Checkpoint, share: float) -> Checkpoint:
    return replace(checkpoint, config=checkpoint.config.changed({"model.own_region": share}))


@pytest.mark.parametrize("folds", [4, None])
def test_a_hidden_units_own_spikes_never_reach_its_prediction(trained: Checkpoint, folds: int | None) -> None:
    windows = populations.windows(REGIONS, seed=3)
    more = windows.counts.copy()
    more[:, :, 2] += 3
    changed = replace(windows, counts=more)
    one, other = (inference.predict(sharing(trained, 0.6), w, folds=folds) for w in (windows, changed))
    assert np.array_equal(one[:, :, 2], other[:, :, 2])
    assert not np.array_equal(one, other)


def test_its_share_goes_from_all_units_to_its_regions_alone(trained: Checkpoint) -> None:
    windows = populations.windows(REGIONS, seed=3)
    wide, half, own = (inference.predict(sharing(trained, share), windows, folds=None) for share in (0.0, 0.5, 1.0))
    intra = inference.predict(trained, windows, "intra-region", folds=None)
    assert np.allclose(own[:, :, :12], intra[:, :, :12], rtol=1e-5)
    assert np.allclose(half, np.sqrt(wide * own), rtol=1e-5)
    assert np.array_equal(wide[:, :, 12], own[:, :, 12])  # it belongs to no region
    assert not np.allclose(wide[:, :, :12], own[:, :, :12], rtol=1e-3)


def chosen(checkpoint: Checkpoint, valid: Windows) -> tuple[float, float]:
    model = checkpoint.model()
    gains = settle(model, [], [valid], checkpoint.vocabulary, SMALL, torch.device("cpu"))
    return model.own_region, gains["co-smoothing"]


def test_validation_turns_to_the_own_region_when_the_others_mislead(trained: Checkpoint) -> None:
    valid = populations.windows(REGIONS, seed=5, count=40)
    shuffled = valid.counts.copy()
    shuffled[:, :, 6:] = 3 * shuffled[np.random.default_rng(0).permutation(40)][:, :, 6:]
    share, gain = chosen(trained, replace(valid, counts=shuffled))
    assert share > 0.3
    assert gain > 0


def test_where_nobody_has_another_region_nothing_is_mixed() -> None:
    alone = populations.windows(["CA1"] * 8, count=40)
    training = Training([alone], [], SMALL.changed({"train.steps": 3}))
    list(training)
    assert chosen(training.checkpoint(), alone) == (0.0, 0.0)


def test_training_keeps_what_it_chose_and_published_presets_do_without() -> None:
    windows = populations.windows(REGIONS, count=40)
    training = Training([windows], [windows], SMALL.changed({"train.steps": 4}))
    list(training)
    assert training.checkpoint().config.model.own_region in OWN_SHARES
    assert all(Config().changed({"model.preset": name}).model.own_region == 0 for name in PRESETS if name != "default")


def test_a_share_above_one_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ConfigError, match="own_region is 2; it is a share from 0 to 1"):
        Config().changed({"model.own_region": 2.0})
