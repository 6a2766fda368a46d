"""Commands above a single fit: plan, compare, finetune and the demonstration, on one small dandiset."""

import math
from pathlib import Path

import pytest

from nwb_mtm import runs, synthetic
from nwb_mtm.checkpoint import Checkpoint, load
from nwb_mtm.config import Config
from nwb_mtm.errors import ConfigError
from nwb_mtm.road import comparing, demonstration, fitting, planning
from nwb_mtm.road.calls import fit, predict
from nwb_mtm.road.finetuning import Compared, first_windows
from nwb_mtm.windows import Windows

SMALL = Config().changed(
    {
        "train.steps": 2,
        "train.batch": 8,
        "model.latents": 4,
        "evaluate.folds": 2,
        "evaluate.bootstraps": 20,
        "evaluate.sessions": "none",
    }
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    drawn = synthetic.simulate(sessions=2, units=24, trials=40)
    return list(synthetic.write_dandiset(tmp_path_factory.mktemp("road"), drawn))


@pytest.fixture(scope="module")
def checkpoint(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = runs.create(tmp_path_factory.mktemp("runs") / "first")
    assert folder is not None
    list(fitting.fit_run([str(files[0])], folder, SMALL, fitting.FitOptions()))
    return load(folder.path)


def test_a_plan_counts_what_the_run_will_use(files: list[Path]) -> None:
    *_, plan = planning.plan([str(files[0])], SMALL)
    assert isinstance(plan, planning.Plan)
    assert (plan.sessions, plan.units, plan.steps, plan.evaluate_seconds) == (1, 24, 2, 0.0)
    assert plan.train_seconds > 0
    assert 0 < plan.smallest_gain < 0.1


def test_a_plan_leaves_steps_to_the_budget(files: list[Path]) -> None:
    settings = SMALL.changed({"train.steps": 0, "train.budget": "20s"})
    *_, plan = planning.plan([str(files[0])], settings)
    assert isinstance(plan, planning.Plan)
    assert plan.steps >= 10
    assert plan.train_seconds < 40


def test_comparison_opens_test_time_for_the_winner_and_references_alone(files: list[Path]) -> None:
    field = comparing.contenders(SMALL, ratios=[0.1, 0.3, 0.5])
    events = list(comparing.compare([str(files[0])], field, references=["ratio 0.5"]))
    trials = [event for event in events if isinstance(event, comparing.Trial)]
    opened = [event.name for event in events if isinstance(event, comparing.Opened)]
    assert [trial.name for trial in trials] == ["ratio 0.1", "ratio 0.3", "ratio 0.5"]
    winner = max(trials, key=lambda trial: trial.overall).name
    assert opened == list(dict.fromkeys([winner, "ratio 0.5"]))
    assert all(trial.windows > 0 for trial in trials)


def test_a_reference_that_was_not_compared_is_refused(checkpoint: Checkpoint) -> None:
    trial = comparing.Trial("a", 0, {"forward": 0.1}, 8, True, checkpoint)
    with pytest.raises(ConfigError, match="was not compared"):
        comparing.opened_names([trial], ["b"])


def test_lists_of_a_comparison_are_crossed() -> None:
    field = comparing.contenders(SMALL, schemes=["neuron", "causal"], prompt=True, sessions=[1])
    assert len(field) == 4
    assert field[0].config.schemes.causal == 0
    assert field[-1].config.schemes.prompt is False
    assert field[0].sessions == 1


def test_finetuning_stands_beside_zero_shot_and_scratch(
    files: list[Path], checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = runs.create(tmp_path / "tuned")
    assert folder is not None
    options = fitting.FitOptions(init=checkpoint, freeze="trunk", trials_curve=(8,))
    events = list(fitting.fit_run([str(files[1])], folder, SMALL, options))
    found = [event for event in events if isinstance(event, Compared)]
    assert {one.score for one in found} >= {"co-smoothing", "forward"}
    assert {one.trials for one in found} > {8}
    assert all(math.isfinite(one.gain.value) for one in found)
    assert (tmp_path / "tuned" / "finetuning.json").exists()


def test_first_windows_are_the_first_in_time(files: list[Path]) -> None:
    from nwb_mtm.nwb.reader import read

    windows = Windows.tile(read(files[0]), 2.0, bin_size=0.1)
    few = first_windows(windows.take([5, 3, 9, 1]), 2)
    assert sorted(few.start) == windows.start[[1, 3]].tolist()


def test_fit_and_predict_work_on_windows_alone(files: list[Path]) -> None:
    from nwb_mtm.nwb.reader import read

    windows = Windows.around(read(files[0]), "stim_on_time", bin_size=0.05).with_split("random")
    prediction = predict(fit([windows], config=SMALL), windows)
    assert windows.part is not None
    assert prediction.seen[windows.part == 0].all()
    assert not prediction.seen[windows.part == 2].any()


def test_the_demonstration_walks_the_whole_road(tmp_path: Path) -> None:
    options = demonstration.DemoOptions(
        sessions=1, units=24, trials=40, config=SMALL.changed({"evaluate.sessions": "all"})
    )
    *_, finished = demonstration.demonstrate(tmp_path / "demo", options)
    assert isinstance(finished, demonstration.Finished)
    assert finished.annotated.exists()
    assert (finished.run / "report.html").exists()
    assert math.isfinite(finished.correlation)
