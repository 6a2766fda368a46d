"""What annotated files claim, recomputed."""

import sys
from pathlib import Path

import click


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="FILE...")
@click.option("--source", type=click.Path(path_type=Path, exists=True), help="The file that a sidecar belongs to.")
@click.option("--json", "as_json", is_flag=True, help="All claims as JSON.")
def command(files: tuple[Path, ...], source: Path | None, as_json: bool) -> None:
    """Recompute every score in annotated FILEs from their rates and spikes.

    The model is not needed. Exits 1 when a score is not what the data give.

    \b
    Examples:
      nwb-mtm check session_desc-mtm.nwb
      nwb-mtm check sidecar.nwb --source session.nwb
    """
    from dataclasses import asdict

    from nwb_mtm.annotation.checking import check

    from .show import console, table

    found = [check(file, source=source) for file in files]
    if as_json:
        import json

        click.echo(json.dumps([{"passed": one.passed, **asdict(one)} for one in found], indent=1))
    for one in () if as_json else found:
        rows = [
            (c.name, c.values, "holds" if c.holds else f"{len(c.wrong)} wrong: {_first(c.wrong)}") for c in one.claims
        ]
        console().print(table(one.file, ("claim", "values", "recomputed"), rows))
    if not all(one.passed for one in found):
        sys.exit(1)


def _first(wrong: tuple[tuple[str, float, float], ...]) -> str:
    name, stated, given = wrong[0]
    return f"{name} says {stated:.6g}, the data give {given:.6g}"
