"""`nwb-mtm decode`: what it prints, what it writes for machines, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from nwb_mtm_cli.decode import command

from nwb_mtm import synthetic
from nwb_mtm.errors import NwbMtmError
from nwb_mtm.recording import Intervals, Recording
from nwb_mtm.road.decoding import _other_windows
from nwb_mtm.windows import Windows

QUICK = ["--permutations", "9", "--no-regions", "--no-sliding", "--offline"]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawn = synthetic.simulate(sessions=1, units=20, trials=80, seed=0)
    return next(iter(synthetic.write_dandiset(tmp_path_factory.mktemp("decode"), drawn)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NWB_MTM_CACHE", str(tmp_path / "cache"))


def test_a_target_is_decoded_beside_the_clock(session: Path) -> None:
    done = CliRunner().invoke(command, ["counts", str(session), "--target", "choice", *QUICK])
    assert done.exit_code == 0, done.output
    assert "choice: left, right" in done.stdout
    assert "\nclock" in done.stdout
    assert "smallest p 0.100" in done.stdout
    assert "by always saying the commonest label of training" in done.stdout
    assert "windows, trials." in done.stderr
    assert max(len(line) for line in done.stdout.splitlines() if line.startswith(("counts", "clock"))) <= 80
    assert "response_time" in done.stderr


def test_machines_get_what_scores_json_holds(session: Path) -> None:
    done = CliRunner().invoke(command, ["counts", str(session), "--target", "wheel_velocity", "--json", *QUICK])
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout).values()
    series = next(entry for name, entry in found.items() if name.endswith("wheel_velocity"))
    assert series["kind"] == "series"
    assert set(series["features"]) == {"counts", "clock"}


def test_an_unknown_target_is_said_with_those_there_are(session: Path) -> None:
    done = CliRunner().invoke(command, ["counts", str(session), "--target", "choise", *QUICK])
    assert isinstance(done.exception, NwbMtmError)
    assert "choice" in str(done.exception)


def test_nothing_to_decode_is_exit_1_and_names_the_tables_there_are(tmp_path: Path) -> None:
    start = np.arange(30) * 4.0 + 1
    other = Intervals(start, start + 2, {"stimulus": np.array(["a", "b"] * 15)}, path="/intervals/recognition_table")
    trains = [np.sort(np.random.default_rng(u).uniform(0, 130, 400)) for u in range(4)]
    found = replace(Recording.from_arrays(trains, session="s"), intervals={other.path: other})
    found.to_nwb(tmp_path / "s.nwb")
    done = CliRunner().invoke(command, ["counts", str(tmp_path / "s.nwb"), *QUICK])
    assert done.exit_code == 1
    assert "tables of intervals with columns: recognition_table (stimulus)" in done.stderr


def test_other_windows_than_the_model_was_trained_on_are_said() -> None:
    windows = Windows.tile(Recording.from_arrays([[0.1, 9.0]], session="s"), 1.0)
    model = SimpleNamespace(provenance={"sources": [{"key": windows.session, "alignment": "tiles of 2 s"}]})
    (said,) = _other_windows(windows, model)  # type: ignore[arg-type]
    assert said.endswith("the model was trained on windows of tiles of 2 s; these are tiles of 1 s")
    assert list(_other_windows(windows, None)) == []
