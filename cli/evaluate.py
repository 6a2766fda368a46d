"""`nwb-mtm evaluate`: the four scores by region and unit, beside their baselines, with checks."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import (
    build_config,
    build_sources,
    output_options,
    plain_sources,
    selection_options,
    source_options,
    window_options,
)
from .sections import Sectioned

if TYPE_CHECKING:
    from nwb_mtm.road.evaluation import EvaluationOptions
    from nwb_mtm.scores import Scores, Table

EPILOG = """\b
Examples:
  nwb-mtm evaluate runs/session session.nwb
  nwb-mtm evaluate runs/session session.nwb --by outcome --exact -o scores/
  nwb-mtm evaluate baselines session.nwb --split random --json
"""


@click.command("evaluate", cls=Sectioned, epilog=EPILOG)
@click.argument("model")
@click.argument("sources", nargs=-1, required=True)
@click.option("--score", "scores", multiple=True, metavar="NAME", help="Only these scores; may be repeated.")
@click.option("--by", multiple=True, metavar="COLUMN", help="Scores for every class of a trial column as well.")
@click.option("--condition", "conditions", multiple=True, metavar="COLUMN", help="Trial column that makes conditions.")
@click.option("--folds", type=click.IntRange(2), help="Folds of units for leaving units out.  [default: 10]")
@click.option("--exact", is_flag=True, help="Leave out one unit at a time, instead of folds of units.")
@click.option("--strict-regions", type=click.Choice(["on", "off"]), help="Hide what may belong to a hidden region.")
@click.option("--no-guards", is_flag=True, help="Leave out the guarded scores.")
@click.option("--decode/--no-decode", default=None, help="Decode behaviour and map regions too.  [default: decode]")
@click.option("--truth", type=click.Path(path_type=Path), help="Folder with the true rates of simulated files.")
@click.option("--split", metavar="KIND", help="blocks, random, tail or column:NAME, for sessions without a split.")
@click.option("--json", "as_json", is_flag=True, help="The object that scores.json holds.")
@source_options
@window_options
@selection_options
@output_options
def command(model: str, sources: tuple[str, ...], **chosen: Any) -> None:
    """Score MODEL on the unseen time of SOURCES.

    MODEL is a run folder or a .safetensors file; the word `baselines` in its
    place scores the baselines alone. With -o, scores.json, scores.csv and
    units.csv are written; where that folder is a run, its page is drawn anew.
    A run counts how often its test windows were scored (openings.jsonl).

    Interrupted, the same command goes on with the sessions that are missing
    (MODEL a run folder). What is found about baselines is kept in the cache
    for the next model. torchrun or srun share the sessions over processes.
    """
    from nwb_mtm.distributed import start
    from nwb_mtm.road.evaluation import evaluate_sources

    from .reading import watch

    settings = _settings(model, chosen)
    with start() as world:
        options = replace(_options(chosen, settings), world=world)
        events = evaluate_sources(model, plain_sources(sources), options=options, settings=settings)
        for event in watch(events) if world.first else events:
            if world.first:
                _show_event(event, chosen)


def _show_event(event: Any, chosen: Mapping[str, Any]) -> None:
    """A sentence, a warning, or the scores, which are written where that was asked for."""
    from nwb_mtm.road.evaluation import write_evaluation
    from nwb_mtm.road.gathering import Said

    from .show import console, show_warning

    if isinstance(event, Said) and event.warning:
        show_warning(event.text)
    elif isinstance(event, Said):
        console(stderr=True).print(event.text, markup=False)
    else:
        if chosen["output_dir"] is not None:
            for path in write_evaluation(event.scores, chosen["output_dir"], chosen["existing"]):
                console(stderr=True).print(f"wrote {path}", markup=False)
        show_json(event.scores) if chosen["as_json"] else show(event.scores)


def _settings(model: str, chosen: Mapping[str, Any]) -> Any:
    """The model's own settings (or the defaults), with what was asked for."""
    from nwb_mtm.checkpoint import load
    from nwb_mtm.road.evaluation import NO_MODEL

    config = build_config(chosen) if model == NO_MODEL else build_config(chosen, load(model).config)
    if chosen["strict_regions"] is not None:
        config = config.changed({"units.strict_regions": chosen["strict_regions"] == "on"})
    return config


def _options(chosen: Mapping[str, Any], settings: Any) -> "EvaluationOptions":
    from nwb_mtm.evaluation.activity import Options
    from nwb_mtm.passes import SCORES, check_score
    from nwb_mtm.road.evaluation import EvaluationOptions

    folds = None if chosen["exact"] else chosen["folds"] or settings.evaluate.folds or None
    return EvaluationOptions(
        scores=Options(
            scores=tuple(check_score(name) for name in chosen["scores"]) or SCORES,
            folds=folds,
            strict=settings.units.strict_regions,
            conditions=chosen["conditions"],
            by=chosen["by"],
            guarded=not chosen["no_guards"],
            draws=settings.evaluate.bootstraps,
            seed=settings.evaluate.seed,
        ),
        sources=build_sources(chosen),
        strict=chosen["strict"],
        truth=chosen["truth"],
        decode=settings.evaluate.decode if chosen["decode"] is None else chosen["decode"],
    )


def show_json(scores: "Scores") -> None:
    """The object that scores.json holds, on stdout."""
    click.echo(json.dumps(scores.to_json(), indent=1, allow_nan=False))


def show(scores: "Scores") -> None:
    """The answers in words, the checks, then a table for every score."""
    from nwb_mtm.evaluation.tables import table_rows

    from .show import console, table

    show_answers(scores)
    out = console()
    columns = ("bits per spike", "pooled", "mean", "median", "units")
    for title, tables in table_rows(scores):
        out.print()
        out.print(table(title, columns, [_row(label, found) for label, found in tables.items()]))
    out.print("scores.json has more: the null of training, D2, shares, every unit and region.")
    notes = dict.fromkeys(n for s in scores.sessions.values() for a in s.scores.values() for n in a.notes)
    for note in notes:
        out.print(f"Note: {note}.", markup=False)


def _row(label: str, found: "Table") -> tuple[object, ...]:
    from .show import short

    return (label, short(found.bps_pooled), short(found.bps_mean), f"{found.bps_median.value:.3f}", found.units)


def show_brief(scores: "Scores") -> None:
    """The answers, the checks, and one table with a row for every score."""
    from nwb_mtm.evaluation.tables import brief_rows

    from .show import console, table

    show_answers(scores)
    columns, rows = brief_rows(scores)
    out = console()
    out.print()
    out.print(table("Mean bits per spike, as published (scores.json has all)", columns, rows))


def decoded_lines(scores: "Scores") -> list[str]:
    """One line for every decoded target and for the map of regions; each with its session when there are several."""
    from nwb_mtm.decoding.sentences import decoding_lines

    found: list[str] = []
    for key, session in scores.sessions.items():
        head = f"{key}, " if len(scores.sessions) > 1 else ""
        found += [
            f"{head}{line}" for line in decoding_lines({"decoding": session.decoding, "regions": session.regions})
        ]
    return found


def show_answers(scores: "Scores") -> None:
    """One line for every question, then the box of checks."""
    from nwb_mtm.evaluation.tables import headline

    from .show import console

    out = console()
    for line in headline(scores):
        out.print(line, markup=False)
    for line in decoded_lines(scores):
        out.print(line, markup=False)
    out.print()
    colors = {"pass": "green", "warn": "yellow", "fail": "red"}
    for one in scores.checks:
        out.print(f"[{colors[one.status]}]{one.status:>4}[/]", end="  ")
        out.print(f"{one.name}: {one.message}", markup=False)
