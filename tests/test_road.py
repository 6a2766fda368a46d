"""Commands above a single fit: plan, compare, finetune and the demonstration, on one small dandiset."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nwb_mtm import runs, synthetic
from nwb_mtm.checkpoint import Checkpoint, load
from nwb_mtm.config import Config
from nwb_mtm.errors import ConfigError, RecordingError, RunError
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.metrics import bits_per_spike
from nwb_mtm.road import comparing, demonstration, fitting, planning
from nwb_mtm.road.calls import evaluate, fit, predict
from nwb_mtm.road.finetuning import Compared, Start, first_windows
from nwb_mtm.scores import Scores
from nwb_mtm.sources.reading import read
from nwb_mtm.windows import Windows

SMALL = Config().changed(
    {
        "train.steps": 2,
        "train.batch": 8,
        "model.latents": 4,
        "model.layers": 0,
        "evaluate.decode": False,
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


def test_a_plan_ends_where_more_steps_would_not_help(files: list[Path]) -> None:
    settings = SMALL.changed({"train.steps": 0, "train.budget": "10h", "train.windows": 64})
    *_, plan = planning.plan([str(files[0])], settings)
    assert isinstance(plan, planning.Plan)
    assert plan.steps == 400


def test_a_plan_refuses_what_a_fit_would_refuse(files: list[Path]) -> None:
    few = SMALL.changed({"units.trials": "start_time < 25"})
    with pytest.raises(RecordingError, match="a model needs at least 10"):
        list(planning.plan([str(files[0])], few))
    assert isinstance(list(planning.plan([str(files[0])], few, tuning=True))[-1], planning.Plan)


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


def test_a_part_of_a_split_is_scored_beside_baselines_that_learn_from_the_rest(
    files: list[Path], checkpoint: Checkpoint
) -> None:
    windows = Windows.around(read(files[0]), "stim_on_time").assigned(next(iter(checkpoint.splits.values())))
    options = Options(scores=("co-smoothing",), folds=2, guarded=False, draws=20)
    whole = evaluate(checkpoint, windows, options=options)
    test = replace(windows.only("test"), others=(windows.only("train"), windows.only("valid")))
    assert _tables(evaluate(checkpoint, test, options=options)) == _tables(whole)
    alone = evaluate(checkpoint, windows.only("test"), options=options)
    assert np.isnan(_tables(alone)["model"][1])
    *_, last = Windows.around(read(files[0]), "stim_on_time").split()
    assert [len(one) > 0 for one in last.others] == [True, True]


def _tables(scores: Scores) -> dict[str, tuple[float, float]]:
    """Mean against both nulls, of the model and of every baseline."""
    (session,) = scores.sessions.values()
    found = session.scores["co-smoothing"]
    assert found.model is not None
    sets = {"model": found.model, **found.baselines}
    return {n: (s.scored.bps_mean.value, s.scored.bps_mean_train_null.value) for n, s in sets.items()}


def test_a_fit_takes_its_size_from_keywords_and_tells_each_step(files: list[Path]) -> None:
    windows = Windows.around(read(files[0]), "stim_on_time")
    seen: list[int] = []
    model = fit(windows, config=SMALL, steps=3, on_step=lambda step: seen.append(step.step))
    assert seen == [1, 2, 3]
    assert model.config.train.steps == 3
    assert len(repr(model)) < 200
    published = fit(windows, config=SMALL, steps=1, preset="ndt1-mtm")
    assert (published.config.model.layers, published.config.model.width) == (5, 512)


def test_a_prediction_is_in_counts_where_bits_per_spike_wants_them(files: list[Path], checkpoint: Checkpoint) -> None:
    windows = Windows.around(read(files[0]), "stim_on_time").only("test")
    prediction = predict(checkpoint, windows, score="co-smoothing")
    np.testing.assert_allclose(prediction.expected, prediction.rates * 0.02, rtol=1e-6)
    bits = bits_per_spike(windows.counts, prediction.expected)
    flat = bits_per_spike(windows.counts.reshape(-1, 24), prediction.expected.reshape(-1, 24))
    np.testing.assert_allclose(bits, flat)


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
    options = fitting.FitOptions(start=Start(checkpoint, freeze="trunk", trials_curve=(8,)))
    events = list(fitting.fit_run([str(files[1])], folder, SMALL, options))
    found = [event for event in events if isinstance(event, Compared)]
    assert {one.score for one in found} >= {"co-smoothing", "forward"}
    assert {one.trials for one in found} > {8}
    assert all(math.isfinite(one.gain.value) for one in found)
    written = json.loads((tmp_path / "tuned" / "finetuning.json").read_text())
    assert {"mean_row", "zero_shot", "aligned", "share_zero_shot", "share_aligned"} <= set(written[0])
    assert written[0]["known"]["mean_row"] == ["region"]
    assert {"region", "log rate", "local variation", "depth"} <= set(written[0]["known"]["zero_shot"])
    assert [one["stretch"]["windows"] for one in written] == [one["trials"] for one in written]
    assert "Zero-shot: its region and log rate" in found[0].basis


def test_a_stopped_run_remembers_the_model_it_started_from(
    files: list[Path], checkpoint: Checkpoint, tmp_path: Path
) -> None:
    place = checkpoint.save(tmp_path / "known.safetensors")
    given = Start(load(str(place)), str(place), trials_curve=(8,))
    config = SMALL.changed({"train.steps": 3})

    def tuned(name: str, stops: list[bool], config: Config = config) -> list[object]:
        folder, answers = runs.create(tmp_path / name), iter([*stops, *[False] * 20])
        assert folder is not None
        options = fitting.FitOptions(start=given, stop=lambda: next(answers))
        return list(fitting.fit_run([str(files[1])], folder, config, options))

    tuned("whole", [])
    assert isinstance(tuned("stopped", [False, True])[-1], fitting.Stopped)
    assert not (tmp_path / "stopped" / "finetuning.json").exists()
    list(fitting.resume_run(tmp_path / "stopped", fitting.FitOptions()))
    whole, stopped = ((tmp_path / name / "finetuning.json").read_text() for name in ("whole", "stopped"))
    assert json.loads(whole) == json.loads(stopped)

    tuned("gone", [False, True])
    tuned("shorter", [False, True], config.changed({"windows.after": 1.0}))
    place.unlink()
    with pytest.raises(RunError, match="name the model that the run started from with --from"):
        list(fitting.resume_run(tmp_path / "shorter", fitting.FitOptions()))
    said = [str(event) for event in fitting.resume_run(tmp_path / "gone", fitting.FitOptions())]
    assert any("is not compared with training from scratch" in text for text in said)
    assert (tmp_path / "gone" / "model.safetensors").exists()


def test_first_windows_are_the_first_in_time(files: list[Path]) -> None:
    from nwb_mtm.sources.reading import read

    windows = Windows.tile(read(files[0]), 2.0, bin_size=0.1)
    few = first_windows(windows.take([5, 3, 9, 1]), 2)
    assert sorted(few.start) == windows.start[[1, 3]].tolist()


def test_fit_and_predict_work_on_windows_alone(files: list[Path]) -> None:
    from nwb_mtm.sources.reading import read

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
