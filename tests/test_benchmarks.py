"""The scripts behind claims about speed run, at a size at which they claim nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def printed(*command: str) -> str:
    """What a script says."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_gpu_script_measures_every_claim_at_a_tiny_size() -> None:
    lines = [json.loads(line) for line in printed("benchmarks/gpu.py", "--smoke").splitlines()]
    assert [line["claim"] for line in lines] == [
        "device",
        "bfloat16 product",
        "published sessions",
        "published sessions",
        "published workload",
        "one session",
        "one session, 1000 passes",
        "exact leave-one-out",
        "10 folds",
    ]
    steps = [line for line in lines if "mfu" in line]
    assert all(line["windows_per_s"] > 0 and 0 < line["mfu"] < 1 for line in steps)


@pytest.mark.slow
def test_one_table_holds_everything() -> None:
    table = printed("benchmarks/table.py", "--quick")
    for what in ("read", "bin", "train step", "exact", "10 folds", "annotate"):
        assert any(line.startswith(what) for line in table.splitlines()), what


@pytest.mark.slow
def test_memory_of_many_sessions_is_measured() -> None:
    line = json.loads(printed("benchmarks/memory.py", "--sessions", "3", "--units", "20", "--minutes", "2"))
    assert line["sessions"] == 3
    assert line["above_torch_gib"] < 1
