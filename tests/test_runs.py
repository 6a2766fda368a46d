"""A run folder is written in single moves, and nothing that is not ours is ever removed."""

import json
from pathlib import Path

import pytest

from nwb_mtm import landing, runs
from nwb_mtm.errors import RunError


def test_a_folder_with_a_run_is_an_error_unless_said_otherwise(tmp_path: Path) -> None:
    run = runs.create(tmp_path / "run")
    assert run is not None
    runs.write_text(run.model, "weights")
    with pytest.raises(RunError, match="already holds a run") as raised:
        runs.create(tmp_path / "run")
    assert raised.value.kind == "exists"
    assert "--resume" not in str(raised.value)
    assert "--existing" not in str(raised.value)  # the kind's cure says it once
    assert runs.create(tmp_path / "run", "skip") is None
    runs.write_text(run.resume, "state")
    with pytest.raises(RunError, match="which was stopped; go on with nwb-mtm fit --resume"):
        runs.create(tmp_path / "run")
    assert run.model.exists()


def test_overwriting_removes_our_files_and_nothing_else(tmp_path: Path) -> None:
    run = runs.create(tmp_path / "run")
    assert run is not None
    runs.write_json(run.scores, {})
    (run.path / "notes.txt").write_text("mine")
    runs.create(run.path, "overwrite")
    assert [p.name for p in run.path.iterdir()] == ["notes.txt"]


def test_a_folder_of_somebody_else_s_files_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert runs.create(tmp_path) is not None


def test_a_file_in_the_way_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="is a file; a run needs a folder"):
        runs.create(tmp_path / "run")


def test_a_run_that_writes_nothing_leaves_no_folder_behind(tmp_path: Path) -> None:
    run = runs.create(tmp_path / "runs" / "first")
    assert run is not None
    assert list(tmp_path.iterdir()) == []
    runs.write_json(run.sources, {})
    assert run.sources.exists()


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_spent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Cannot make the folder"):
        runs.create(tmp_path / "file" / "run")


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "scores.json"
    runs.write_json(target, {"old": 1})

    def fail() -> None:
        with landing.placing(target) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert json.loads(target.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["scores.json"]


def test_json_holds_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        runs.write_json(tmp_path / "scores.json", {"value": float("nan")})


def test_a_resumed_run_logs_each_step_once(tmp_path: Path) -> None:
    run = runs.RunFolder(tmp_path)
    for step in (10, 20, 30):
        run.log_step({"step": step})
    run.cut_steps(20)
    run.log_step({"step": 30})
    assert [line["step"] for line in run.read_steps()] == [10, 20, 30]


def test_a_last_line_cut_short_is_left_out(tmp_path: Path) -> None:
    run = runs.RunFolder(tmp_path)
    run.log_step({"step": 1})
    with run.steps.open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.read_steps() == [{"step": 1}]


def test_a_model_is_a_run_folder_or_its_file(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert runs.model_file(tmp_path) == tmp_path / "model.safetensors"
    assert runs.model_file(tmp_path / "model.safetensors") == tmp_path / "model.safetensors"
    (tmp_path / "empty").mkdir()
    for wrong, said in (("empty", "a folder without model"), ("none", "not there")):
        with pytest.raises(RunError, match=said):
            runs.model_file(tmp_path / wrong)


@pytest.mark.parametrize("source", ["a b/c?.nwb", "DANDI:000409/0.230101.1234", "...", "https://x.org/a.nwb?v=1", "ü"])
def test_the_default_folder_has_a_name_that_every_system_takes(source: str) -> None:
    folder = runs.default_folder(source, "20260102-030405")
    assert folder.parent == Path("runs")
    assert not set(folder.name) & set('<>:"/\\|?* ')
    assert folder.name.endswith("-20260102-030405")
