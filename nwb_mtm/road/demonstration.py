"""The whole road on simulated sessions: simulate, fit, evaluate, annotate."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nwb_mtm import synthetic
from nwb_mtm.annotation import Annotated, annotate
from nwb_mtm.annotation.truth import correlation_with_truth
from nwb_mtm.baselines.oracle import find_truth
from nwb_mtm.config import Config
from nwb_mtm.road import fitting, gathering
from nwb_mtm.road.events import Stopped
from nwb_mtm.runs import Existing, create


@dataclass(frozen=True)
class DemoOptions:
    """How large the demonstration is."""

    sessions: int = 2
    units: int = 100
    trials: int = 200
    budget: str = "75s"
    seed: int = 0
    existing: Existing = "error"
    config: Config = field(default_factory=Config)
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Finished:
    """Where everything is."""

    dandiset: Path
    run: Path
    annotated: Path
    correlation: float  # median over units, written rates with the true ones on unseen time


def demonstrate(folder: Path, options: DemoOptions) -> Iterator[fitting.Event | Finished]:
    """Simulate a small dandiset, fit one model, evaluate it beside the truth, annotate one file."""
    simulated = folder / "dandiset"
    run = create(folder / "run", options.existing)
    if run is None:
        yield gathering.Said(f"{folder / 'run'} exists and is kept.")
        return
    drawn = synthetic.simulate(sessions=options.sessions, units=options.units, trials=options.trials, seed=options.seed)
    files = []
    for file in synthetic.write_dandiset(simulated, drawn, existing="overwrite"):
        yield gathering.Said(f"simulated {file.name}")
        files.append(file)
    config = options.config.changed({"train.budget": options.budget, "train.seed": options.seed})
    chosen = fitting.FitOptions(command="nwb-mtm demo", stop=options.stop)
    for event in fitting.fit_run([str(simulated)], run, config, chosen):
        yield event
        if isinstance(event, Stopped):
            return
    yield gathering.Said(f"annotating {files[0].name}")
    done = annotate(files[0], run.path, out=folder / "annotated", existing="overwrite")
    yield Finished(simulated, run.path, done.path, _correlation(done, files[0]))


def _correlation(done: Annotated, source: Path) -> float:
    truth = find_truth(source)
    if truth is None:
        return float("nan")
    found = correlation_with_truth(done.path, truth.rates.astype(np.float32), truth.t0)
    return float(np.nanmedian(found))
