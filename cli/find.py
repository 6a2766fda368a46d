"""`nwb-mtm find`: which files can be used."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import build_sources, existing_option, source_options

if TYPE_CHECKING:
    from nwb_mtm.sources.discovery import Findings, Found

EPILOG = """\b
Examples:
  nwb-mtm find 000409
  nwb-mtm find 000409 --deep --max-sessions 5 --manifest runs.toml
  nwb-mtm find DANDI:000409/0.230101.1234 --json
"""


@click.command("find", epilog=EPILOG)
@click.argument("sources", nargs=-1, required=True, metavar="DANDISET...")
@source_options
@click.option("--deep", is_flag=True, help="Open each file and count units, regions, trials, behaviours.")
@click.option("--manifest", type=click.Path(dir_okay=False, path_type=Path), help="Write the list that fit runs.")
@existing_option
@click.option("--json", "as_json", is_flag=True, help="Everything that is known, as JSON.")
def command(
    sources: tuple[str, ...], deep: bool, manifest: Path | None, existing: str, as_json: bool, **chosen: Any
) -> None:
    """List the files of DANDISETs, folders or URLs, and say which a fit would use.

    One listing of the archive is read and no byte of a file; --deep reads the
    units of each file, and keeps them for the fit that follows.
    """
    from nwb_mtm.sources import discovery

    from .options import plain_sources
    from .reading import watch
    from .show import console

    options = build_sources(chosen)
    findings = discovery.find(plain_sources(sources), options)
    if deep:
        opened = [event for event in watch(discovery.open_each(findings, options), lines=True) if _is_found(event)]
        findings = discovery.with_inside(findings, opened)
    if manifest is not None:
        console(stderr=True).print(f"Wrote {discovery.write_list(findings.files, manifest, existing=existing)}")
    if as_json:
        import json

        told = {"notes": findings.notes, "files": [one.to_json() for one in findings.files]}
        click.echo(json.dumps(told, indent=1))
        return
    _show(findings, deep)


def _is_found(event: object) -> bool:
    from nwb_mtm.sources.discovery import Found

    return isinstance(event, Found)


def _show(findings: "Findings", deep: bool) -> None:
    from .show import console, table

    screen = console()
    for note in findings.notes:
        screen.print(note)
    title = f"{len(findings.usable)} of {len(findings.files)} files can be used"
    columns = ["file", "size", "subject", "session", "species", *(DEEP if deep else ("measured",))]
    screen.print(table(title, columns, [_row(one, deep) for one in findings.usable]))
    left = [one for one in findings.files if one.why_not is not None]
    if left:
        screen.print(table("Left out", ["file", "why"], [(one.name, one.why_not) for one in left]))
    if findings.usable:
        screen.print("Next: nwb-mtm plan, or nwb-mtm fit, with the same sources")


DEEP = ("units", "regions", "trials", "behaviours")


def _row(one: "Found", deep: bool) -> Sequence[object]:
    told = one.to_json()
    head = [one.name, f"{told['size'] / 1e6:,.1f} MB", *(told.get(n, "") for n in ("subject", "session", "species"))]
    if not deep or one.inside is None:
        return [*head, *([""] * len(DEEP) if deep else [", ".join(told.get("measured", ()))])]
    regions = " ".join(f"{name}:{count}" for name, count in one.inside.regions.items())
    trials = "-" if one.inside.trials is None else one.inside.trials
    return [*head, one.inside.units, regions or "unknown", trials, len(one.inside.behaviors)]
