"""Simulated sessions on disk."""

from pathlib import Path

import click

from .options import existing_option


@click.command("simulate")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--sessions", default=3, show_default=True, help="How many sessions.")
@click.option("--units", default=150, show_default=True, help="Units in each session.")
@click.option("--trials", default=200, show_default=True, help="Trials in each session.")
@click.option("--seed", default=0, show_default=True, help="Chance; the same seed gives the same spikes.")
@click.option("--flaws", default="", help="Flaws to plant, separated by commas; `all` for every one.")
@existing_option
@click.option("--json", "as_json", is_flag=True, help="The paths as JSON.")
def command(
    folder: Path, sessions: int, units: int, trials: int, seed: int, flaws: str, existing: str, as_json: bool
) -> None:
    """Write a small dandiset whose true rates are known.

    The rates behind the spikes lie in FOLDER/truth, and scores are shown beside
    the best that is possible.

    \b
    Examples:
      nwb-mtm simulate simulated/
      nwb-mtm simulate flawed/ --sessions 1 --flaws split-units,laser
    """
    from nwb_mtm import synthetic

    from .show import console, table

    named = synthetic.FLAWS if flaws == "all" else tuple(f.strip() for f in flaws.split(",") if f.strip())
    drawn = synthetic.simulate(sessions=sessions, units=units, trials=trials, seed=seed, flaws=named)
    screen = console(stderr=True)
    written = []
    for path in synthetic.write_dandiset(folder, drawn, existing=existing):
        screen.print(f"Wrote {path}")
        written.append(path)
    if as_json:
        import json

        click.echo(json.dumps([str(path) for path in written], indent=1))
        return
    rows = [(path.name, f"{path.stat().st_size / 1e6:.1f} MB") for path in written]
    console().print(table(f"{len(rows)} files in {folder}", ("file", "size"), rows))
    console().print(f"Next: nwb-mtm fit {folder}")
