"""Several models of one run: each has time of its own to be tested on, and the scores are over all of it."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import h5py
import jsonschema
import numpy as np
import pytest
from safetensors.numpy import load_file

from nwb_mtm import runs, synthetic
from nwb_mtm.annotation import annotate, belongs, check, read_predictions
from nwb_mtm.annotation.provenance import model_hash
from nwb_mtm.binning import touches
from nwb_mtm.config import Config
from nwb_mtm.errors import RunError
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.pooling import evaluate_folds
from nwb_mtm.nwb.annotations_read import open_written
from nwb_mtm.predictor import ModelPredictor, load_folds
from nwb_mtm.road import fitting
from nwb_mtm.road.evaluation import EvaluationOptions, evaluate_sources
from nwb_mtm.road.preparation import prepare
from nwb_mtm.schema import seconds
from nwb_mtm.scores import Scores
from nwb_mtm.sources.reading import read
from nwb_mtm.splits import TEST

FOLDS = 2
WHAT = ("rates", "latents", "behavior", "labels")
SMALL = {
    "split.folds": FOLDS,
    "train.steps": 3,
    "train.batch": 4,
    "model.layers": 0,
    "model.latents": 2,
    "evaluate.folds": 2,
    "evaluate.bootstraps": 20,
    "evaluate.sessions": "none",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = next(synthetic.simulate(sessions=1, units=16, trials=60))
    (path,) = synthetic.write_dandiset(tmp_path_factory.mktemp("folds"), [session])
    return path


def fit(source: Path, folder: Path, changes: dict[str, object] | None = None, **options: object) -> list[fitting.Event]:
    run = runs.create(folder)
    assert run is not None
    config = Config().changed({**SMALL, **(changes or {})})
    return list(fitting.fit_run([str(source)], run, config, fitting.FitOptions(**options)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    fit(source, folder, {"evaluate.sessions": "all"})
    return folder


def test_every_fold_is_a_run_of_its_own(run: Path) -> None:
    for number in range(1, FOLDS + 1):
        inside = {path.name for path in (run / "folds" / str(number)).iterdir()}
        assert {"config.toml", "model.safetensors", "scores.json", "steps.jsonl"} <= inside
    assert not (run / "resume.safetensors").exists()
    assert (run / "report.html").exists()
    assert (run / "model.safetensors").read_bytes() == (run / "folds/1/model.safetensors").read_bytes()


def test_every_window_is_tested_by_one_model_that_has_not_seen_it(source: Path, run: Path) -> None:
    models = load_folds(run)
    assert len(models) == FOLDS
    key = next(iter(models[0].splits))
    windows = prepare([read(source)], models[0].config).sessions[0].windows
    parts = np.array([model.splits[key].parts(windows.start, windows.stop) for model in models])
    assert ((parts == TEST).sum(axis=0) == 1).all()
    for model, part in zip(models, parts):
        tested = part == TEST
        assert not touches(windows.start[tested], windows.stop[tested], model.splits[key].seen).any()


def test_all_models_know_the_same_units(run: Path) -> None:
    units = {model.vocabulary.units["sim01/a"] for model in load_folds(run)}
    assert len(units) == 1


def test_the_scores_are_over_all_windows_and_say_so(run: Path) -> None:
    scores = Scores.load(run)
    jsonschema.validate(scores.to_json(), json.loads(files("nwb_mtm").joinpath("scores.schema.json").read_text()))
    assert scores.protocol["models"] == FOLDS
    assert "not trained on" in str(scores.protocol["pooled"])
    session = scores.sessions["sim01/a"]
    each = [Scores.load(run / "folds" / str(i + 1)).sessions["sim01/a"] for i in range(FOLDS)]
    whole = session.scores["co-smoothing"]
    assert whole.windows == sum(one.scores["co-smoothing"].windows for one in each) == session.windows["test"]
    assert whole.model is not None
    spikes = np.sum([one.scores["co-smoothing"].model.per_unit.spikes for one in each], axis=0)  # type: ignore[union-attr]
    assert np.array_equal(whole.model.per_unit.spikes, spikes)
    assert {check.name: check.status for check in scores.checks}["unseen test time"] == "pass"


def test_pooled_scores_are_those_of_the_pooled_sums(run: Path) -> None:
    """A constant rate, the training mean of each model, scores exactly 0 over its own null."""
    constant = Scores.load(run).sessions["sim01/a"].scores["co-smoothing"].baselines["constant"]
    assert np.allclose(np.array(constant.per_unit.bps_train_null), 0.0, atol=1e-6)
    assert constant.scored.bps_pooled.value <= 1e-9


def test_evaluating_the_run_gives_its_scores_again(source: Path, run: Path) -> None:
    options = EvaluationOptions(
        Options(scores=("forward",), baselines=("constant",), folds=2, draws=20, variants=False)
    )
    scored = [e for e in evaluate_sources(run, [str(source)], options=options) if isinstance(e, fitting.Scored)]
    again, before = scored[0].scores, Scores.load(run)
    assert again.protocol["models"] == FOLDS
    one, other = (s.sessions["sim01/a"].scores["forward"].model for s in (again, before))
    assert one is not None
    assert other is not None
    assert np.allclose(one.scored.bps_pooled.value, other.scored.bps_pooled.value, atol=1e-5)


def test_windows_that_two_models_test_are_refused(source: Path, run: Path) -> None:
    models = load_folds(run)
    session = prepare([read(source)], models[0].config).sessions[0]
    same = [ModelPredictor(models[0]), ModelPredictor(models[0])]
    with pytest.raises(RunError, match="test windows of several models"):
        evaluate_folds(same, [[session.windows], [session.windows]])


@pytest.mark.slow
def test_the_budget_is_shared_out_and_the_steps_are_the_same(source: Path, tmp_path: Path) -> None:
    fit(source, tmp_path / "run", {"train.steps": 0, "train.budget": "3s"})
    configs = [Config.load(tmp_path / "run" / "folds" / str(i + 1) / "config.toml") for i in range(FOLDS)]
    assert {seconds(one.train.budget) for one in configs} == {1.5}
    assert len({one.train.steps for one in configs}) == 1
    whole = Config.load(tmp_path / "run" / "config.toml")
    assert (whole.train.budget, whole.train.steps) == ("3s", configs[0].train.steps)


@pytest.mark.parametrize("asked", [2, 4])
def test_a_stopped_run_goes_on_at_its_fold_to_the_same_weights(
    source: Path, run: Path, tmp_path: Path, asked: int
) -> None:
    answers: Iterator[bool] = iter([False] * asked + [True])  # asked for the file, then after every step but the last
    events = fit(source, tmp_path / "run", stop=lambda: next(answers, False))
    assert isinstance(events[-1], fitting.Stopped)
    assert not (tmp_path / "run" / "model.safetensors").exists()
    list(fitting.resume_run(tmp_path / "run", fitting.FitOptions()))
    for number in range(1, FOLDS + 1):
        place = Path("folds") / str(number)
        one, other = (load_file(folder / place / "model.safetensors") for folder in (run, tmp_path / "run"))
        assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)
        steps = [line["step"] for line in runs.RunFolder(tmp_path / "run" / place).read_steps()]
        assert steps == [1, 2, 3]


def test_overwriting_a_run_leaves_no_model_of_the_old_one(source: Path, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    own = runs.RunFolder(folder).fold(4)
    own.model.write_bytes(b"old")
    (folder / "model.safetensors").write_bytes(b"old")
    runs.create(folder, "overwrite")
    assert not own.model.exists()


def test_one_models_file_counts_for_itself_alone(run: Path) -> None:
    (model,) = load_folds(run / "folds" / "2")
    assert model.splits["sim01/a"].test.tolist() == load_folds(run)[1].splits["sim01/a"].test.tolist()


# annotated out of fold


@pytest.fixture(scope="module")
def annotated(source: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("annotated") / "out.nwb"
    return annotate(source, run, out=out, what=WHAT, folds=2).path


def test_nearly_all_time_of_windows_is_filled_and_checks(source: Path, run: Path, annotated: Path) -> None:
    windows = prepare([read(source)], load_folds(run)[0].config).sessions[0].windows
    back = read_predictions(annotated)
    centers = back.centers[0]
    inside = touches(centers - 1e-3, centers + 1e-3, np.stack([windows.start, windows.stop], axis=1))
    filled = np.isfinite(back.rates[0]).all(axis=1)
    assert filled[inside].mean() > 0.98
    assert not filled[~inside].any()
    assert check(annotated).passed


def test_the_fold_of_a_window_is_the_model_that_has_not_seen_it(run: Path, annotated: Path) -> None:
    models = load_folds(run)
    with open_written(annotated) as written:
        table, facts, trials = written.windows, dict(written.facts), written.trials()
    for row in table.rows("test"):
        split = models[table.fold[row]].splits["sim01/a"]
        assert split.parts(table.start[row : row + 1], table.stop[row : row + 1])[0] == TEST
    assert {facts[f"model.fold.{i}.hash"] for i in range(FOLDS)} == {model_hash(model) for model in models}
    assert facts["models"] == str(FOLDS)
    assert belongs(annotated, run)
    assert belongs(annotated, run / "folds" / "2")
    assert trials is not None
    assert set(trials["fold"].tolist()) == {0, 1}
    event = trials["start_time"]
    for fold, time, split in zip(trials["fold"], event, trials["split"]):
        assert (split == "test") == (fold >= 0)
        own = table.rows("test", int(fold))
        assert fold < 0 or (np.abs(table.start[own] - time) < 2.0).any()


def test_a_models_rates_are_written_only_where_it_was_not_trained(
    source: Path, run: Path, annotated: Path, tmp_path: Path
) -> None:
    """With the second model turned upside down, only the time that it tests changes."""
    shutil.copytree(run, tmp_path / "run")
    own = tmp_path / "run" / "folds" / "2" / "model.safetensors"
    model = load_folds(run)[1]
    replace(model, weights={name: -2 * tensor for name, tensor in model.weights.items()}).save(own)
    other = annotate(source, tmp_path / "run", out=tmp_path / "other.nwb", what=("rates",), folds=2).path
    one, two = read_predictions(annotated), read_predictions(other)
    changed = (np.nan_to_num(one.rates[0]) != np.nan_to_num(two.rates[0])).any(axis=1)
    centers = one.centers[0]
    assert changed.any()
    assert not touches(centers[changed], centers[changed] + 1e-6, model.splits["sim01/a"].seen).any()
    assert not belongs(other, run)


def test_a_tampered_fold_is_found(annotated: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(annotated, tmp_path / "tampered.nwb"))
    with h5py.File(path, "r+") as file:
        table = file["processing/ecephys/ReconstructedWindows"]
        split, start = table["split"].asstr()[:], table["start_time"][:]
        row = next(i for i in np.flatnonzero(split == "test") if "train" in split[start == start[i]])
        table["fold"][row] = 1 - table["fold"][row]
    wrong = [claim for claim in check(path).claims if not claim.holds]
    assert wrong[0].name == "ReconstructedWindows: tested by a model that has not seen them"
    assert [name for name, _, _ in wrong[0].wrong] == [f"window {row}"]


def test_the_description_says_who_predicted_what(annotated: Path) -> None:
    with h5py.File(annotated) as file:
        text = str(file["processing/ecephys/ReconstructedRates"].attrs["description"])
        latents = str(file["processing/ecephys/Latents"].attrs["description"])
    assert f"one of {FOLDS} models that was not trained on it" in text
    assert "fold 0" in latents
