"""A run goes from sources to a folder; it can be stopped, gone on with and repeated, and names no machine."""

import json
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import load_file

from nwb_mtm import runs, synthetic
from nwb_mtm.checkpoint import Checkpoint, load
from nwb_mtm.config import Config
from nwb_mtm.errors import NwbMtmError, RunError
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.road import fitting, gathering
from nwb_mtm.road.evaluation import EvaluationOptions, evaluate_sources, write_evaluation
from nwb_mtm.road.illustrating import decoded_traces
from nwb_mtm.scores import Scores
from nwb_mtm.sources.reading import read
from nwb_mtm.windows import Windows

SMALL = {
    "train.steps": 4,
    "train.batch": 8,
    "model.layers": 0,
    "evaluate.decode": False,
    "evaluate.folds": 2,
    "evaluate.bootstraps": 20,
    "evaluate.sessions": "none",
}
MARK = "marked-home-folder"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated sessions below a folder whose name must appear nowhere."""
    folder = tmp_path_factory.mktemp("sources") / MARK / "data"
    list(synthetic.write_dandiset(folder, synthetic.simulate(sessions=2, units=24, trials=40)))
    return folder


def fit(
    sources: list[Path], folder: Path, changes: dict[str, object] | None = None, **options: object
) -> Iterator[fitting.Event]:
    run = runs.create(folder)
    assert run is not None
    config = Config().changed({**SMALL, **(changes or {})})
    yield from fitting.fit_run([str(s) for s in sources], run, config, fitting.FitOptions(**options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its scores and its report."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    list(fit([source], folder, {"evaluate.sessions": "all"}, command="nwb-mtm fit data"))
    return folder


def test_a_run_leaves_all_its_files_and_no_litter(whole: Path) -> None:
    wanted = {
        "config.toml",
        "model.safetensors",
        "scores.json",
        "units.csv",
        "steps.jsonl",
        "report.html",
        "sources.json",
    }
    names = {path.name for path in whole.iterdir()}
    assert wanted <= names
    assert "resume.safetensors" not in names
    assert not [name for name in names if name.startswith(".")]


def test_every_look_at_test_time_is_counted_and_the_page_says_so(source: Path, whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "looked"))
    assert [line["by"] for line in runs.RunFolder(run).read_openings()] == ["fit"]
    options = EvaluationOptions(Options(scores=("co-smoothing",), folds=2, guarded=False, draws=20))
    *_, found = evaluate_sources(str(run), [str(source)], options=options)
    assert isinstance(found, fitting.Scored)
    assert [line["by"] for line in runs.RunFolder(run).read_openings()] == ["fit", "evaluate"]
    paths = write_evaluation(found.scores, run, "overwrite")
    assert paths[-1].name == "report.html"
    assert "scored 2 times with this model (fit 1 time, evaluate 1 time)" in paths[-1].read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "openings.jsonl").mkdir()
    (tmp_path / "model.safetensors").touch()
    assert not runs.log_opening(tmp_path, "evaluate", 1)
    assert runs.log_opening("baselines", "evaluate", 1)


def test_decoded_series_are_drawn_in_test_windows(source: Path, whole: Path) -> None:
    checkpoint = load(whole)
    (recording, *_) = [read(path) for path in sorted(source.rglob("*.nwb"))]
    split = checkpoint.splits[recording.key]
    windows = Windows.around(recording, "stim_on_time", before=0.5, after=1.5, bin_size=0.02).assigned(split)
    drawn = decoded_traces(ModelPredictor(checkpoint), windows, dict.fromkeys(windows.behaviors, {}))
    name, (measured, decoded) = next(iter(drawn.items()))
    assert name in windows.behaviors
    assert measured.shape == decoded.shape == (4, windows.bins)
    assert np.isfinite(decoded).all()
    assert decoded_traces(ModelPredictor(checkpoint), windows, {"choice": {}}) == {}


def test_the_scores_follow_their_schema(whole: Path) -> None:
    schema = json.loads(files("nwb_mtm").joinpath("scores.schema.json").read_text(encoding="utf-8"))
    scores = json.loads((whole / "scores.json").read_text(encoding="utf-8"))
    jsonschema.validate(scores, schema)
    assert len(scores["sessions"]) == 2
    assert scores["mean"].keys() == {"co-smoothing", "forward", "inter-region", "intra-region"}


def test_the_settings_repeat_the_run(whole: Path) -> None:
    assert Config.load(whole / "config.toml").train.steps == 4
    steps = [json.loads(line)["step"] for line in (whole / "steps.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4]


def test_nothing_in_a_run_names_a_folder_of_the_machine(whole: Path) -> None:
    for path in whole.rglob("*"):
        if path.is_file():
            assert MARK.encode() not in path.read_bytes(), path.name


def test_the_truth_beside_simulated_files_is_found(whole: Path) -> None:
    scores = json.loads((whole / "scores.json").read_text(encoding="utf-8"))
    session = next(iter(scores["sessions"].values()))
    assert session["scores"]["co-smoothing"]["oracle"] is not None


def test_the_same_seed_gives_the_same_weights(source: Path, tmp_path: Path) -> None:
    one, other = (load_file(_model(fit([source], tmp_path / name))) for name in ("one", "other"))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def test_a_stopped_run_goes_on_to_the_same_weights(source: Path, tmp_path: Path) -> None:
    whole = load_file(_model(fit([source], tmp_path / "whole")))
    answers = iter([False] * 3 + [True])  # asked for both files, then after every step
    events = list(fit([source], tmp_path / "stopped", stop=lambda: next(answers)))
    assert isinstance(events[-1], fitting.Stopped)
    assert events[-1].step == 2
    resumed = load_file(_model(fitting.resume_run(tmp_path / "stopped", fitting.FitOptions())))
    assert all(np.array_equal(whole[name], resumed[name], equal_nan=True) for name in whole)
    steps = [line["step"] for line in runs.RunFolder(tmp_path / "stopped").read_steps()]
    assert steps == [1, 2, 3, 4]


def test_a_run_that_cannot_be_set_up_leaves_no_folder(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: object, **more: object) -> None:
        raise RunError("There is no training window.", kind="nothing_to_do")

    monkeypatch.setattr(fitting, "Training", refused)
    with pytest.raises(RunError, match="no training window"):
        list(fit([source], tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_not_gone_on_with(whole: Path) -> None:
    with pytest.raises(RunError, match="is finished"):
        list(fitting.resume_run(whole, fitting.FitOptions()))


def test_one_bad_source_among_many_is_said_and_skipped(source: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.nwb"
    bad.write_bytes(b"no HDF5")
    said = [e.text for e in fit([bad, source], tmp_path / "run") if isinstance(e, gathering.Said) and e.warning]
    assert any(text.startswith("bad.nwb is skipped") for text in said)
    skipped = json.loads((tmp_path / "run" / "sources.json").read_text())["skipped"]
    assert [(one["name"], one["kind"]) for one in skipped] == [("bad.nwb", "not_hdf5")]


def test_strict_stops_at_the_first_bad_source(source: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.nwb"
    bad.write_bytes(b"no HDF5")
    with pytest.raises(NwbMtmError) as raised:
        list(fit([bad, source], tmp_path / "run", strict=True))
    assert raised.value.kind == "not_hdf5"


def _model(events: Iterator[fitting.Event]) -> Path:
    return next(e.path for e in list(events) if isinstance(e, fitting.Written) and e.what == "model")


def listing(folder: Path, source: Path, *settings: str) -> Path:
    """A reviewed list of the simulated files, with lines for each."""
    files = sorted(source.rglob("*.nwb"))
    tables = [f'[[source]]\nsource = "{file}"\n{lines}\n' for file, lines in zip(files, settings)]
    path = folder / "runs.toml"
    path.write_text("format = 1\n" + "\n".join(tables))
    return path


def test_a_list_says_what_is_decoded_and_what_only_selects(source: Path, tmp_path: Path) -> None:
    path = listing(tmp_path, source, 'targets = ["choice"]\nweight = 2.0', 'role = "valid"')
    changes = {"evaluate.sessions": "all"}
    list(fit([path], tmp_path / "run", changes))
    sessions = Scores.load(tmp_path / "run").sessions
    assert list(sessions) == ["sim01/a"]
    assert sessions["sim01/a"].decoding.keys() == {"choice", "not_decoded", "decoding_protocol"}
    told = json.loads((tmp_path / "run" / "sources.json").read_text())["sources"]
    assert [one["weight"] for one in told] == [2.0, 1.0]
    assert len(Checkpoint.load(tmp_path / "run").splits) == 2


def test_a_target_that_is_not_there_is_said_before_training(source: Path, tmp_path: Path) -> None:
    path = listing(tmp_path, source, 'targets = ["choise"]', "")
    with pytest.raises(NwbMtmError, match="no target 'choise'"):
        list(fit([path], tmp_path / "run"))
    assert not (tmp_path / "run" / "steps.jsonl").exists()


def test_a_source_that_failed_is_the_error_and_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "page.nwb").write_text("<html>")
    with pytest.raises(NwbMtmError, match="HTML"):
        list(fit([tmp_path / "page.nwb"], tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    (tmp_path / "other.nwb").write_text("")
    with pytest.raises(NwbMtmError, match=r"No recording can be used \(.*other.nwb: .*page.nwb: "):
        list(fit([tmp_path], tmp_path / "run"))
