"""Several processes train the model that one would; rows of units never travel."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nwb_mtm import distributed
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.errors import ConfigError

TESTS = Path(__file__).parent


def train(folder: Path, ranks: int, units: int = 6, steps: int = 20, *more: str) -> dict[str, Any]:
    """Train with so many processes; what the first one wrote."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks), "OMP_NUM_THREADS": "1"}
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    command = [sys.executable, str(TESTS / "ranks.py"), str(folder), str(units), str(steps), *more]
    running = [
        subprocess.Popen(command, env={**os.environ, **shared, "PYTHONPATH": path, "RANK": str(rank)})
        for rank in range(ranks)
    ]
    assert [process.wait(timeout=120) for process in running] == [0] * ranks
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text())
    return facts


@pytest.mark.slow
def test_two_ranks_give_the_scores_of_one_and_send_the_trunk_alone(tmp_path: Path) -> None:
    one, two = (train(tmp_path / str(ranks), ranks) for ranks in (1, 2))
    last = [facts["lines"][-1] for facts in (one, two)]
    assert last[0]["valid"] == pytest.approx(last[1]["valid"], abs=1e-3)
    assert last[0]["loss"] == pytest.approx(last[1]["loss"], abs=1e-3)
    assert (one["sent"], one["held"], two["held"]) == (0, 36, 24)
    assert two["sent"] < 4 * two["trunk"] + 200  # a few numbers beside the trunk's gradients
    whole, shared = (Checkpoint.load(tmp_path / name / "model.safetensors") for name in ("1", "2"))
    assert whole.vocabulary == shared.vocabulary
    for name, tensor in whole.weights.items():
        assert np.allclose(tensor, shared.weights[name], atol=1e-2), name
    assert "2 processes hold" in two["notes"][-1]


@pytest.mark.slow
def test_ten_times_the_units_send_no_more(tmp_path: Path) -> None:
    few, many = (train(tmp_path / str(units), 2, units, 2) for units in (6, 60))
    assert few["sent"] - 4 * few["trunk"] == many["sent"] - 4 * many["trunk"]
    assert few["trunk"] == many["trunk"]


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_ranks(tmp_path: Path) -> None:
    whole = train(tmp_path, 2)
    resumed = train(tmp_path, 1, 6, 20, "resume")
    assert [line["step"] for line in resumed["lines"]] == list(range(11, 21))
    assert resumed["lines"][-1]["valid"] == pytest.approx(whole["lines"][-1]["valid"], abs=1e-3)


def test_ranks_are_those_of_torchrun_or_of_the_step_of_srun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "MASTER_")) or name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
            monkeypatch.delenv(name)
    assert distributed.place() == (0, 1, 0)
    monkeypatch.setenv("SLURM_NTASKS", "8")  # in the batch script itself: no step yet
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert distributed.place()[1] == 1
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "8")
    monkeypatch.setenv("SLURM_LOCALID", "1")
    assert distributed.place() == (3, 8, 1)
    with pytest.raises(ConfigError, match="MASTER_ADDR"), distributed.start():
        pass
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert distributed.place() == (1, 2, 1)


def test_a_process_that_is_alone_sends_nothing() -> None:
    with distributed.start() as world:
        assert world.first
        assert world.any(True, False) == (True, False)
        assert world.agree(3.5) == 3.5
        assert world.say("runs/a") == "runs/a"
        assert world.sent == 0


def test_whole_tables_come_together_whatever_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {"rows": torch.rand(5, 3), "bias": torch.rand(5), "spans": torch.arange(10).reshape(5, 2) + 2**60}
    places = [{name: torch.tensor(rows) for name in whole} for rows in ([0, 3], [1], [2, 4])]
    mine = [{name: table[place[name]] for name, table in whole.items()} for place in places]
    sent: list[torch.Tensor] = []
    monkeypatch.setattr(distributed.dist, "send", lambda tensor, to: sent.append(tensor))
    monkeypatch.setattr(distributed.dist, "recv", lambda tensor, rank: tensor.copy_(sent[rank - 1]))
    for rank in (1, 2):
        distributed.World(rank, 3).collect(mine[rank], places)
    found = distributed.World(0, 3).collect(mine[0], places)
    assert all(torch.equal(found[name], table) for name, table in whole.items())


def test_sessions_are_shared_by_what_they_cost() -> None:
    costs = [float(cost) for cost in range(1, 41)]
    owner = distributed.owners(costs, 4)
    loads = [sum(cost for cost, rank in zip(costs, owner) if rank == one) for one in range(4)]
    assert max(loads) - min(loads) < 5


def test_the_batch_file_fills_the_cache_first_and_requeues_what_was_stopped() -> None:
    text = (TESTS.parent / "examples" / "slurm.sbatch").read_text()
    assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0
    for line in ("nwb-mtm cache fetch", "--offline", "--resume auto", "--signal=B:USR1", "-eq 75", "scontrol requeue"):
        assert line in text


@pytest.mark.slow
def test_torchrun_fits_stops_when_told_and_goes_on(tmp_path: Path) -> None:
    from nwb_mtm import synthetic

    list(synthetic.write_dandiset(tmp_path / "data", synthetic.simulate(sessions=2, units=20, trials=60)))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(tmp_path)]), "OMP_NUM_THREADS": "1"}
    (tmp_path / "nwb_mtm_cli").symlink_to(TESTS.parent / "cli")
    run = tmp_path / "run"
    fit = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29777", "-m", "nwb_mtm_cli", "fit"]
    words = [str(tmp_path / "data"), "--steps", "40", "--evaluate", "none", "--resume", "auto", "-o", str(run)]
    said = []
    with subprocess.Popen([sys.executable, *fit, *words], env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if line.startswith("step 4/"):
                break
        rank = next(int(pid) for pid in _children(process.pid))
        os.kill(rank, signal.SIGUSR1)
        said += process.stderr.readlines()
    assert sum("of 40" in line or line.startswith("step 4/") for line in said) == 1  # one rank shows
    assert "Stopped after step" in "".join(said)
    assert (run / "resume.safetensors").exists()
    subprocess.run([sys.executable, *fit, *words], env=env, check=True)
    assert (run / "model.safetensors").exists()
    assert not (run / "resume.safetensors").exists()
    steps = [json.loads(line)["step"] for line in (run / "steps.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 41))


def _children(parent: int) -> list[str]:
    return Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
