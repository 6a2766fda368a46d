"""The slow part learns what a unit does from minute to minute that no other shows, and nothing of a window itself."""

from dataclasses import replace

import numpy as np
import torch

from nwb_mtm import inference
from nwb_mtm.batch import make_batch
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.masks import Mask
from nwb_mtm.model.mtm import MtM
from nwb_mtm.model.settling import settle
from nwb_mtm.model.start import new_model
from nwb_mtm.recording import Recording
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

CONFIG = Config().changed({"model.latents": 2, "model.layers": 0, "model.slow": 64})


def drifting(*, change: float = 2.0, seed: int = 0) -> Windows:
    """Eight units in 80 windows of ten bins, 5 s apart; the first unit's rate goes up and down over four minutes."""
    rng = np.random.default_rng(seed)
    start = np.arange(80) * 5.0
    rate = np.full((80, 10, 8), 0.5)
    rate[:, :, 0] *= np.exp(change * np.sin(2 * np.pi * start / 240))[:, None]
    recording = Recording.from_arrays([[0.0]] * 8, session="m/one", subject="m", regions=["a"] * 4 + ["b"] * 4)
    counts = rng.poisson(rate).astype(np.uint8)
    return Windows(recording.key, recording.units, start, 0.02, counts).with_split("random")


def settled(windows: Windows) -> tuple[MtM, Vocabulary, dict[str, float]]:
    """A model that knows means alone, and then what is slow."""
    train, valid = windows.only("train"), windows.only("valid")
    vocabulary = Vocabulary.from_windows([train])
    model = new_model(CONFIG, vocabulary, train.bins, [train]).eval()
    gains = settle(model, [train], [valid], vocabulary, CONFIG, torch.device("cpu"))
    return model, vocabulary, {str(score): gain for score, gain in gains.items()}


def change(model: MtM, vocabulary: Vocabulary, windows: Windows) -> np.ndarray:
    """What the slow part says of every window and unit."""
    batch = make_batch([windows], vocabulary)
    assert model.slow is not None
    return model.slow(batch, Mask(torch.zeros_like(batch.valid), batch.valid, "neuron"))[:, 0].numpy()


def test_a_unit_that_drifts_alone_is_followed_into_test_time() -> None:
    windows = drifting()
    model, vocabulary, gains = settled(windows)
    test = windows.only("test")
    said = change(model, vocabulary, test)
    truth = 2.0 * np.sin(2 * np.pi * test.start / 240)
    assert np.corrcoef(said[:, 0], truth)[0, 1] > 0.9
    assert np.abs(said[:, 1:]).mean() < 0.2 * np.abs(said[:, 0]).mean()
    assert min(gains.values()) > 0.02


def test_a_window_and_what_overlaps_it_tell_nothing_of_itself() -> None:
    windows = drifting()
    row = 20
    train = windows.only("train")
    counts = train.counts.copy()
    counts[row] += 5
    moved = replace(train, start=train.start + 0.1, counts=train.counts)
    said = []
    for one in (train, replace(train, counts=counts)):
        model, vocabulary, _ = settled(drifting())
        assert model.slow is not None
        setting = model.slow.setting.clone()
        settle(model, [one], [], vocabulary, CONFIG, torch.device("cpu"))
        model.slow.setting.copy_(setting)
        said.append((change(model, vocabulary, train), change(model, vocabulary, moved)))
    for before, after in zip(*said):
        np.testing.assert_array_equal(before[row], after[row])
        assert (before[row + 1] != after[row + 1]).any()


def test_a_clock_far_from_zero_is_as_good_as_any() -> None:
    near, said = drifting(), []
    for offset in (0.0, 1.5e9):
        windows = replace(near, start=near.start + offset, partition=None, part=None).with_split("random")
        windows = replace(windows, part=near.part)
        model, vocabulary, _ = settled(windows)
        said.append(change(model, vocabulary, windows.only("test")))
    assert said[0].any()
    np.testing.assert_allclose(said[0], said[1], rtol=1e-4, atol=1e-6)


def test_time_that_is_not_known_changes_nothing() -> None:
    windows = drifting()
    model, vocabulary, _ = settled(windows)
    batch = make_batch([windows.only("test")], vocabulary).timeless()
    mask = Mask(torch.zeros_like(batch.valid), batch.valid, "neuron")
    assert model.slow is not None
    assert not model.slow(batch, mask).any()


def test_masked_predictions_know_what_is_slow_and_reconstructions_do_not() -> None:
    windows = drifting()
    model, vocabulary, _ = settled(windows)
    assert model.slow is not None
    test, weights = windows.only("test"), {name: tensor.clone() for name, tensor in model.state_dict().items()}
    checkpoint = Checkpoint(CONFIG, vocabulary, weights, windows.bins, windows.bin_size)
    model.slow.forget()
    forgetful = replace(checkpoint, weights=model.state_dict())
    assert (inference.predict(checkpoint, test) != inference.predict(forgetful, test)).any()
    np.testing.assert_array_equal(inference.reconstruct(checkpoint, test), inference.reconstruct(forgetful, test))
