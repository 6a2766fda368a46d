"""A run writes its steps down, and ends early without losing what was good."""

import sys
from pathlib import Path
from types import ModuleType

import populations
import pytest
import torch

from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.distributed import ALONE
from nwb_mtm.errors import RunError
from nwb_mtm.road.stepping import Stepping
from nwb_mtm.runs import RunFolder
from nwb_mtm.training import Training

QUICK = {"train.steps": 20, "train.batch": 3, "train.masks": 1, "model.latents": 2, "model.layers": 0}


def training() -> Training:
    """Twenty small steps, validated every other one."""
    return Training([populations.windows()], [populations.windows(count=4, seed=1)], Config().changed(QUICK))


def stepping(folder: Path, *, tensorboard: bool = False) -> Stepping:
    """What a run of one process does."""
    return Stepping(RunFolder(folder), {"sources": ["a.nwb"]}, ALONE, lambda: False, tensorboard=tensorboard)


@pytest.mark.parametrize("value", [float("nan"), 1e5])
def test_a_loss_that_comes_apart_is_named_and_the_good_model_kept(tmp_path: Path, value: float) -> None:
    some = training()

    def poisoned() -> None:
        for step in stepping(tmp_path).run(some, RunFolder(tmp_path)):
            if getattr(step, "step", 0) == 10:
                some.model.bias.data.fill_(value)

    with pytest.raises(RunError, match=r"step 11: the loss of .* on m/s.*of step \d+") as caught:
        poisoned()
    assert caught.value.kind == "diverged"
    assert len(RunFolder(tmp_path).read_steps()) == 10
    kept = Checkpoint.load(tmp_path)
    assert all(torch.isfinite(tensor).all() for tensor in kept.weights.values())
    assert float(kept.weights["bias"].abs().max()) < 10


def test_a_run_that_comes_apart_at_once_keeps_no_model(tmp_path: Path) -> None:
    some = training()
    some.model.bias.data.fill_(float("nan"))
    with pytest.raises(RunError, match="none is kept"):
        list(stepping(tmp_path).run(some, RunFolder(tmp_path)))
    assert not (tmp_path / "model.safetensors").exists()


def test_tensorboard_is_missed_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(RunError, match=r"pip install 'nwb-mtm\[tensorboard\]'") as caught:
        list(stepping(tmp_path, tensorboard=True).run(training(), RunFolder(tmp_path)))
    assert caught.value.kind == "missing_extra"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, int]]:
    """A board that only remembers."""
    seen: list[tuple[str, float, int]] = []

    class Board:
        def __init__(self, folder: str) -> None:
            self.folder = folder

        def add_scalar(self, name: str, value: float, step: int) -> None:
            seen.append((name, value, step))

        def close(self) -> None:
            seen.append(("closed", 0.0, 0))

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Board  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return seen


def test_tensorboard_gets_what_steps_jsonl_gets(tmp_path: Path, drawn: list[tuple[str, float, int]]) -> None:
    list(stepping(tmp_path, tensorboard=True).run(training(), RunFolder(tmp_path)))
    lines = RunFolder(tmp_path).read_steps()
    assert len(lines) == 20
    expected = {("loss/neuron", line["loss"]["neuron"], line["step"]) for line in lines}
    assert expected <= set(drawn)
    assert len([name for name, _, _ in drawn if name == "valid/forward"]) == 10
    assert drawn[-1][0] == "closed"
