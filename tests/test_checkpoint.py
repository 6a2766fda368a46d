"""A saved model is the same model, and anything else is refused plainly."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import populations
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from nwb_mtm import inference
from nwb_mtm.checkpoint import Checkpoint, read_tensors, write_tensors
from nwb_mtm.config import Config
from nwb_mtm.errors import RunError
from nwb_mtm.training import Training


def trained(layers: int = 1) -> Checkpoint:
    """A model after a few steps."""
    one = populations.windows(count=20).with_split("random")
    config = Config().changed(
        {"train.steps": 3, "train.batch": 4, "model.latents": 3, "model.layers": layers, "model.voices": 1}
    )
    training = Training([one.only("train")], [one.only("valid")], config, provenance={"command": "test"})
    list(training)
    return training.checkpoint()


def test_a_loaded_model_predicts_the_same_numbers(tmp_path: Path) -> None:
    checkpoint = trained()
    loaded = Checkpoint.load(checkpoint.save(tmp_path / "model.safetensors"))
    one = populations.windows(count=4, seed=3)
    for score in ("co-smoothing", "forward", "inter-region", "intra-region"):
        np.testing.assert_array_equal(inference.predict(checkpoint, one, score), inference.predict(loaded, one, score))
    assert loaded.header() == checkpoint.header()


def test_a_model_with_its_one_transformer_under_the_early_name_is_read(tmp_path: Path) -> None:
    checkpoint = trained()
    weights = {name: t for name, t in checkpoint.weights.items() if not name.startswith("transformers.")}
    only = {name: t for name, t in checkpoint.weights.items() if name.startswith("transformers.0.")}
    early = {**weights, **{name.replace("transformers.0.", "transformer."): t for name, t in only.items()}}
    header = checkpoint.header()
    del header["config"]["model"]["voices"]
    path = tmp_path / "early.safetensors"
    write_tensors(path, {name: t.contiguous() for name, t in early.items()}, header)
    one = populations.windows(count=4, seed=3)
    np.testing.assert_array_equal(
        inference.predict(Checkpoint.load(path), one, "co-smoothing"),
        inference.predict(checkpoint, one, "co-smoothing"),
    )


def test_a_run_folder_is_a_model(tmp_path: Path) -> None:
    trained(0).save(tmp_path / "model.safetensors")
    assert Checkpoint.load(tmp_path).bins == 10


def test_the_header_says_what_the_model_knows(tmp_path: Path) -> None:
    path = trained(0).save(tmp_path / "model.safetensors")
    with safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()["nwb_mtm"])
    assert header["format"] == 1
    assert header["vocabulary"]["units"]["m/s"] == [str(i) for i in range(12)]
    assert header["schemes"] == ["neuron", "causal", "inter-region", "intra-region"]
    assert list(header["splits"]) == ["m/s"]
    assert header["provenance"] == {"command": "test"}


@pytest.mark.parametrize("content", [b"", b"no tensors here, only text"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(RunError) as error:
        Checkpoint.load(path)
    assert error.value.kind == "bad_model"


def test_tensors_of_another_tool_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(RunError, match="was not written by nwb-mtm"):
        Checkpoint.load(path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = trained(0).save(tmp_path / "model.safetensors")
    tensors, header = read_tensors(path)
    write_tensors(path, tensors, {**header, "format": 99})
    with pytest.raises(RunError, match="format 99"):
        Checkpoint.load(path)


def test_a_missing_model_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(RunError) as error:
        Checkpoint.load(tmp_path / "nowhere.safetensors")
    assert error.value.kind == "not_a_run"


def test_weights_that_do_not_fit_their_settings_are_refused_plainly() -> None:
    checkpoint = trained(0)
    other = replace(checkpoint, config=checkpoint.config.changed({"model.latents": 5}))
    with pytest.raises(RunError, match="weights do not fit its settings") as found:
        other.model()
    assert found.value.kind == "bad_model"
