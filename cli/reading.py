"""The view of files being read: a line for each, and one for all."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as View

from nwb_mtm.sources.reading import Progress

from .progress import clock
from .show import console

T = TypeVar("T")
LONGEST_NAME = 30


def watch(events: Iterable[Progress | T], *, lines: bool = False) -> Iterator[T]:
    """Show progress on a terminal as it comes, and hand on everything else; piped, a line for each file if asked."""
    bars = Bars() if sys.stderr.isatty() else None
    out = console(stderr=True)
    try:
        for event in events:
            if not isinstance(event, Progress):
                if bars is not None:  # the screen belongs to whoever shows this
                    bars.pause()
                yield event
            elif bars is not None:
                bars.show(event)
            elif lines and event.finished:
                out.print(f"read {event.done}/{event.total}  {event.item.name}  {event.bytes / 1e6:.1f} MB")
    finally:
        if bars is not None:
            bars.pause()


class Bars:
    """A bar for all files with an estimate, and a line for each that is being read."""

    def __init__(self) -> None:
        self.latest: dict[str, Progress] = {}
        self.moved: dict[str, int] = {}
        self.started = 0.0
        self.view: View | None = None
        self.lines: dict[str, TaskID] = {}

    def show(self, event: Progress) -> None:
        """Update the file's line and the bar for all."""
        self.started = self.started or time.monotonic()
        name = event.item.name
        self.moved[name] = event.bytes
        self.latest.pop(name, None)
        if not event.finished:
            self.latest[name] = event
        view = self._view()
        if name not in self.lines:
            self.lines[name] = view.add_task(shortened(name), total=None, told="")
        total, told = event.expected or None, _amount(event)
        view.update(self.lines[name], total=total, completed=event.bytes, told=told, visible=not event.finished)
        view.update(self.lines[""], total=event.total, completed=event.done, told=self.summary(event))

    def summary(self, event: Progress) -> str:
        """How many files and bytes, and how long the rest will take."""
        told = f"{event.done} of {event.total} files, {sum(self.moved.values()) / 1e6:.1f} MB"
        left = self.seconds_left(event)
        return told if left is None else f"{told}, about {clock(left)} left"

    def seconds_left(self, event: Progress) -> float | None:
        """By the pace so far, files in progress counted by their bytes; None when nothing can be said yet."""
        known = (one for one in self.latest.values() if one.expected)
        done = event.done + sum(min(1.0, one.bytes / one.expected) for one in known)
        spent = time.monotonic() - self.started
        return spent * (event.total - done) / done if done > 0 and spent > 1.0 else None

    def pause(self) -> None:
        """Leave the screen to others; the next event takes it again."""
        if self.view is not None:
            self.view.stop()
            self.view = None
            self.lines.clear()

    def _view(self) -> View:
        if self.view is None:
            columns = (TextColumn("{task.description}"), BarColumn(12), TextColumn("{task.fields[told]}"))
            self.view = View(*columns, console=console(stderr=True), transient=True)
            self.lines[""] = self.view.add_task("[bold]reading[/]", total=None, told="")
            for name, event in self.latest.items():
                total, told = event.expected or None, _amount(event)
                self.lines[name] = self.view.add_task(shortened(name), total=total, completed=event.bytes, told=told)
            self.view.start()
        return self.view


def _amount(event: Progress) -> str:
    if not event.expected:
        return f"{event.bytes / 1e6:.1f} MB, looking for what is needed"
    return f"{event.bytes / 1e6:.1f} of {max(event.bytes, event.expected) / 1e6:.1f} MB"


def shortened(name: str) -> str:
    """The end of a long path, which tells files apart.

    >>> shortened("sub-1/sub-1_ses-a.nwb"), len(shortened("x" * 100))
    ('sub-1/sub-1_ses-a.nwb', 30)
    """
    return name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]
