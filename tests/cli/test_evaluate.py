"""`nwb-mtm evaluate`: answers first, tables, files, and what it refuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from nwb_mtm_cli.evaluate import command

from nwb_mtm import synthetic
from nwb_mtm.errors import ConfigError

QUICK = ["--offline", "--no-guards", "--score", "co-smoothing", "--folds", "3"]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawn = synthetic.simulate(sessions=1, units=16, trials=60, seed=0)
    return next(iter(synthetic.write_dandiset(tmp_path_factory.mktemp("evaluate"), drawn)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NWB_MTM_CACHE", str(tmp_path / "cache"))


def test_baselines_alone_are_shown_with_the_truth_and_written(session: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["baselines", str(session), *QUICK, "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "co-smoothing: no model" in done.stdout
    assert "ridge" in done.stdout
    assert "oracle" in done.stdout
    assert "unseen test time" in done.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["scores.csv", "scores.json", "units.csv"]
    written = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert written["protocol"]["folds"] == 3


def test_tables_are_readable_at_80_columns(session: Path) -> None:
    done = CliRunner().invoke(command, ["baselines", str(session), *QUICK])
    rows = done.stdout.split("co-smoothing (")[1].splitlines()
    assert max(map(len, rows)) <= 80
    assert any(line.startswith("reduced-rank") and line.count("]") == 2 for line in rows)


def test_decoded_targets_and_the_map_are_said_after_the_answers(session: Path) -> None:
    done = CliRunner().invoke(command, ["baselines", str(session), *QUICK, "--decode"])
    said = done.stdout.split("\n\n")[0]
    assert "choice: counts best, balanced accuracy 0." in said
    assert "the clock 0." in said
    assert "chance (p 0." in said
    assert "\nmap of regions: " in said


def test_machines_get_one_object(session: Path) -> None:
    done = CliRunner().invoke(command, ["baselines", str(session), *QUICK, "--json", "--by", "choice"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["format"] == 1
    (entry,) = found["sessions"].values()
    assert set(entry["scores"]["co-smoothing"]["extra"]["by"]["choice"]["classes"]) == {"left", "right"}


def test_an_unknown_score_is_said_plainly(session: Path) -> None:
    done = CliRunner().invoke(command, ["baselines", str(session), "--score", "smoothness"])
    assert isinstance(done.exception, ConfigError)
    assert "it is one of co-smoothing" in str(done.exception)
