"""`nwb-mtm config`: show, check or start a file of settings."""

import json
from pathlib import Path

import click

from .options import existing_option


@click.group("config")
def command() -> None:
    """Show, check or start a file of settings.

    \b
    Examples:
      nwb-mtm config show
      nwb-mtm config init my.toml
      nwb-mtm config check my.toml
    """


@command.command("show")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=True))
@click.option("--preset", default="", metavar="NAME", help="With the settings of a published model.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(file: Path | None, preset: str, as_json: bool) -> None:
    """Every setting with its value and a sentence on it.

    FILE is a file of settings or a run folder; without one the defaults are shown.

    \b
    Examples:
      nwb-mtm config show
      nwb-mtm config show --preset ndt1-mtm
      nwb-mtm config show runs/session-20260102-030405
    """
    from nwb_mtm.config import Config

    config = Config.load(_settings_of(file)) if file else Config()
    if preset:
        config = config.changed({"model.preset": preset})
    click.echo(json.dumps(config.to_table(), indent=1) if as_json else config.to_toml(comments=True).rstrip())


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=True))
def check(file: Path) -> None:
    """Read FILE as a fit would, and list what differs from the defaults.

    \b
    Example:
      nwb-mtm config check my.toml
    """
    from nwb_mtm.config import Config

    from .show import console, table

    given, plain = Config.load(_settings_of(file)).to_table(), Config().to_table()
    rows = [
        (f"{section}.{name}", value, plain[section][name])
        for section, names in given.items()
        for name, value in names.items()
        if value != plain[section][name]
    ]
    if rows:
        console().print(
            table(f"{file.name} is well; it differs from the defaults in", ("setting", "here", "default"), rows)
        )
    else:
        console().print(f"{file.name} is well; everything has its default.")


@command.command("init")
@click.argument("file", default="nwb-mtm.toml", type=click.Path(path_type=Path, dir_okay=False))
@existing_option
def init(file: Path, existing: str) -> None:
    """Write a commented FILE of all settings, to change and to hand to `fit --config`.

    \b
    Example:
      nwb-mtm config init my.toml
    """
    from nwb_mtm.config import Config
    from nwb_mtm.errors import RunError
    from nwb_mtm.runs import write_text

    from .show import console

    if file.exists() and existing == "error":
        raise RunError(f"{file} is there already.", kind="exists")
    if file.exists() and existing == "skip":
        return
    write_text(file, Config().to_toml(comments=True))
    console().print(f"Wrote {file}. Next: change it, then nwb-mtm fit SOURCE --config {file}")


def _settings_of(file: Path) -> Path:
    return file / "config.toml" if file.is_dir() else file
