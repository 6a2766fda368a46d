"""The command group; a command's module is imported when the command is run."""

import difflib
import importlib
import sys

import click

# name -> (module, function's attribute, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Simulate a small dandiset, fit, evaluate, annotate and open the report."),
    "inspect": ("inspect", "What a file holds, what a model would use of it, and why anything is left out."),
    "find": ("find", "Which files of a dandiset have units, regions, trials and behaviour."),
    "plan": ("plan", "Bytes, memory, steps and time, before anything is spent (= fit --dry-run)."),
    "fit": ("fit", "Train on files or dandisets; then evaluate and write the report."),
    "compare": ("compare", "Presets, schemes or sizes side by side, as the paper's tables."),
    "evaluate": ("evaluate", "The four scores by region and unit, decoding, baselines, checks."),
    "decode": ("decode", "Decode a trial column or a behaviour series."),
    "annotate": ("annotate", "Write reconstructions and decoded behaviour into NWB files."),
    "check": ("check", "Recompute what an annotated file claims."),
    "report": ("report", "The HTML page of a run, or of several side by side."),
    "cache": ("cache", "List, fill, verify or clear the cache of recordings."),
    "config": ("settings", "Show, check or start a file of settings."),
    "simulate": ("simulate", "Write a small simulated dandiset whose truth is known."),
    "doctor": ("doctor", "Versions, devices, cache and keys present, and what is missing."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{COMMANDS[cmd_name][0]}", __package__)
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not close:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{close[0]}'?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"nwb-mtm {version('nwb-mtm')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
@click.option(
    "-l",
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="How much to tell on stderr.",
)
def group(log_level: str) -> None:
    """Multi-task-masking transformers for spikes in NWB files.

    A SOURCE is a path, a folder, a URL, or a dandiset such as 000409 or
    DANDI:000409/0.230101.1234. A MODEL is a run folder or a .safetensors file.

    \b
    Start here:
      nwb-mtm demo
      nwb-mtm inspect session.nwb
      nwb-mtm fit session.nwb
    """
    import logging

    logging.basicConfig(level=log_level.upper(), format="%(levelname)s: %(message)s", stream=sys.stderr)


def main() -> None:
    """Run the command line; say our own errors plainly and keep the traceback of anything else."""
    from nwb_mtm.errors import NwbMtmError

    try:
        group(prog_name="nwb-mtm")
    except NwbMtmError as error:
        from .show import show_error

        show_error(error)
        sys.exit(1)
