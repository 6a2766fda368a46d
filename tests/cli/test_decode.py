"""`nwb-mtm decode`: what it prints, what it writes for machines, and what it refuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from nwb_mtm_cli.decode import command

from nwb_mtm import synthetic
from nwb_mtm.errors import NwbMtmError

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
