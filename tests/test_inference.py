"""Predictions fill what the score asks for, from what it lets be seen."""

from dataclasses import replace

import numpy as np
import populations
import pytest
import torch

from nwb_mtm import inference
from nwb_mtm.batch import make_batch
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.errors import RunError
from nwb_mtm.masks import Mask
from nwb_mtm.model.looking import expected, predict_passes
from nwb_mtm.passes import passes
from nwb_mtm.training import Training

REGIONS = ["CA1"] * 6 + ["DG"] * 6 + ["unknown"]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    config = Config().changed({"train.steps": 30, "train.batch": 4, "model.latents": 3, "model.voices": 1})
    training = Training([populations.windows(REGIONS, count=30)], [], config)
    list(training)
    return training.checkpoint()


def test_a_gpu_answers_where_there_is_one_and_training_could_use_it(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    kept_away = replace(checkpoint, config=checkpoint.config.changed({"train.device": "cpu"}))
    assert inference.where(checkpoint).type == "cuda"
    assert inference.where(kept_away).type == "cpu"
    assert inference.where(checkpoint, "cpu").type == "cpu"
    assert inference.where(kept_away, "cuda:1").index == 1


def test_each_score_fills_its_own_entries(checkpoint: Checkpoint) -> None:
    one = populations.windows(REGIONS, seed=3)
    assert np.isfinite(inference.predict(checkpoint, one, "co-smoothing")).all()
    forward = inference.predict(checkpoint, one, "forward")
    assert np.isnan(forward[:, :9]).all()
    assert np.isfinite(forward[:, 9:]).all()
    for score in ("inter-region", "intra-region"):
        rates = inference.predict(checkpoint, one, score)
        assert np.isfinite(rates[:, :, :12]).all()
        assert np.isnan(rates[:, :, 12]).all()


@pytest.mark.parametrize("score", ["co-smoothing", "inter-region", "intra-region"])
def test_a_units_own_spikes_do_not_reach_its_prediction(checkpoint: Checkpoint, score: str) -> None:
    one = populations.windows(REGIONS, seed=3)
    counts = one.counts.copy()
    counts[:, :, 2] += 3
    before = inference.predict(checkpoint, one, score, folds=None)
    after = inference.predict(checkpoint, replace(one, counts=counts), score, folds=None)
    assert np.array_equal(before[:, :, 2], after[:, :, 2])


def test_the_last_bins_do_not_reach_forward_predictions(checkpoint: Checkpoint) -> None:
    one = populations.windows(REGIONS, seed=3)
    counts = one.counts.copy()
    counts[:, 9:] += 3
    before = inference.predict(checkpoint, one, "forward")
    after = inference.predict(checkpoint, replace(one, counts=counts), "forward")
    np.testing.assert_array_equal(before, after)


def test_guarded_units_are_hidden_with_their_target(checkpoint: Checkpoint) -> None:
    one = populations.windows(REGIONS, seed=3)
    guard = np.zeros((13, 13), bool)
    guard[2, 3] = True
    counts = one.counts.copy()
    counts[:, :, 3] += 3
    before = inference.predict(checkpoint, one, folds=None, guard=guard)
    after = inference.predict(checkpoint, replace(one, counts=counts), folds=None, guard=guard)
    assert np.array_equal(before[:, :, 2], after[:, :, 2])
    assert not np.array_equal(before[:, :, 4], after[:, :, 4])


def test_visible_units_speak_alone(checkpoint: Checkpoint) -> None:
    one = populations.windows(REGIONS, seed=3)
    counts = one.counts.copy()
    counts[:, :, 6:] += 2
    visible = np.arange(13) < 6
    other = replace(one, counts=counts)
    for ask in (inference.latents, inference.reconstruct):
        np.testing.assert_array_equal(ask(checkpoint, one, visible=visible), ask(checkpoint, other, visible=visible))
        assert not np.array_equal(ask(checkpoint, one), ask(checkpoint, other))


def test_causal_reconstruction_does_not_look_ahead(checkpoint: Checkpoint) -> None:
    one = populations.windows(REGIONS, seed=3)
    counts = one.counts.copy()
    counts[:, 5:] += 2
    before = inference.reconstruct(checkpoint, one, causal=True)
    after = inference.reconstruct(checkpoint, replace(one, counts=counts), causal=True)
    assert np.array_equal(before[:, :6], after[:, :6])
    assert not np.array_equal(before[:, 6:], after[:, 6:])


def test_windows_can_be_predicted_in_parts(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    one = populations.windows(REGIONS, seed=3)
    whole = inference.predict(checkpoint, one)
    monkeypatch.setattr("nwb_mtm.model.looking.MOST_ENTRIES", 400)
    np.testing.assert_allclose(inference.predict(checkpoint, one), whole, rtol=1e-4)


def test_other_bins_and_unknown_units_are_refused(checkpoint: Checkpoint) -> None:
    one = populations.windows(REGIONS)
    with pytest.raises(RunError, match="bin_size=0.02"):
        inference.predict(checkpoint, replace(one, bin_size=0.01))
    with pytest.raises(RunError, match="no session"):
        inference.predict(checkpoint, replace(one, session="m/other"))


@pytest.mark.parametrize("name", ["default", "ndt1-stitch-mtm", "ndt2-mtm"])
@pytest.mark.parametrize("folds", [None, 3])
def test_only_targets_are_read_out_and_nothing_changes(name: str, folds: int | None) -> None:
    tiny = {"train.steps": 3, "model.width": 16, "model.layers": 1, "model.heads": 2, "model.mlp": 16}
    one = populations.windows(REGIONS, count=5, rate=0.05)  # slow enough for silent windows
    training = Training([one], [], Config().changed({"model.preset": name, **tiny, "train.precision": "float32"}))
    list(training)
    model, batch = training.model.eval(), make_batch([one], training.vocabulary)
    plan = passes(one.units, "co-smoothing", folds=folds)
    found = predict_passes(model, batch, plan, "co-smoothing")
    for each in plan:
        hidden = torch.tensor(each.hidden).expand(batch.counts.shape)
        with torch.no_grad():
            whole = expected(model(batch, Mask(hidden, hidden, "neuron"))).numpy()
        assert np.allclose(found[:, :, each.targets], whole[:, :, each.targets], atol=1e-5)
    assert (one.counts.sum(1) == 0).any()
