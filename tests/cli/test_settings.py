"""`nwb-mtm config` shows, checks and starts a file of settings."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from nwb_mtm_cli.main import group

from nwb_mtm.config import Config
from nwb_mtm.errors import ConfigError, RunError


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(group, ["config", *map(str, words)], prog_name="nwb-mtm", catch_exceptions=False)


def test_show_prints_a_file_that_can_be_read_back(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(invoke("show").stdout, encoding="utf-8")
    assert Config.load(tmp_path / "c.toml") == Config()


def test_show_takes_a_run_folder_and_gives_json(tmp_path: Path) -> None:
    Config().changed({"train.steps": 9}).save(tmp_path / "config.toml")
    assert json.loads(invoke("show", tmp_path, "--json").stdout)["train"]["steps"] == 9


def test_init_starts_a_file_that_check_finds_well(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    assert f"--config {file}" in invoke("init", file).stdout.replace("\n", "")
    assert "everything has its default" in invoke("check", file).stdout
    file.write_text(file.read_text().replace("steps = 0", "steps = 3"))
    assert "train.steps" in invoke("check", file).stdout


def test_init_overwrites_nothing_unasked(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("mine")
    with pytest.raises(RunError, match="is there already"):
        invoke("init", file)
    invoke("init", file, "--existing", "skip")
    assert file.read_text() == "mine"
    invoke("init", file, "-e", "overwrite")
    assert Config.load(file) == Config()


def test_check_names_the_nearest_setting(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[train]\nstep = 3\n")
    with pytest.raises(ConfigError, match="Did you mean 'train.steps'"):
        invoke("check", tmp_path / "c.toml")


def test_show_gives_the_settings_of_a_published_model() -> None:
    assert json.loads(invoke("show", "--preset", "ndt1-mtm", "--json").stdout)["model"]["layers"] == 5
    with pytest.raises(ConfigError, match="ndt1-mtm"):
        invoke("show", "--preset", "ndt1-mtn")
