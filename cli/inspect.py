"""What files hold, before anything is trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import build_sources, source_options

if TYPE_CHECKING:
    from rich.console import Console

    from nwb_mtm.nwb.inspection import Inspection


@click.command("inspect")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per source (a list for several).")
@click.option("--deep", is_flag=True, help="Read every sample, also of long series.")
@click.option("--units", "units_path", metavar="PATH", help="Table of units, when there are several.")
@click.option(
    "--quality", default="auto", show_default=True, metavar="RULE", help="auto, none, or a condition on columns."
)
@click.option("--min-rate", default=0.0, show_default=True, metavar="HZ", help="Units below this rate are no inputs.")
@click.option("--regions", metavar="NAME,...", help="Only these regions; `group` takes probes for regions.")
@click.option(
    "--regions-from", type=click.Path(path_type=Path), metavar="CSV", help="Regions from a table of your own."
)
@click.option(
    "--region-level",
    default="raw",
    show_default=True,
    metavar="LEVEL",
    help="auto, raw, merged, beryl, cosmos, or a CSV.",
)
@click.option(
    "--trials", metavar="NAME|CONDITION", help="A table of trials, a condition on its columns, or NAME[CONDITION]."
)
@click.option("--within", metavar="TABLE[CONDITION]", help="Only time inside these intervals.")
@click.option("--model", help="Say whether annotated files were written by this run folder or .safetensors file.")
@source_options
def command(sources: tuple[str, ...], as_json: bool, deep: bool, model: str | None, **chosen: Any) -> None:
    """Show what files hold, what a model would use, and why anything is left out.

    Exit code 1 when any of the sources cannot be read.

    \b
    Examples:
      nwb-mtm inspect session.nwb
      nwb-mtm inspect folder/ --json
      nwb-mtm inspect session.nwb --quality "snr > 3" --trials "outcome == 'hit'"
    """
    import json
    import sys

    from nwb_mtm.nwb.options import ReadOptions
    from nwb_mtm.sources.inspections import inspect_all

    from .show import console

    if model is not None:
        show_belonging(console(stderr=as_json), sources, model)
    named = (name.strip() for name in (chosen["regions"] or "").split(","))
    wishes = ("units_path", "quality", "min_rate", "regions_from", "region_level", "trials", "within")
    options = ReadOptions(**{name: chosen[name] for name in wishes}, regions=tuple(name for name in named if name))
    found = []
    for inspection in inspect_all(sources, options, deep=deep, options=build_sources(chosen)):
        found.append(inspection)
        if not as_json:
            show_inspection(console(), inspection)
    if as_json:
        answers = [inspection.to_json() for inspection in found]
        answer = answers[0] if len(answers) == 1 else answers
        click.echo(json.dumps(answer, indent=2, allow_nan=False, ensure_ascii=False))
    if any(inspection.status == "error" for inspection in found):
        sys.exit(1)


def show_belonging(screen: "Console", files: tuple[str, ...], model: str) -> None:
    """One line for every file: whether the model wrote what it predicts into it."""
    from nwb_mtm.annotation import belongs

    for file in files:
        verdict = "was annotated by" if belongs(file, model) else "was NOT annotated by"
        screen.print(f"{Path(file).name} {verdict} {Path(model).name}")


def show_inspection(screen: "Console", inspection: "Inspection") -> None:
    """The tables of one source, for a person; an error goes to stderr."""
    from .inspect_tables import tables_of
    from .show import console

    error = inspection.to_json()["error"]
    if error is not None:
        console(stderr=True).print(f"[bold red]Error:[/] {error['message'].replace('[', chr(92) + '[')}")
        return
    for part in tables_of(inspection):
        screen.print(part)
