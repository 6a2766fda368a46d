"""`nwb-mtm report`: the page of a run, or of several side by side."""

from pathlib import Path
from typing import Literal

import click


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The page; report.html in the run's folder, or compared.html here.",
)
@click.option(
    "-e",
    "--existing",
    type=click.Choice(["error", "skip", "overwrite"]),
    help="When the page exists: our own report.html or compared.html is replaced, another is an error.",
)
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
def command(
    runs: tuple[Path, ...], output: Path | None, existing: Literal["error", "skip", "overwrite"] | None, show: bool
) -> None:
    """Write the page of a RUN, or of several RUNS side by side.

    The page needs nothing but itself: it opens from disk, prints, and can be
    sent by mail. Runs whose scores were made by different protocols are not
    set side by side; the message names what differs.

    \b
    Examples:
      nwb-mtm report runs/session-20260102-030405
      nwb-mtm report runs/small runs/large -o small-or-large.html
    """
    from nwb_mtm import report

    from .show import console

    if len(runs) == 1:
        path = report.write(runs[0], output, existing=existing or ("error" if output else "overwrite"))
    else:
        page = output or Path("compared.html")
        own = output is None and report.is_comparison(page)
        path = report.compare(runs, page, existing=existing or ("overwrite" if own else "error"))
    console(stderr=True).print(f"The page is at {path}")
    if show:
        click.launch(path.resolve().as_uri())
