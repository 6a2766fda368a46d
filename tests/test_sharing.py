"""An evaluation of many sessions can be interrupted, shared over processes, and profits from earlier ones."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from nwb_mtm import runs, synthetic
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.evaluation import activity, extras, guarded, scoring, variants
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.predictor import load_folds, splits_of
from nwb_mtm.road import finishing, fitting
from nwb_mtm.road.evaluation import EvaluationOptions, evaluate_sources
from nwb_mtm.road.events import Scored, Stopped
from nwb_mtm.road.gathering import Said
from nwb_mtm.road.preparation import prepare
from nwb_mtm.road.sharing import Evaluated, Evaluation, Interrupted
from nwb_mtm.scores import Scores
from nwb_mtm.sources.reading import SourceOptions, read
from nwb_mtm.sources.store import Store

ROOT = Path(__file__).parents[1]
SMALL = {
    "train.steps": 2,
    "train.batch": 8,
    "model.layers": 0,
    "model.latents": 2,
    "evaluate.decode": False,
    "evaluate.folds": 2,
    "evaluate.bootstraps": 20,
    "evaluate.sessions": "all",
}
QUICK = Options(("forward",), ("constant",), folds=2, draws=20, horizons=(), variants=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    list(synthetic.write_dandiset(folder, synthetic.simulate(sessions=2, units=12, trials=30)))
    return folder


def fit(source: Path, folder: Path, stop: Callable[[], bool] = lambda: False) -> list[fitting.Event]:
    """A run whose evaluation is quick."""
    run = runs.create(folder)
    assert run is not None
    options = fitting.FitOptions(sources=SourceOptions(cache_dir=folder / "cache"), stop=stop)
    return list(fitting.fit_run([str(source)], run, Config().changed(SMALL), options))


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    """A fit asks for few scores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finishing, "options_of", lambda config: QUICK)
        yield


@pytest.fixture(scope="module")
def run(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    fit(source, folder)
    return folder


@pytest.fixture(scope="module")
def asked(source: Path, run: Path) -> Evaluation:
    """An evaluation of two sessions."""
    models = load_folds(run)
    recordings = [read(path) for path in sorted(source.rglob("*.nwb"))]
    prepared = prepare(recordings, models[0].config, known=splits_of(models))
    return Evaluation(models, prepared.sessions, QUICK)


def finished(asked: Evaluation) -> tuple[list[str], Evaluated | Interrupted | None]:
    """What was said, and what came of it."""
    said, steps = [], asked.run()
    while True:
        try:
            said.append(next(steps).text)
        except StopIteration as end:
            return said, end.value


def told(asked: Evaluation) -> str:
    """The whole of the scores, as they are written."""
    _, found = finished(asked)
    assert isinstance(found, Evaluated)
    return json.dumps(found.scores.to_json(), sort_keys=True)


def after(count: int) -> Callable[[], bool]:
    """A stop that is asked for after some questions."""
    answers: Iterator[bool] = iter([False] * count)
    return lambda: next(answers, True)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sessions that are evaluated from here on."""
    seen: list[str] = []
    evaluate = scoring.evaluate_session
    monkeypatch.setattr(
        scoring, "evaluate_session", lambda p, w, *a, **k: (seen.append(w.session), evaluate(p, w, *a, **k))[1]
    )
    return seen


def test_an_interrupted_evaluation_goes_on_where_it_was(
    asked: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, kept = told(asked), replace(asked, folder=tmp_path / "evaluated")
    seen = counted(monkeypatch)
    _, stopped = finished(replace(kept, stop=after(1)))
    assert stopped == Interrupted(1, 2)
    assert len(list(kept.folder.iterdir())) == 1  # type: ignore[union-attr]
    said, found = finished(kept)
    assert "1 of 2 sessions are done already" in said[0]
    assert seen == list(asked._by_key)  # each once
    assert isinstance(found, Evaluated)
    assert json.dumps(found.scores.to_json(), sort_keys=True) == whole
    kept.forget()
    assert not (tmp_path / "evaluated").exists()


def test_what_is_damaged_or_of_another_kind_is_found_anew(
    asked: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = replace(asked, folder=tmp_path, sessions=asked.sessions[:1])
    finished(kept)
    seen = counted(monkeypatch)
    model = replace(asked.models[0], weights={n: 2 * t for n, t in asked.models[0].weights.items()})
    for other in (
        replace(kept, options=replace(kept.options, draws=21)),
        replace(kept, models=(model,)),
        replace(kept, models=()),
    ):
        finished(other)
    assert len(seen) == 3
    for path in tmp_path.iterdir():
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    finished(kept)
    assert len(seen) == 4


def test_baselines_are_fitted_once_for_all_models(
    asked: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(QUICK, baselines=("constant", "ridge"), horizons=(0.02,), variants=True)
    options = replace(options, scores=("co-smoothing", "forward"))
    asked = replace(asked, options=options, sessions=asked.sessions[:1])
    first = asked.models[0]
    other = replace(first, weights={n: 0.5 * t for n, t in first.weights.items()})
    plain = told(replace(asked, models=(other,)))
    stored = replace(asked, store=Store(tmp_path))
    finished(stored)
    fitted: list[str] = []
    rivals = {name: _noting(fitted, name, rival) for name, rival in activity.RIVALS.items()}
    for module in (activity, extras, guarded, variants):
        monkeypatch.setattr(module, "RIVALS", MappingProxyType(rivals))
    assert told(replace(stored, models=(other,))) == plain
    assert fitted == []
    finished(replace(stored, models=(), options=replace(options, scores=("forward",), seed=1)))
    assert "ridge" in fitted


def _noting(fitted: list[str], name: str, rival: activity.Callable[..., object]) -> Callable[..., object]:
    return lambda *given: (fitted.append(name), rival(*given))[1]


def test_a_damaged_memory_of_baselines_is_made_anew(asked: Evaluation, tmp_path: Path) -> None:
    stored = replace(asked, store=Store(tmp_path), models=(), sessions=asked.sessions[:1])
    before = told(stored)
    files = list((tmp_path / "results").rglob("*.results"))
    assert len(files) == 1
    for path in files:
        path.write_bytes(path.read_bytes()[:-3])
    assert told(stored) == before
    assert Store(tmp_path).clear() > 0
    assert not list(tmp_path.rglob("*.results"))


def test_results_are_the_first_to_go_when_room_is_needed(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=10_000)
    store.put_results("aa", bytes(6000))
    for path in tmp_path.rglob("*.results"):
        os.utime(path, (1, 1))
    Store(tmp_path, limit=10_000).put_results("bb", bytes(6000))
    assert store.get_results("aa") is None
    assert store.get_results("bb") == bytes(6000)


def test_a_fit_that_is_stopped_while_it_evaluates_goes_on_and_looks_once(
    source: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    events = fit(source, folder, after(5))  # asked for both files, after a step, and before every session
    assert isinstance(events[-1], Stopped)
    assert "1 of 2 sessions" in str(events[-1])
    assert (folder / "model.safetensors").exists()
    assert not (folder / "scores.json").exists()
    seen = counted(monkeypatch)
    list(fitting.resume_run(folder, fitting.FitOptions()))
    assert len(seen) == 1
    assert [line["by"] for line in runs.RunFolder(folder).read_openings()] == ["fit"]
    assert not list(folder.glob("evaluat*"))
    assert Scores.load(folder).to_json() == Scores.load(run).to_json()
    with pytest.raises(fitting.RunError, match="is finished"):
        list(fitting.resume_run(folder, fitting.FitOptions()))


def test_an_evaluate_that_died_goes_on_and_counts_as_one_look(
    source: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "run"
    Checkpoint.load(run).save(_made(model) / "model.safetensors")
    options = EvaluationOptions(QUICK, SourceOptions(cache_dir=tmp_path / "cache"))
    evaluate = scoring.evaluate_session

    def dies(predictor: object, windows: object, *rest: object, **more: object) -> object:
        if windows.session.endswith("b"):  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return evaluate(predictor, windows, *rest, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr(scoring, "evaluate_session", dies)
        with pytest.raises(KeyboardInterrupt):
            list(evaluate_sources(model, [str(source)], options=options))
    assert runs.RunFolder(model).read_openings() == []
    events = list(evaluate_sources(model, [str(source)], options=options))
    assert any(isinstance(e, Said) and "1 of 2 sessions are done already" in e.text for e in events)
    assert isinstance(events[-1], Scored)
    assert len(runs.RunFolder(model).read_openings()) == 1
    assert not (model / "evaluated").exists()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_overwriting_a_run_forgets_what_was_evaluated(tmp_path: Path) -> None:
    run = runs.RunFolder(tmp_path)
    run.evaluated.mkdir()
    run.evaluating.write_text("{}")
    runs.create(tmp_path, "overwrite")
    assert not list(tmp_path.iterdir())


def command(folder: Path, ranks: int, *words: str) -> list[str]:
    """What each of several processes prints that run one command together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if not (folder / "nwb_mtm_cli").exists():
        (folder / "nwb_mtm_cli").symlink_to(ROOT / "cli")
    path = os.pathsep.join([str(ROOT), str(folder)])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "nwb_mtm_cli", *words],
            env=_environment(shared, ranks, rank),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]
    found = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0] * ranks
    return found


def _environment(shared: Mapping[str, str], ranks: int, rank: int) -> dict[str, str]:
    several = {"WORLD_SIZE": str(ranks), "RANK": str(rank), "LOCAL_RANK": str(rank)} if ranks > 1 else {}
    return {**os.environ, **shared, **several, "NWB_MTM_CACHE": str(Path(shared["PYTHONPATH"].split(":")[-1]) / "c")}


@pytest.mark.slow
@pytest.mark.parametrize("folds", [1, 2])
def test_two_processes_find_the_scores_of_one(tmp_path: Path, folds: int) -> None:
    source = tmp_path / "data"
    list(synthetic.write_dandiset(source, synthetic.simulate(sessions=2, units=12, trials=80)))
    sizes = [f"--set={name}={SMALL[name]}" for name in ("model.layers", "model.latents", "evaluate.bootstraps")]
    words = ["fit", str(source), "--steps", "4", "--evaluate", "all", "--no-decode", *sizes]
    words += ["--folds", str(folds)] if folds > 1 else []
    run = tmp_path / "run"
    shown = command(tmp_path, 2, *words, "-o", str(run))
    assert shown[0]
    assert not shown[1]
    assert len(runs.RunFolder(run).read_openings()) == 1
    assert not list(run.glob("evaluat*"))
    assert len(load_folds(run)) == folds
    again = [
        json.loads(command(tmp_path, n, "evaluate", str(run), str(source), "--no-decode", "--json")[0]) for n in (1, 2)
    ]
    assert again[0] == again[1]
    assert again[0]["sessions"].keys() == {"sim01/a", "sim01/b"}
    assert {**again[0], "checks": []} == {**Scores.load(run).to_json(), "checks": []}
    assert len(runs.RunFolder(run).read_openings()) == 3
