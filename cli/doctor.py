"""`nwb-mtm doctor`: what is installed here, and what is missing."""

import dataclasses
import json

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON, to paste into a report of a fault.")
def command(as_json: bool) -> None:
    """Versions, devices, cache and keys present, and what is missing.

    Keys are named, their values are never shown. No network is used.

    \b
    Examples:
      nwb-mtm doctor
      nwb-mtm doctor --json > doctor.json
    """
    from nwb_mtm.installation import examine

    from .show import console, table

    facts = list(examine())
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(fact) for fact in facts], indent=1))
        return
    rows = [(f.group, f.name, f.found if f.well else f"{f.found}. {f.advice}") for f in facts]
    console().print(table("This installation", ("", "what", "found"), rows))
    missing = [f for f in facts if not f.well and f.group != "extras"]
    console().print(f"{len(missing)} to mend: {', '.join(f.name for f in missing)}" if missing else "All is well.")
