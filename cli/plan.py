"""`nwb-mtm plan`: what a fit will cost."""

from collections.abc import Iterator
from typing import Any

import click

from .options import (
    build_config,
    build_sources,
    fit_options,
    folds_option,
    plain_sources,
    schemes_option,
    source_options,
    window_options,
)
from .sections import Sectioned

EPILOG = """\b
Examples:
  nwb-mtm plan session.nwb
  nwb-mtm plan DANDI:000409 --max-sessions 10 --budget 1h
"""


@click.command("plan", cls=Sectioned, epilog=EPILOG)
@click.argument("sources", nargs=-1, required=True)
@window_options
@fit_options
@schemes_option
@folds_option
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON.")
@source_options
def command(sources: tuple[str, ...], **chosen: Any) -> None:
    """Bytes to move, windows, memory, steps and time of a fit of SOURCES.

    Files are read (into the cache, so that nothing is read twice), a few real
    steps and one evaluation are timed, and nothing else is written.
    """
    show_plan(plain_sources(sources), chosen)


def show_plan(sources: tuple[str, ...], chosen: dict[str, Any]) -> None:
    """Find the plan out and show it."""
    import dataclasses
    import json

    from nwb_mtm.road.gathering import Said
    from nwb_mtm.road.planning import Plan, plan

    from .progress import clock
    from .reading import watch
    from .show import console, show_warning, table

    config = build_config(chosen)
    models = config.split.folds
    strict, tuning = chosen["strict"], bool(chosen.get("init"))
    events: Iterator[Said | Plan] = watch(plan(sources, config, build_sources(chosen), strict=strict, tuning=tuning))
    for event in events:
        if isinstance(event, Said):
            show_warning(event.text) if event.warning else console(stderr=True).print(event.text, markup=False)
        elif chosen.get("as_json"):
            click.echo(json.dumps(dataclasses.asdict(event), indent=1))
        else:
            rows = [
                ("files", f"{event.traffic.files} ({event.traffic.cached} in the cache)"),
                ("to move", f"{event.traffic.to_move / 1e6:.1f} MB"),
                ("to keep in the cache", f"{event.traffic.to_keep / 1e6:.1f} MB"),
                ("sessions, units, windows", f"{event.sessions}, {event.units:,}, {event.windows:,}"),
                ("memory for counts", f"{event.memory / 1e6:.1f} MB"),
                ("steps", f"{event.steps:,}" + (f" for each of {models} models" if models > 1 else "")),
                ("training", clock(event.train_seconds)),
                ("evaluation", clock(event.evaluate_seconds)),
                ("smallest gain to be seen", f"{event.smallest_gain:.3f} bits per spike"),
            ]
            console().print(table("Plan", ("what", "how much"), rows))
            if not event.worth_scoring:
                show_warning("so few spikes in test time that a usual gain cannot be told from none")
