"""Training repeats itself, resumes bit for bit, selects on validation, and never reads other time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import populations
import pytest
import torch

from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.errors import RunError
from nwb_mtm.model.validating import look, spread
from nwb_mtm.training import Training
from nwb_mtm.vocabulary import Vocabulary

QUICK = {"train.steps": 12, "train.batch": 4, "train.masks": 1, "model.latents": 3, "model.voices": 1}


def quick(**changes: object) -> Training:
    """A dozen steps on a dozen windows."""
    config = Config().changed({**QUICK, **{name.replace("__", "."): value for name, value in changes.items()}})
    return Training([populations.windows()], [populations.windows(count=4, seed=1)], config)


def weights(training: Training) -> dict[str, torch.Tensor]:
    """Where training has come to."""
    return {name: tensor.clone() for name, tensor in training.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    """Whether all weights are equal, bit for bit."""
    return all(torch.equal(one[name], two[name]) for name in one)


def test_the_same_seed_gives_the_same_weights() -> None:
    runs = [quick(model__layers=1), quick(model__layers=1)]
    for run in runs:
        list(run)
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(quick(model__layers=1, train__seed=5)))


def test_voices_trained_side_by_side_end_where_they_do_one_after_another() -> None:
    runs = [quick(model__layers=1, model__voices=2) for _ in range(2)]
    with ThreadPoolExecutor(3) as threads:
        runs[0].updater.each, runs[1].updater.each = map, threads.map
        for run in runs:
            list(run)
    assert same(weights(runs[0]), weights(runs[1]))


@pytest.mark.parametrize("layers", [0, 1])
def test_a_resumed_run_ends_where_an_unbroken_one_does(layers: int, tmp_path: Path) -> None:
    whole = quick(model__layers=layers)
    list(whole)
    stopped = quick(model__layers=layers)
    for step in stopped:
        if step.step == 5:
            break
    stopped.save_resume(tmp_path / "resume.safetensors", {"sources": ["a.nwb"]})
    resumed = quick(model__layers=layers)
    resumed.load_resume(tmp_path / "resume.safetensors")
    assert [step.step for step in resumed] == list(range(6, 13))
    assert same(weights(whole), weights(resumed))
    assert same(dict(whole.checkpoint().weights), dict(resumed.checkpoint().weights))


def test_loss_falls_and_validation_covers_the_four_scores() -> None:
    training = quick(train__steps=60)
    steps = list(training)
    early = np.mean([list(step.loss.values()) for step in steps[:10]])
    late = np.mean([list(step.loss.values()) for step in steps[-10:]])
    assert late < early
    assert steps[-1].valid is not None
    assert set(steps[-1].valid) == {"co-smoothing", "forward", "inter-region", "intra-region"}


def test_the_best_validated_model_is_kept() -> None:
    training = quick(train__steps=40, model__slow=0)
    seen = [np.mean(list(step.valid.values())) for step in training if step.valid]
    kept = look(
        training.checkpoint().model(), training.valid, training.vocabulary, training.config, torch.device("cpu")
    )
    assert training.best_score == pytest.approx(np.mean(list(kept.scores.values())))
    assert training.best_score > np.mean(seen)
    assert kept.alone == pytest.approx(training.best_alone)
    assert len(kept.alone) == 2


def test_a_budget_fixes_the_steps_once_and_starts_from_the_beginning() -> None:
    timed = quick(train__steps=0, train__budget="2s")
    first = next(iter(timed))
    assert first.step == 1
    assert timed.config.train.steps == timed.steps >= 10
    repeated = quick(train__steps=timed.steps)
    next(iter(repeated))
    assert same(weights(timed), weights(repeated))


def test_one_region_trains_without_region_schemes_and_says_so() -> None:
    one = populations.windows(["CA1"] * 8)
    training = Training([one], [populations.windows(["CA1"] * 8, count=3, seed=2)], Config().changed(QUICK))
    assert list(training.schemes) == ["neuron", "causal"]
    assert "inter-region" in training.notes[0]
    last = list(training)[-1]
    assert last.valid is not None
    assert set(last.valid) == {"co-smoothing", "forward"}


def test_a_few_windows_of_silent_units_train_without_bad_numbers() -> None:
    one = populations.windows(count=5, rate=0.01)
    training = Training([one], [one.take([0])], Config().changed(QUICK))
    assert all(np.isfinite(list(step.loss.values())).all() for step in training)


def test_no_training_window_is_said_plainly() -> None:
    with pytest.raises(RunError, match="no training window"):
        Training([populations.windows().take([])], [])


def test_several_sessions_of_different_size_train_one_model() -> None:
    sessions = [
        populations.windows(session="a/1"),
        populations.windows(["CA1"] * 5 + ["DG"] * 6, bins=7, session="b/1"),
    ]
    training = Training(sessions, sessions, Config().changed(QUICK))
    list(training)
    assert len(training.checkpoint().vocabulary) == 23


@pytest.mark.parametrize("name", ["ndt1-temporal", "ndt1-mtm", "ndt1-stitch-mtm", "ndt2-random", "ndt2-mtm"])
def test_presets_train(name: str) -> None:
    tiny = {**QUICK, "model.width": 16, "model.layers": 1, "model.heads": 2, "model.mlp": 16, "model.latents": 0}
    training = Training([populations.windows()], [], Config().changed({"model.preset": name}).changed(tiny))
    assert [len(step.loss) for step in training] == [1] * 12


def test_a_frozen_trunk_stays_and_rows_move() -> None:
    first = quick(model__layers=1)
    list(first)
    other = populations.windows(session="m/other", seed=4)
    tuned = Training([other], [], Config().changed(QUICK), init=first.checkpoint(), freeze="trunk")
    before = weights(tuned)
    list(tuned)
    after = weights(tuned)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert "linear.decode.rows" in moved
    assert all(name == "bias" or name.endswith(".rows") for name in moved)


def test_known_units_keep_their_rows_when_a_model_starts_from_another() -> None:
    first = quick()
    list(first)
    checkpoint: Checkpoint = first.checkpoint()
    one = populations.windows()
    both = Vocabulary.from_windows([populations.windows(session="m/other"), one])
    tuned = Training([one], [], Config(), both, init=checkpoint)
    assert torch.equal(tuned.model.state_dict()["linear.decode.rows"][12:], checkpoint.weights["linear.decode.rows"])


def test_unobserved_bins_change_nothing() -> None:
    observed = np.ones((12, 10, 12), bool)
    observed[:, 8:, 3] = False
    one = replace(populations.windows(), observed=observed)
    counts = one.counts.copy()
    counts[~observed] = 9
    runs = [Training([w], [], Config().changed(QUICK)) for w in (one, replace(one, counts=counts))]
    for run in runs:
        list(run)
    assert same(weights(runs[0]), weights(runs[1]))


def test_validation_looks_at_a_few_sessions_and_windows_spread_over_all() -> None:
    many = [populations.windows(session=f"m/{i}", count=100) for i in range(20)]
    few = spread(many)
    assert [one.session for one in few][:: len(few) - 1] == ["m/0", "m/19"]
    assert {len(one) for one in few} == {64}
    assert spread(many[:1])[0].start[-1] == many[0].start[-1]
    assert spread([]) == []
