"""`nwb-mtm report`: one run, several runs, and what is refused."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from nwb_mtm_cli.main import group
from report.fake_run import fake_run

from nwb_mtm.errors import RunError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two made-up runs."""
    folder = tmp_path_factory.mktemp("runs")
    return fake_run(folder / "a", units=20, trials=40), fake_run(folder / "b", units=20, trials=40)


def call(*words: object) -> None:
    """Run the command; errors come out as they are."""
    result = CliRunner().invoke(group, ["report", *map(str, words)], catch_exceptions=False)
    if result.exception:
        raise result.exception
    assert result.exit_code == 0


def test_a_run_s_own_page_is_written_again(runs: tuple[Path, Path]) -> None:
    call(runs[0])
    call(runs[0])
    assert (runs[0] / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_another_page_is_not_replaced_unasked(runs: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(RunError, match="already exists"):
        call(runs[0], "-o", page)
    call(runs[0], "-o", page, "-e", "skip")
    assert page.read_text() == "mine"
    call(runs[0], "-o", page, "-e", "overwrite")
    assert "mine" not in page.read_text(encoding="utf-8")[:20]


def test_several_runs_make_one_page(runs: tuple[Path, Path], tmp_path: Path) -> None:
    call(*runs, "-o", tmp_path / "both.html")
    assert "Side by side" in (tmp_path / "both.html").read_text(encoding="utf-8")


def test_the_page_for_several_runs_is_written_again_and_somebody_else_s_is_not(
    runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call(*runs)
    call(*runs)
    (tmp_path / "compared.html").write_text("mine")
    with pytest.raises(RunError, match="already exists"):
        call(*runs)


def test_a_folder_without_a_run_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no finished run"):
        call(tmp_path)
