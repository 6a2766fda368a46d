"""Predictions into NWB files."""

import sys
from pathlib import Path

import click

from .options import existing_option


@click.command("annotate")
@click.argument("model")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--output-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder of the copies.")
@click.option("--sidecar", "mode", flag_value="sidecar", help="Small files beside the sources, without their data.")
@click.option("--in-place", "mode", flag_value="in-place", help="Change the sources, through a temporary copy.")
@click.option(
    "--what",
    default="rates,behavior,labels",
    show_default=True,
    help="Of rates, latents, behavior, labels; separated by commas.",
)
@click.option(
    "--scheme",
    type=click.Choice(["neuron", "causal", "inter-region", "intra-region"]),
    default="neuron",
    show_default=True,
    help="What is hidden from the model when it predicts.",
)
@click.option("--exact", is_flag=True, help="Hide one unit at a time, instead of folds of units.")
@click.option("--include-trained", is_flag=True, help="Also write rates of training time, into a second series.")
@click.option("--extrapolate", is_flag=True, help="Also predict time of a kind the model was not trained on.")
@existing_option
@click.option("-J", "--jobs", default=1, show_default=True, help="Files at a time.")
@click.option("-i", "--dandi-instance", help="Archive to read from.")
@click.option("--strict", is_flag=True, help="Stop at the first file that fails.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def command(
    model: str,
    sources: tuple[str, ...],
    output_dir: Path | None,
    mode: str | None,
    what: str,
    scheme: str,
    exact: bool,
    include_trained: bool,
    extrapolate: bool,
    existing: str,
    jobs: int,
    dandi_instance: str | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Write what MODEL predicts into copies of the SOURCEs, or into sidecars.

    Every unit's rate comes from a pass in which it was hidden, and only time that
    the model was not trained on is filled. From a dandiset, -o becomes a folder
    ready for `dandi upload`.

    \b
    Examples:
      nwb-mtm annotate runs/a session.nwb
      nwb-mtm annotate runs/a DANDI:000409 -o derived --what rates,behavior
    """
    from nwb_mtm.annotation.many import annotate_all
    from nwb_mtm.annotation.naming import plain_command
    from nwb_mtm.annotation.options import Options
    from nwb_mtm.sources.resolution import SourceOptions

    from .reading import watch
    from .show import console

    options = Options(
        mode=mode or "auto",  # type: ignore[arg-type]
        what=tuple(part.strip() for part in what.split(",") if part.strip()),
        scheme=scheme,
        folds=0 if exact else 10,
        include_trained=include_trained,
        extrapolate=extrapolate,
        existing=existing,
        command=plain_command(["nwb-mtm", *sys.argv[1:]]),
    )
    screen = console(stderr=True)
    found = []
    events = annotate_all(
        model,
        sources,
        out=output_dir,
        options=options,
        jobs=jobs,
        source_options=SourceOptions(instance=dandi_instance),
        strict=strict,
    )
    for one in watch(events):
        screen.print(one.line())
        found.append(one)
    _show(found, as_json)
    if any(one.error for one in found):
        sys.exit(1)


def _show(found: list, as_json: bool) -> None:  # type: ignore[type-arg]
    from .show import console, table

    if as_json:
        import json

        click.echo(json.dumps([one.to_json() for one in found], indent=1))
        return
    rows = [one.row() for one in found]
    title = f"{sum(not one.error for one in found)} of {len(found)} files annotated"
    console().print(table(title, ("source", "written", "units", "unseen time", "bits/spike", "reliable"), rows))
