"""Runs side by side: only what was scored alike."""

import json
from pathlib import Path

import pytest
from report.fake_run import fake_run

from nwb_mtm import report
from nwb_mtm.errors import RunError


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two runs scored alike, one of them weaker."""
    return [fake_run(tmp_path / name, units=30, trials=60, weaker=w) for name, w in (("large", 0.0), ("small", 0.05))]


def test_two_runs_scored_alike_stand_side_by_side(runs: list[Path], tmp_path: Path) -> None:
    text = report.compare(runs, tmp_path / "both.html").read_text(encoding="utf-8")
    assert "large · small" in text
    assert "Settings that differ" not in text
    assert text.count("Better.</span>") == 3


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [("bin", 0.05, r"bin \(0.02 and 0.05\)"), ("null", "train mean", "null"), ("level", "beryl", "level")],
)
def test_two_protocols_never_share_a_column(
    runs: list[Path], tmp_path: Path, part: str, value: object, said: str
) -> None:
    scores = json.loads((runs[1] / "scores.json").read_text())
    scores["protocol"][part] = value
    (runs[1] / "scores.json").write_text(json.dumps(scores))
    with pytest.raises(RunError, match=said) as caught:
        report.compare(runs, tmp_path / "both.html")
    assert caught.value.kind == "different_protocols"
    assert not (tmp_path / "both.html").exists()


def test_another_split_is_another_protocol(runs: list[Path], tmp_path: Path) -> None:
    scores = json.loads((runs[1] / "scores.json").read_text())
    scores["split"] = "random"
    (runs[1] / "scores.json").write_text(json.dumps(scores))
    with pytest.raises(RunError, match=r"split \(blocks and random\)"):
        report.compare(runs, tmp_path / "both.html")


def test_another_draw_of_the_split_is_another_protocol(runs: list[Path], tmp_path: Path) -> None:
    for run, seed in zip(runs, (0, 1)):
        (run / "config.toml").write_text(f"[split]\nseed = {seed}\n")
    with pytest.raises(RunError, match=r"split\.seed \(0 and 1\)"):
        report.compare(runs, tmp_path / "both.html")


def test_runs_without_a_common_session_are_refused(runs: list[Path], tmp_path: Path) -> None:
    scores = json.loads((runs[1] / "scores.json").read_text())
    scores["sessions"] = {"other/session": next(iter(scores["sessions"].values()))}
    (runs[1] / "scores.json").write_text(json.dumps(scores))
    with pytest.raises(RunError, match="share no scored session"):
        report.compare(runs, tmp_path / "both.html")


def test_settings_that_differ_are_listed(runs: list[Path], tmp_path: Path) -> None:
    (runs[1] / "config.toml").write_text("[model]\nwidth = 32\n")
    text = report.compare(runs, tmp_path / "both.html").read_text(encoding="utf-8")
    assert "Settings that differ" in text
    assert "model.width" in text


def test_one_run_is_no_comparison(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="two or more"):
        report.compare(runs[:1], tmp_path / "one.html")
