"""The view of files being read: a line for each, and one for all."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from nwb_mtm.sources import Progress

from .show import console

T = TypeVar("T")


def watch(events: Iterable[Progress | T]) -> Iterator[T]:
    """Show progress on stderr as it comes, and hand on everything else."""
    if sys.stderr.isatty():
        yield from _live(events)
        return
    out = console(stderr=True)
    for event in events:
        if not isinstance(event, Progress):
            yield event
        elif event.finished:
            out.print(f"read {event.done}/{event.total}  {event.item.name}  {event.bytes / 1e6:.1f} MB")


def _live(events: Iterable[Progress | T]) -> Iterator[T]:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[moved]}"))
    with Bars(*columns, console=console(stderr=True), transient=True) as bars:
        whole = bars.add_task("files", total=None, moved="")
        lines = {}
        for event in events:
            if not isinstance(event, Progress):
                yield event
                continue
            name = event.item.name
            if name not in lines:
                lines[name] = bars.add_task(name, total=None, moved="")
            bars.update(lines[name], moved=f"{event.bytes / 1e6:.1f} MB")
            bars.update(whole, completed=event.done, total=event.total, moved=f"{event.done}/{event.total}")
            if event.finished:
                bars.update(lines[name], visible=False)
