"""The view of files being read: a line for each, and one for all."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as View

from nwb_mtm.sources.reading import Progress

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
    bars: _Bars | None = None
    try:
        for event in events:
            if isinstance(event, Progress):
                bars = bars or _Bars()
                bars.show(event)
                continue
            if bars is not None:  # the screen belongs to whoever shows this
                bars.stop()
                bars = None
            yield event
    finally:
        if bars is not None:
            bars.stop()


class _Bars:
    """A bar for all files, and a line for each that is being read."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[moved]}"))
        self.view = View(*columns, console=console(stderr=True), transient=True)
        self.whole = self.view.add_task("files", total=None, moved="")
        self.lines: dict[str, TaskID] = {}
        self.view.start()

    def show(self, event: Progress) -> None:
        """Update the file's line and the bar for all."""
        name = event.item.name
        if name not in self.lines:
            self.lines[name] = self.view.add_task(name, total=None, moved="")
        self.view.update(self.lines[name], moved=f"{event.bytes / 1e6:.1f} MB", visible=not event.finished)
        self.view.update(self.whole, completed=event.done, total=event.total, moved=f"{event.done}/{event.total}")

    def stop(self) -> None:
        """Leave the screen."""
        self.view.stop()
