"""`nwb-mtm compare`: presets, schemes or sizes side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from .options import (
    build_config,
    build_sources,
    counts,
    fit_options,
    parts,
    plain_sources,
    shares,
    source_options,
    window_options,
)
from .sections import Sectioned

if TYPE_CHECKING:
    from nwb_mtm.road.comparing import Opened, Trial

EPILOG = """\b
Examples:
  nwb-mtm compare session.nwb --presets ndt1-mtm,default --budget 10m
  nwb-mtm compare session.nwb --schemes neuron,causal --steps 500 --seeds 3
  nwb-mtm compare 000409 --sessions 1,3,10 --steps 2000
"""
SCORES = ("co-smoothing", "forward", "inter-region", "intra-region")


@click.command("compare", cls=Sectioned, epilog=EPILOG)
@click.argument("sources", nargs=-1, required=True)
@click.option("--presets", metavar="A,B,...", help="Presets to compare.")
@click.option("--schemes", metavar="A,B,...", help="Train with one masking scheme at a time.")
@click.option("--ratios", metavar="A,B,...", help="Shares of units that are hidden.")
@click.option("--prompt/--no-prompt", "prompt", default=False, help="With and without telling the scheme.")
@click.option("--sessions", "numbers", metavar="1,3,10", help="Numbers of sessions to train on.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Seeds for each.")
@click.option("--reference", "references", multiple=True, metavar="NAME", help="Also open test time for this one.")
@click.option("--json", "as_json", is_flag=True, help="The tables as JSON.")
@window_options
@fit_options
@source_options
def command(sources: tuple[str, ...], **chosen: Any) -> None:
    """Train several models on SOURCES side by side and print one table.

    They are ranked on validation time. Test time is opened for the winner and
    the references alone, so that the best of many is no lucky draw.
    """
    from nwb_mtm.road.comparing import Opened, Trial, compare, contenders
    from nwb_mtm.road.gathering import Said

    from .progress import TrainingView
    from .show import console, show_warning

    field = contenders(
        build_config({**chosen, "preset": None}),
        presets=parts(chosen["presets"]),
        schemes=parts(chosen["schemes"]),
        ratios=shares(chosen["ratios"], "--ratios"),
        prompt=chosen["prompt"],
        sessions=counts(chosen["numbers"], "--sessions"),
    )
    trials: list[Trial] = []
    opened: list[Opened] = []
    with TrainingView() as view:
        for event in compare(
            plain_sources(sources),
            field,
            seeds=chosen["seeds"],
            references=chosen["references"],
            options=build_sources(chosen),
            strict=chosen["strict"],
        ):
            if isinstance(event, Trial):
                trials.append(event)
            elif isinstance(event, Opened):
                opened.append(event)
            elif isinstance(event, Said):
                view.pause()
                show_warning(event.text) if event.warning else console(stderr=True).print(event.text, markup=False)
            else:
                view.show(event)
    _show(trials, opened, as_json=chosen["as_json"])


def _show(trials: "Sequence[Trial]", opened: "Sequence[Opened]", *, as_json: bool) -> None:
    import json

    from .show import console, table

    if as_json:
        ranked = [
            {"name": t.name, "seed": t.seed, "valid": dict(t.valid), "windows": t.windows, "rising": t.rising}
            for t in trials
        ]
        click.echo(json.dumps({"validation": ranked, "test": {o.name: o.scores.to_json() for o in opened}}, indent=1))
        return
    rows = [
        (t.name, t.seed, *(_cell(t.valid.get(s)) for s in SCORES), f"{t.windows:,}", "yes" if t.rising else "no")
        for t in sorted(trials, key=lambda t: -t.overall)
    ]
    head = ("model", "seed", "co", "forward", "inter", "intra", "windows seen", "rising")
    out = console()
    out.print(table("Validation, mean bits per spike (ranked)", head, rows))
    tested = [
        (o.name, *(str(m.model.bps_mean) if (m := o.scores.mean.get(s)) and m.model else "-" for s in SCORES))
        for o in opened
    ]
    out.print()
    out.print(table("Test, mean bits per spike: the winner and the references", ("model", *SCORES), tested))


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"
