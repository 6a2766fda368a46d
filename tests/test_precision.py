"""Reduced arithmetic changes how fast a model is, and hardly what it says; what need not be computed is left out."""

from dataclasses import replace

import numpy as np
import populations
import pytest
import torch

from nwb_mtm.batch import Batch, make_batch
from nwb_mtm.config import Config
from nwb_mtm.errors import ConfigError
from nwb_mtm.masks import Mask
from nwb_mtm.model import compute
from nwb_mtm.model.blocks import Attention, Dropout, may_see
from nwb_mtm.model.transformer import Transformer
from nwb_mtm.training import Training
from nwb_mtm.vocabulary import Vocabulary

QUICK = {
    "train.steps": 12,
    "train.batch": 4,
    "train.masks": 1,
    "model.latents": 3,
    "model.layers": 1,
    "model.voices": 1,
}
CPU = torch.device("cpu")


def trained(**changes: object) -> Training:
    """A model after its steps."""
    training = started(**changes)
    list(training)
    return training


def started(**changes: object) -> Training:
    """A model before its steps."""
    config = Config().changed({**QUICK, **{name.replace("__", "."): value for name, value in changes.items()}})
    return Training([populations.windows(count=60)], [populations.windows(count=30, seed=1)], config)


def example(training: Training) -> tuple[Batch, Mask]:
    """Some windows with every third unit hidden."""
    batch = make_batch(training.windows, training.vocabulary)
    hidden = torch.zeros_like(batch.valid)
    hidden[:, :, ::3] = True
    return batch, Mask(hidden, hidden, "neuron")


@pytest.mark.slow
def test_bfloat16_validates_within_a_hundredth() -> None:
    sizes = {"train__steps": 500, "model__latents": 0, "model__width": 32}
    runs = [trained(train__precision=kind, **sizes) for kind in ("float32", "bfloat16")]
    assert runs[0].best_score == pytest.approx(runs[1].best_score, abs=0.01)
    assert runs[0].best_score > 0.02
    assert runs[0].best_score != runs[1].best_score or not compute.computes_bfloat16()


def test_only_the_transformer_computes_in_bfloat16() -> None:
    training = started(train__precision="float32")
    batch, mask = example(training)
    with torch.no_grad():
        exact = [training.model.eval().alone(row, batch, mask) for row in range(2)]
        assert len(training.model.voices) == 2
        transformer = training.model.voices[1]
        assert isinstance(transformer, Transformer)
        transformer.reduced = torch.bfloat16
        reduced = [training.model.alone(row, batch, mask) for row in range(2)]
    assert {voice.dtype for voice in reduced} == {torch.float32}
    assert torch.equal(exact[0], reduced[0])
    assert not torch.equal(exact[1], reduced[1])
    assert torch.allclose(exact[1], reduced[1], atol=0.05)


def test_auto_is_decided_without_a_clock_for_narrow_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "computes_bfloat16", lambda: True)
    monkeypatch.setattr(compute, "gain_of_bfloat16", lambda width, mlp: 9.0)
    wide = Config().changed({"model.width": 512, "model.layers": 1})
    assert compute.choose_precision(Config().changed({"model.layers": 1}), CPU) == "float32"
    assert compute.choose_precision(wide, CPU) == "bfloat16"
    assert compute.choose_precision(wide.changed({"train.precision": "float32"}), CPU) == "float32"


def test_a_cpu_without_bfloat16_stays_with_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "computes_bfloat16", lambda: False)
    wide = Config().changed({"model.width": 512, "model.layers": 1})
    assert compute.choose_precision(wide, CPU) == "float32"
    training = started(train__precision="bfloat16")
    assert len(training.model.voices) == 2
    transformer = training.model.voices[1]
    assert isinstance(transformer, Transformer)
    assert transformer.reduced is None


def test_what_was_chosen_is_said_and_stays_with_the_model() -> None:
    training = started()
    assert training.config.train.precision == "float32"
    assert "Computing on cpu in float32." in training.notes
    assert training.checkpoint().config.train.precision == "float32"
    with pytest.raises(ConfigError, match=r"train\.precision"):
        Config().changed({"train.precision": "float16"})


def test_the_gain_of_bfloat16_is_a_ratio_of_times() -> None:
    assert 0.01 < compute.gain_of_bfloat16(64, 64) < 100


def test_dropout_keeps_its_share_and_the_mean() -> None:
    drop = Dropout(0.4)
    entries = torch.ones(300, 101, requires_grad=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = drop(entries)
    found.sum().backward()
    assert entries.grad is not None
    assert torch.equal(entries.grad, found)
    assert float((found == 0).float().mean()) == pytest.approx(0.4, abs=0.02)
    assert float(found.detach().mean()) == pytest.approx(1.0, abs=0.03)
    assert torch.equal(drop.eval()(entries), entries)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("context", [0, 1])
def test_attention_needs_no_mask_where_all_is_present(causal: bool, context: int) -> None:
    rng = torch.Generator().manual_seed(0)
    place = torch.cat([torch.full((context,), -1), torch.arange(7)])
    attention, tokens = Attention(8, 2, 0.0).eval(), torch.randn(3, 7 + context, 8, generator=rng)
    present = torch.ones(3, len(place), dtype=torch.bool)
    views = [may_see(place, present, causal=causal, plain=plain) for plain in (False, True)]
    assert views[1].allowed is None
    projected = attention.project(tokens)
    dense, plain = (attention(projected, place.clamp_min(0), view) for view in views)
    assert torch.allclose(dense, plain, atol=1e-6)
    attention.drop.share = 1e-9  # by hand, with nothing dropped
    for view in views:
        assert torch.allclose(attention.train()(projected, place.clamp_min(0), view), dense, atol=1e-6)


def test_windows_of_one_session_share_their_rows() -> None:
    training = started(train__precision="float32", model__tokens="stitched-bins")
    batch, mask = example(training)
    assert len(batch.rows) == 1
    with torch.no_grad():
        once = training.model.eval()(batch, mask)
        each = training.model(replace(batch, alone=-1), mask)
    assert torch.allclose(once, each, atol=1e-5)


def test_a_batch_knows_whether_all_is_observed_and_of_one_session() -> None:
    one = populations.windows(session="a/1")
    other = populations.windows(["CA1"] * 5, session="b/1")
    gap = replace(one, observed=np.arange(12) > 0 & np.ones((12, 10, 12), bool))
    vocabulary = Vocabulary.from_windows([one, other])
    found = [make_batch(some, vocabulary) for some in ([one], [gap], [one, other])]
    assert [batch.complete for batch in found] == [True, False, False]
    assert [batch.alone for batch in found] == [0, 0, -1]
    assert len(found[2].rows) == 24


def test_blocks_that_cannot_be_compiled_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    training = started(model__width=256, model__mlp=16)

    def fails(block: torch.nn.Module, reduced: torch.dtype | None, device: torch.device) -> float:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(compute, "gain_of_compiling", fails)
    assert compute.compile_blocks(training.model, CPU) == ""
    said = compute.compile_blocks(training.model, torch.device("cuda"))
    assert said.startswith("Blocks are not compiled")
    monkeypatch.setattr(compute, "gain_of_compiling", lambda block, reduced, device: 1.0)
    assert "1.00 times" in compute.compile_blocks(training.model, torch.device("cuda"))


def test_the_gain_of_compiling_leaves_no_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    training = started()
    transformer = training.model.voices[1]
    assert isinstance(transformer, Transformer)
    block = transformer.blocks[0]
    monkeypatch.setattr(torch, "compile", lambda module: module)
    assert 0.1 < compute.gain_of_compiling(block, torch.bfloat16, CPU) < 10  # type: ignore[arg-type]
    assert all(parameter.grad is None for parameter in block.parameters())
