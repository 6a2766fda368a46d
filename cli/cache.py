"""`nwb-mtm cache`: what is kept of files read before."""

from pathlib import Path
from typing import Any

import click

from .options import build_sources, source_options

folder_option = click.option(
    "--cache-dir", type=click.Path(file_okay=False, path_type=Path), help="Where read files are kept."
)


@click.group(
    "cache",
    epilog="""\b
Examples:
  nwb-mtm cache fetch 000409 --max-sessions 10
  nwb-mtm cache ls
""",
)
def command() -> None:
    """List, fill, verify or clear the cache of recordings.

    What is read from an archive is kept in NWB_MTM_CACHE, or in the platform's
    folder for caches, and read from there the next time.
    """


@command.command("ls", epilog="\b\nExample:\n  nwb-mtm cache ls --json")
@folder_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def ls(cache_dir: Path | None, as_json: bool) -> None:
    """List what is kept, the least recently used first."""
    import json
    import time

    from nwb_mtm.sources.store import Store

    from .show import console, table

    kept = Store(cache_dir)
    entries = kept.ls()
    if as_json:
        told = [{"file": e.path.name, "size": e.size, "used": e.used, **e.facts} for e in entries]
        click.echo(json.dumps(told, indent=1))
        return
    now = time.time()
    rows = [
        (e.name, e.facts.get("version", ""), e.facts.get("units", ""), f"{e.size / 1e6:.1f} MB", _ago(now - e.used))
        for e in entries
    ]
    total = sum(entry.size for entry in (*entries, *kept.pages(), *kept.results()))
    title = f"{len(entries)} recordings; with pages and results {total / 1e6:,.0f} MB of {kept.limit / 1e9:.0f} GB"
    console().print(table(title, ["recording", "version", "units", "size", "used"], rows))
    console().print(f"Folder: {kept.folder}")


@command.command("fetch", epilog="\b\nExample:\n  nwb-mtm cache fetch runs.toml -J 8")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@source_options
def fetch(sources: tuple[str, ...], strict: bool, **chosen: Any) -> None:
    """Read SOURCES into the cache, so that a fit with --offline finds them.

    Interrupted, it goes on where it was.
    """
    from nwb_mtm.errors import NwbMtmError, SourceError
    from nwb_mtm.sources.reading import Outcome, follow, resolve

    from .options import plain_sources
    from .reading import watch
    from .show import console, show_warning

    options = build_sources(chosen)
    bad = moved = new = 0
    items = resolve(plain_sources(sources), options)
    for event in watch(follow(items, options=options, strict=strict), lines=True):
        assert isinstance(event, Outcome)
        moved += event.bytes
        new += not event.cached and not isinstance(event.result, NwbMtmError)
        if isinstance(event.result, NwbMtmError):
            bad += 1
            show_warning(f"{event.item.name}: {event.result}")
    console().print(
        f"{len(items) - bad} of {len(items)} recordings are in the cache; {new} read now, {moved / 1e6:.1f} MB"
    )
    if bad == len(items):
        raise SourceError("None of the sources could be read; the reasons are above.", kind="nothing_to_do")


@command.command("verify", epilog="\b\nExample:\n  nwb-mtm cache verify")
@folder_option
def verify(cache_dir: Path | None) -> None:
    """Compare every file with its checksum; those that are damaged are dropped."""
    from nwb_mtm.sources.store import Store

    from .show import console, show_warning

    kept = Store(cache_dir)
    good = bad = 0
    for entry, wrong in kept.verify():
        if wrong is None:
            good += 1
            continue
        bad += 1
        show_warning(f"{entry.name}: {wrong}; dropped, it will be read again")
        kept.remove(entry)
    console().print(f"{good} files are whole, {bad} were damaged and dropped")


@command.command("clear", epilog="\b\nExample:\n  nwb-mtm cache clear --cache-dir scratch/cache")
@folder_option
def clear(cache_dir: Path | None) -> None:
    """Drop everything that is kept."""
    from nwb_mtm.sources.store import Store

    from .show import console

    console().print(f"{Store(cache_dir).clear() / 1e6:.1f} MB dropped")


def _ago(seconds: float) -> str:
    """How long ago, in the largest unit that fits.

    >>> _ago(30), _ago(7200), _ago(200000)
    ('now', '2 h ago', '2 d ago')
    """
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "now"
