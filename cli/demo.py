"""`nwb-mtm demo`: the whole road on simulated sessions, in minutes."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .events import Stop, follow
from .options import existing_option
from .show import console

if TYPE_CHECKING:
    from nwb_mtm.road.demonstration import Finished

EPILOG = """\b
Examples:
  nwb-mtm demo
  nwb-mtm demo try --sessions 3 --budget 3m
"""


@click.command("demo", epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="demo")
@click.option("--sessions", type=click.IntRange(1), default=2, show_default=True, help="Simulated sessions.")
@click.option("--units", type=click.IntRange(20), default=100, show_default=True, help="Units in each.")
@click.option("--trials", type=click.IntRange(30), default=200, show_default=True, help="Trials in each.")
@click.option("--budget", default="75s", show_default=True, help="Time for training.")
@click.option("--seed", default=0, show_default=True, help="Chance of the simulation and of training.")
@click.option("--open/--no-open", "open_page", default=False, help="Open the report in a browser at the end.")
@existing_option
def command(folder: Path, open_page: bool, **chosen: Any) -> None:
    """Simulate a small dandiset in FOLDER, fit, evaluate, annotate, report.

    The sessions are simulated, so the best possible score is known and stands
    beside the model's. At the end it says where everything is and what to type
    on your own data.
    """
    from nwb_mtm.road.demonstration import DemoOptions, Finished, demonstrate

    found: list[Finished] = []

    def split() -> Iterator[Any]:
        for event in demonstrate(folder, DemoOptions(stop=stop, **chosen)):
            if isinstance(event, Finished):
                found.append(event)
            else:
                yield event

    with Stop() as stop:
        follow(split())
    for finished in found:
        _tell(finished)
        if open_page:
            click.launch(str(finished.run / "report.html"))


def _tell(finished: "Finished") -> None:
    out = console()
    out.print()
    out.print("[bold]Where everything is[/]")
    for what, path in (
        ("simulated dandiset", finished.dandiset),
        ("model, scores, settings", finished.run),
        ("report, open it in a browser", finished.run / "report.html"),
        ("NWB file with predicted rates", finished.annotated),
    ):
        out.print(f"  {what}: {path}", markup=False)
    out.print(f"  written rates follow the true ones with r = {finished.correlation:.2f} (median unit, unseen time)")
    out.print()
    out.print("[bold]Next, on your own data[/]")
    for line in (
        "nwb-mtm inspect session.nwb",
        "nwb-mtm fit session.nwb",
        "nwb-mtm fit dandiset 000409 --max-sessions 3",
    ):
        out.print(f"  {line}", markup=False)
