"""`nwb-mtm fit`: train, evaluate, report."""

import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .events import Stop, follow, follow_in_silence
from .options import (
    build_config,
    build_sources,
    counts,
    fit_options,
    folds_option,
    output_options,
    plain_sources,
    schemes_option,
    source_options,
    window_options,
)
from .sections import Sectioned

if TYPE_CHECKING:
    from nwb_mtm.config import Config
    from nwb_mtm.distributed import World
    from nwb_mtm.road.finetuning import Start
    from nwb_mtm.runs import RunFolder

EPILOG = """\b
Examples:
  nwb-mtm fit session.nwb
  nwb-mtm fit dandiset 000409 --max-sessions 10
  nwb-mtm fit files data/*.nwb --align stim_on_time --bin 0.02 --budget 5m
  nwb-mtm fit session.nwb --folds 5 --budget 30m
  nwb-mtm fit new.nwb --from runs/pretrained --freeze trunk
  nwb-mtm fit --resume runs/session-20260102-030405
  torchrun --nproc-per-node 8 -m nwb_mtm_cli fit runs.toml -o runs/large

Exit codes: 0 done, 1 an error said plainly, 2 wrong usage, 75 stopped and
saved, while training or while scoring (go on with --resume).
"""


@click.command("fit", cls=Sectioned, epilog=EPILOG)
@click.argument("sources", nargs=-1)
@window_options
@fit_options
@schemes_option
@folds_option
@click.option("--evaluate", type=click.Choice(["sample", "all", "none"]), help="Sessions to score.  [default: sample]")
@click.option("--decode/--no-decode", default=None, help="Decode behaviour and map regions too.  [default: decode]")
@click.option("--exact", is_flag=True, help="Leave out one unit at a time, instead of folds of units.")
@click.option(
    "--from", "init", metavar="MODEL", help="Start from a trained model; zero-shot, finetuned and scratch are compared."
)
@click.option("--freeze", type=click.Choice(["trunk"]), help="With --from: train only the new units' rows.")
@click.option("--no-control", is_flag=True, help="With --from: do not also train from scratch for comparison.")
@click.option("--trials-curve", metavar="10,25,50", help="With --from: compare for these numbers of windows.")
@click.option("--resume", metavar="RUN|auto", help="Go on with a stopped run; auto starts or goes on (with -o).")
@click.option("--truth", type=click.Path(path_type=Path), help="Folder with the true rates of simulated files.")
@click.option("--tensorboard", is_flag=True, help="Write curves for TensorBoard too, into the run folder.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop (= nwb-mtm plan).")
@source_options
@output_options
def command(sources: tuple[str, ...], **chosen: Any) -> None:
    """Train on SOURCES; then evaluate and write the report.

    Nothing but a SOURCE is needed: alignment, split, size and number of steps
    follow from rules, are printed, and are written to config.toml.
    `fit dandiset ID` and `fit files PATH...` are the same command.
    """
    given = plain_sources(sources)
    if chosen["dry_run"]:
        from .plan import show_plan

        show_plan(given, chosen)
        return
    run_fit(given, chosen)


def run_fit(sources: tuple[str, ...], chosen: dict[str, Any]) -> None:
    """Start or go on with a run, and show what happens; with torchrun or srun, together with the other processes."""
    from nwb_mtm.distributed import start
    from nwb_mtm.road.fitting import FitOptions, fit_run, resume_run

    config = None if chosen["resume"] not in (None, "auto") else _settings(chosen)
    device = config.train.device if config is not None else "auto"
    with Stop() as stop, start(device) as world:
        options = FitOptions(
            sources=build_sources(chosen),
            strict=chosen["strict"],
            truth=chosen["truth"],
            command=command_line(),
            start=_start(chosen),
            stop=stop,
            tensorboard=chosen["tensorboard"],
            world=world,
        )
        show = follow if world.first else follow_in_silence
        going = _going_on(chosen, world)
        if going is not None:
            show(resume_run(going, options))
            return
        if not sources:
            raise click.UsageError("Name at least one SOURCE, e.g. nwb-mtm fit session.nwb")
        assert config is not None
        run = _new_folder(sources, chosen, world)
        if run is not None:
            show(fit_run(sources, run, config, options))


def _start(chosen: dict[str, Any]) -> "Start | None":
    """The model to start from, and what the run is held against."""
    from nwb_mtm.checkpoint import load
    from nwb_mtm.road.finetuning import Start

    trials = tuple(counts(chosen["trials_curve"], "--trials-curve"))
    if not chosen["init"]:
        alone = {"--freeze": chosen["freeze"], "--trials-curve": trials, "--no-control": chosen["no_control"]}
        if given := [name for name, value in alone.items() if value]:
            raise click.UsageError(f"{given[0]} says how to start from a model; name it with --from MODEL.")
        return None
    return Start(load(chosen["init"]), str(chosen["init"]), chosen["freeze"], not chosen["no_control"], trials)


def _settings(chosen: dict[str, Any]) -> "Config":
    config = build_config(chosen)
    if chosen["init"] and config.split.folds > 1:
        raise click.UsageError("--from and --folds exclude each other: the first model has seen all of its time.")
    if chosen["exact"]:
        config = config.changed({"evaluate.folds": 0})
    if chosen["decode"] is not None:
        config = config.changed({"evaluate.decode": chosen["decode"]})
    return config


def _new_folder(sources: tuple[str, ...], chosen: dict[str, Any], world: "World") -> "RunFolder | None":
    """The run folder, made by the first process; none when there is one that is kept."""
    from nwb_mtm.runs import RunFolder, create, default_folder

    if not world.first:
        said = world.say("")
        return RunFolder(Path(said)) if said else None
    folder = chosen["output_dir"] or default_folder(sources[0], datetime.now().strftime("%Y%m%d-%H%M%S"))
    run = None
    try:
        run = create(folder, chosen["existing"])
    finally:
        world.say("" if run is None else str(run.path))
    if run is None:
        click.echo(f"{folder} exists and is skipped.", err=True)
    return run


def _going_on(chosen: dict[str, Any], world: "World") -> Path | None:
    """The run to go on with, when there is one; the first process looks for all."""
    if chosen["resume"] is None:
        return None
    if chosen["resume"] != "auto":
        return Path(chosen["resume"])
    if chosen["output_dir"] is None:
        raise click.UsageError("--resume auto needs -o RUN, the folder to start or go on in.")
    folder = Path(chosen["output_dir"])
    there = (folder / "resume.safetensors").exists() or (folder / "model.safetensors").exists()
    return folder if world.say("there" if there else "") else None


def command_line() -> str:
    """What was typed, with file names only."""
    shown = [Path(word).name if ("/" in word or "\\" in word) and "://" not in word else word for word in sys.argv[1:]]
    return shlex.join(["nwb-mtm", *shown])
