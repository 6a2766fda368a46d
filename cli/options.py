"""Options that several commands share, and how they become settings."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from nwb_mtm.config import Config
    from nwb_mtm.sources.reading import SourceOptions

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

# option's parameter name -> dotted setting
SETTINGS = {
    "align": "windows.align",
    "before": "windows.before",
    "after": "windows.after",
    "tile": "windows.tile",
    "bin_size": "windows.bin",
    "split": "split.kind",
    "split_seed": "split.seed",
    "rotations": "split.folds",
    "units_table": "units.table",
    "join_probes": "units.join_probes",
    "quality": "units.quality",
    "min_rate": "units.min_rate",
    "regions": "units.regions",
    "region_level": "units.region_level",
    "regions_from": "units.regions_from",
    "trials": "units.trials",
    "within": "units.within",
    "budget": "train.budget",
    "steps": "train.steps",
    "seed": "train.seed",
    "device": "train.device",
    "precision": "train.precision",
    "evaluate": "evaluate.sessions",
}


def _all(*options: Callable[[F], F]) -> Decorator:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


source_options = _all(
    click.option("-i", "--dandi-instance", help="Archive by name or URL.", envvar="DANDI_INSTANCE"),
    click.option("--dandiset-version", help="Version of a dandiset; the newest published by default."),
    click.option("--assets", multiple=True, metavar="GLOB", help="Only these paths of a dandiset."),
    click.option("--subjects", multiple=True, help="Only these subjects."),
    click.option("--species", multiple=True, help="Only these species."),
    click.option("--max-sessions", type=click.IntRange(1), help="At most so many sessions, spread over subjects."),
    click.option("-J", "--jobs", type=click.IntRange(1), default=4, show_default=True, help="Files read at once."),
    click.option("--cache-dir", type=click.Path(file_okay=False, path_type=Path), help="Where read files are kept."),
    click.option("--offline", is_flag=True, help="Open no connection; use the cache alone."),
    click.option("--allow-download", is_flag=True, help="Download what cannot be streamed."),
    click.option("--strict", is_flag=True, help="Stop at the first source that cannot be used."),
)

window_options = _all(
    click.option("--align", metavar="[TABLE.]COLUMN", help="Event that windows are cut around; auto, or none."),
    click.option("--before", type=float, help="Seconds before the event.  [default: 0.5]"),
    click.option("--after", type=float, help="Seconds after the event.  [default: 1.5]"),
    click.option("--tile", type=float, metavar="S", help="Windows of S seconds end to end instead."),
    click.option("--bin", "bin_size", type=float, help="Width of a bin in seconds.  [default: 0.02]"),
)

selection_options = _all(
    click.option("--units", "units_table", metavar="PATH", help="Table of units, for files with several."),
    click.option("--join-probes", is_flag=True, default=None, help="One NWB file per probe: make them one recording."),
    click.option("--quality", metavar="auto|none|EXPR", help="Which units the headline scores."),
    click.option("--min-rate", type=float, help="Slowest unit that is used, in spikes/s.  [default: 0.1]"),
    click.option("--regions", multiple=True, help="Only units of these regions."),
    click.option("--region-level", metavar="LEVEL", help="auto, raw, merged, beryl, cosmos, or a CSV file."),
    click.option("--regions-from", metavar="CSV", help="Regions of units from a table."),
    click.option("--trials", metavar="EXPR", help="Only these trials, e.g. \"outcome == 'hit'\"."),
    click.option("--within", metavar="TABLE[EXPR]", help="Only time inside these intervals."),
)

fit_options = _all(
    selection_options,
    click.option("--split", metavar="KIND", help="blocks, random, tail or column:NAME.  [default: blocks]"),
    click.option("--split-seed", type=int, help="Chance of the split.  [default: 0]"),
    click.option("--preset", help="default, ndt1-mtm, ndt1-temporal, ndt2-mtm, ..."),
    click.option("--budget", metavar="TIME", help="Time for training, e.g. 90s, 5m, 2h.  [default: 10m]"),
    click.option("--steps", type=click.IntRange(1), help="Steps to train, instead of a time."),
    click.option("--seed", type=int, help="Chance of weights, batches and masks.  [default: 0]"),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Where to train."),
    click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16"]), help="Arithmetic."),
    click.option("--config", "config_file", type=click.Path(path_type=Path), help="Settings from a TOML file."),
    click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any setting, e.g. train.batch=32."),
)

schemes_option = click.option(
    "--schemes", "only_schemes", metavar="A,B,...", help="Train with these masking schemes alone, e.g. neuron,causal."
)

folds_option = click.option(
    "--folds",
    "rotations",
    type=click.IntRange(2),
    metavar="K",
    help="Train K models, so that each window is tested by one; they share the budget.",
)

existing_option = click.option(
    "-e",
    "--existing",
    type=click.Choice(["error", "skip", "overwrite"]),
    default="error",
    show_default=True,
    help="What to do when the output exists.",
)

output_options = _all(
    click.option("-o", "--output-dir", type=click.Path(path_type=Path), help="Where to write."),
    existing_option,
)


def build_config(chosen: Mapping[str, Any], base: "Config | None" = None) -> "Config":
    """Defaults, then a settings file, then options, then `--set`."""
    import tomllib

    from nwb_mtm.config import Config

    config = base or (Config.load(chosen["config_file"]) if chosen.get("config_file") else Config())
    if chosen.get("preset"):
        config = config.changed({"model.preset": chosen["preset"]})
    changes: dict[str, Any] = {}
    if chosen.get("only_schemes"):
        from nwb_mtm.presets import schemes_alone

        changes.update(schemes_alone(parts(chosen["only_schemes"])))
    for name, setting in SETTINGS.items():
        value = chosen.get(name)
        if value is not None and value != ():
            changes[setting] = list(value) if isinstance(value, tuple) else value
    for text in chosen.get("settings") or ():
        name, separator, value = text.partition("=")
        if not separator:
            raise click.UsageError(f"--set takes NAME=VALUE; found {text!r}.")
        try:
            changes[name.strip()] = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            changes[name.strip()] = value.strip()
    return config.changed(changes)


def build_sources(chosen: Mapping[str, Any]) -> "SourceOptions":
    """How sources are found and read."""
    from nwb_mtm.sources.reading import SourceOptions

    return SourceOptions(
        instance=chosen.get("dandi_instance"),
        version=chosen.get("dandiset_version"),
        assets=tuple(chosen.get("assets") or ()),
        subjects=tuple(chosen.get("subjects") or ()),
        species=tuple(chosen.get("species") or ()),
        max_sessions=chosen.get("max_sessions"),
        jobs=chosen.get("jobs") or 4,
        cache_dir=chosen.get("cache_dir"),
        offline=bool(chosen.get("offline")),
        allow_download=bool(chosen.get("allow_download")),
    )


def parts(text: str | None) -> list[str]:
    """The words of a list with commas.

    >>> parts("a, b,")
    ['a', 'b']
    """
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def counts(text: str | None, option: str) -> list[int]:
    """Whole numbers of 1 or more from a list with commas."""
    found = parts(text)
    if not all(part.isdecimal() and int(part) > 0 for part in found):
        raise click.UsageError(f"{option} takes whole numbers such as 10,25,50; found {text!r}.")
    return [int(part) for part in found]


def shares(text: str | None, option: str) -> list[float]:
    """Numbers between 0 and 1 from a list with commas."""
    try:
        found = [float(part) for part in parts(text)]
    except ValueError:
        found = [-1.0]
    if not all(0 < share < 1 for share in found):
        raise click.UsageError(f"{option} takes shares such as 0.1,0.3; found {text!r}.")
    return found


def plain_sources(sources: Sequence[str]) -> tuple[str, ...]:
    """`dandiset ID` and `files PATH...` are the sources themselves."""
    if sources and sources[0] in ("dandiset", "files") and not Path(sources[0]).exists():
        return tuple(sources[1:])
    return tuple(sources)
