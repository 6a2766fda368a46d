"""Sessions of one species agree on what latents mean, and a new session finds its place in a trained trunk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import populations
import torch

from nwb_mtm import inference
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.model.align import Learnt, agree, align
from nwb_mtm.model.dynamics import covariances
from nwb_mtm.model.explaining import Session, believe, mean_path, precisions, refit_dynamics
from nwb_mtm.model.linear import LinearPath
from nwb_mtm.model.transfer import TUNING_RATE
from nwb_mtm.model.validating import lonely, mean_bits, offered_weights
from nwb_mtm.road.finetuning import scratch_config
from nwb_mtm.training import Training
from nwb_mtm.windows import Windows

LABELS = ["CA1"] * 8 + ["DG"] * 8
BINS = 16
SMALL = Config().changed({"model.latents": 4, "model.layers": 0, "train.steps": 8})


def species(number: int, count: int = 32) -> Windows:
    """A session of a species: two latents for each region, with a mean path and damped rotations that all share."""
    rng = np.random.default_rng(number)
    turn = 0.9 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    drive = np.random.default_rng(99).normal(size=(BINS, 4)) * 0.4
    latents = np.zeros((count, BINS, 4))
    for bin_ in range(1, BINS):
        for half in (slice(0, 2), slice(2, 4)):
            latents[:, bin_, half] = latents[:, bin_ - 1, half] @ turn.T
        latents[:, bin_] += drive[bin_] + rng.normal(size=(count, 4)) * 0.4
    weights = rng.normal(size=(16, 4)) * 0.6
    weights[:8, 2:], weights[8:, :2] = 0, 0
    counts = rng.poisson(np.minimum(0.4 * np.exp(latents @ weights.T), 8.0)).astype(np.uint8)
    one = populations.windows(LABELS, count=count, bins=BINS, session=f"m/{number}")
    return replace(one, counts=counts)


def path(rows: int) -> LinearPath:
    """A linear path that knows nothing."""
    linear = LinearPath(torch.ones(rows, 4, dtype=torch.bool), (4,), BINS)
    linear.decode.rows.data.copy_(torch.randn(rows, 4) * 0.2)
    linear.encode.rows.data.copy_(linear.decode.rows)
    return linear


def session(one: Windows, first: int = 0) -> Session:
    """What is explained of it."""
    return Session.of(first + np.arange(16), one.counts, one.valid, one.units.regions)


def untrained(training: Training) -> Checkpoint:
    return replace(training.checkpoint(), weights=training.model.state_dict())


def score(checkpoint: Checkpoint, one: Windows) -> float:
    return mean_bits(one.counts, one.valid, inference.predict(checkpoint, one, folds=4))


def test_sessions_that_agree_have_the_same_latents_at_the_same_time() -> None:
    torch.manual_seed(0)
    sessions = [session(species(1)), session(species(2), 16)]
    linear, bias = path(32), torch.zeros(32)
    agree(linear, bias, sessions)
    means = [believe(linear, one, linear.encode.rows[one.where]).mean.mean(0).flatten() for one in sessions]
    assert torch.corrcoef(torch.stack(means))[0, 1] > 0.9


def test_explained_dynamics_are_stable_and_have_unit_covariance() -> None:
    torch.manual_seed(0)
    linear, one = path(16), session(species(1))
    refit_dynamics(linear, [believe(linear, one, linear.encode.rows)])
    transition, noise = linear.dynamics.matrices()
    torch.testing.assert_close(transition @ transition.T + noise, torch.eye(4), atol=1e-4, rtol=0)
    assert mean_path(linear.dynamics, BINS).mean(0).abs().max() < 1e-4


def test_latents_of_a_region_stay_its_own() -> None:
    home = torch.zeros(16, 4, dtype=torch.bool)
    home[:8, :2], home[8:, 2:] = True, True
    linear = LinearPath(home, (2, 2), BINS)
    linear.decode.rows.data.copy_(torch.randn(16, 4) * home)
    linear.encode.rows.data.copy_(linear.decode.rows)
    agree(linear, torch.zeros(16), [session(species(1))])
    assert linear.decode.rows[~home].abs().max() < 1e-3
    assert linear.decode.rows[home].abs().max() > 0.1


def test_covariance_with_the_next_bin_is_that_of_the_joint_distribution() -> None:
    linear, bins = path(16), 3
    one = replace(session(species(1)), counts=torch.ones(1, bins, 16))
    believed = believe(linear, one, linear.encode.rows)
    transition, noise = linear.dynamics.matrices()
    told = linear.encode.rows.T @ (one.mean[:, None] * linear.encode.rows)
    blocks = torch.zeros(bins * 4, bins * 4)
    for i in range(bins):
        blocks[4 * i : 4 * i + 4, : 4 * i + 4] = torch.cat(
            [torch.linalg.matrix_power(transition, i - j) for j in range(i + 1)], 1
        )
    whole = torch.tril(blocks) + torch.tril(blocks, -1).T
    for i in range(bins):
        whole[4 * i : 4 * i + 4, 4 * i : 4 * i + 4] = torch.eye(4)
    joint = torch.linalg.inv(torch.linalg.inv(whole) + torch.block_diag(*[told] * bins))
    torch.testing.assert_close(believed.following[0], joint[4:8, :4], atol=1e-4, rtol=1e-3)
    assert noise.shape == covariances(told[None, None], transition, noise)[0].shape[2:]


def test_a_regions_units_say_what_is_likely_of_a_new_one() -> None:
    rows = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.1]])
    known = precisions(rows, ["CA1", "CA1", "DG"])
    assert known["CA1"][0, 0] < known["CA1"][1, 1]
    assert known["DG"][1, 1] < known["CA1"][1, 1]
    assert known[""][0, 0] == known[""][1, 1]


def test_a_new_session_that_is_aligned_is_predicted_before_it_is_trained() -> None:
    pretrained = Training([species(i) for i in (1, 2)], [], SMALL)
    few, rest = species(9).take(np.arange(10)), species(9).take(np.arange(10, 32))
    aligned = Training([few], [], SMALL, init=untrained(pretrained))
    scratch = Training([few], [], SMALL)
    list(scratch)
    assert score(untrained(aligned), rest) > score(scratch.checkpoint(), rest) + 0.02


def test_alignment_leaves_the_trunk_and_known_units_alone() -> None:
    pretrained = untrained(Training([species(1), species(2)], [], SMALL))
    tuned = Training([species(1), species(9, 10)], [], SMALL, init=pretrained)
    for name, tensor in tuned.model.linear.dynamics.state_dict().items():
        assert torch.equal(tensor, pretrained.weights[f"linear.dynamics.{name}"])
    rows = pretrained.vocabulary.unit_rows("m/1", species(1).units.keys)
    assert torch.equal(tuned.model.linear.decode.rows[:16], pretrained.weights["linear.decode.rows"][rows])


def test_aligned_rows_are_read_in_as_those_before_them() -> None:
    torch.manual_seed(0)
    linear = path(32)
    linear.dynamics.drive.data.copy_(torch.randn(BINS, 4) * 0.2)
    decode = torch.randn(16, 4)
    learnt = Learnt.of(decode, 2.0 * decode, LABELS, ["m/1"])
    align(linear, torch.zeros(32), session(species(9), 16), learnt)
    ratio = linear.encode.rows[16:].norm() / linear.decode.rows[16:].norm()
    assert 1.5 < ratio < 2.0


def tuned(rate: float = 0.0) -> Training:
    """A new session that starts from two others, with validation windows."""
    pretrained = untrained(Training([species(1), species(2)], [], SMALL))
    config = SMALL.changed({"train.tuning_rate": rate, "train.batch": 4})
    few, valid = species(9).take(np.arange(8)), species(9).take(np.arange(8, 20))
    return Training([few], [valid], config, init=pretrained)


def test_finetuning_that_was_stopped_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, stopped = tuned(), tuned()
    list(whole)
    for step in stopped:
        if step.step == 3:
            break
    stopped.save_resume(tmp_path / "resume.safetensors")
    resumed = Training(stopped.windows, stopped.valid, stopped.config)  # as a resumed run, which needs no other model
    resumed.load_resume(tmp_path / "resume.safetensors")
    list(resumed)
    one, two = whole.checkpoint().weights, resumed.checkpoint().weights
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_finetuning_that_only_hurts_ends_where_it_began() -> None:
    training = tuned(rate=0.05)
    before = training.checkpoint().weights
    list(training)
    assert torch.equal(training.checkpoint().weights["carried.decode.rows"], before["carried.decode.rows"])


def test_a_path_from_another_model_is_trained_gently_beside_one_that_is_not() -> None:
    training = tuned()
    model, peaks = training.model, [group["peak"] for group in training.updater.optimizer.param_groups]
    assert peaks == [training.config.train.linear_rate, TUNING_RATE]
    list(training)
    assert all(p.grad is not None and p.grad.isfinite().all() for path in model.paths for p in path.parameters())
    free = Training(training.windows, [], scratch_config(training.config))
    assert len(free.model.paths) == 1
    assert [group["peak"] for group in free.updater.optimizer.param_groups] == peaks[:1]


def test_only_the_path_that_was_carried_over_speaks_before_training() -> None:
    training = tuned()
    assert training.checkpoint().weights["share"].tolist() == [[0.0, 1.0]] * len(training.model.share)
    with torch.no_grad():
        training.model.linear.decode.rows.zero_()
    before, after = training.checkpoint(), untrained(training)
    assert score(before, species(9)) == score(after, species(9))


def test_what_was_carried_over_is_carried_on_to_the_next_session() -> None:
    first = tuned()
    second = Training([species(8, 8)], [], SMALL, init=untrained(first))
    assert len(second.model.paths) == 2
    assert torch.equal(second.model.carried.dynamics.drive, first.model.carried.dynamics.drive)
    frozen = Training([species(8, 8)], [], SMALL, init=untrained(first), freeze="trunk")
    assert torch.equal(frozen.model.linear.dynamics.drive, first.model.linear.dynamics.drive)


def test_one_of_two_paths_speaks_alone_only_where_validation_is_clear() -> None:
    weights = offered_weights(tuned().model)
    assert [weight.tolist() for weight in weights] == [[0.4, 0.6], [1.0, 0.0], [0.0, 1.0]]
    assert lonely(tuned().model, weights) == [False, True, True]
