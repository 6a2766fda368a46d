"""The live view of training: curves on a terminal, plain lines when piped."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .show import console, sparkline

PLAIN_EVERY = 10.0  # seconds between lines when the output is no terminal


class StepLike(Protocol):
    """What is shown of a training step."""

    @property
    def step(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def loss(self) -> Mapping[str, float]: ...
    @property
    def valid(self) -> Mapping[str, float] | None: ...
    @property
    def windows_per_s(self) -> float: ...
    @property
    def seconds_left(self) -> float: ...


class TrainingView:
    """Shows steps as they come; use in a `with` block."""

    def __init__(self) -> None:
        self.out = console(stderr=True)
        self.live = Live(console=self.out, refresh_per_second=4, transient=False) if sys.stderr.isatty() else None
        self.losses: dict[str, list[float]] = {}
        self.scores: dict[str, list[float]] = {}
        self.spoken = -PLAIN_EVERY
        self.started = 0.0

    def __enter__(self) -> "TrainingView":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    def show(self, step: StepLike) -> None:
        """Add one step to the curves; start the live view with the first."""
        self.started = self.started or time.monotonic()
        if step.step == 1:  # of the next of several models, perhaps
            self.losses.clear()
            self.scores.clear()
        for name, value in step.loss.items():
            self.losses.setdefault(name, []).append(value)
        for name, value in (step.valid or {}).items():
            self.scores.setdefault(name, []).append(value)
        if self.live is None:
            self._line(step, time.monotonic() - self.started)
            return
        self.live.start()
        self.live.update(self._page(step))

    def pause(self) -> None:
        """Leave the curves on the screen and go on below them."""
        if self.live is not None:
            self.live.stop()

    def _line(self, step: StepLike, seconds: float) -> None:
        last = step.step >= step.steps
        if not (last or step.valid or seconds - self.spoken >= PLAIN_EVERY):
            return
        self.spoken = seconds
        losses = " ".join(f"{name} {value:.4f}" for name, value in step.loss.items())
        valid = "".join(f" | {name} {value:+.3f}" for name, value in (step.valid or {}).items())
        left = clock(step.seconds_left)
        text = f"step {step.step}/{step.steps}  {losses}{valid}  {step.windows_per_s:.0f} windows/s  {left} left"
        self.out.print(text, soft_wrap=True)

    def _page(self, step: StepLike) -> Group:
        head = Text.assemble(
            ("Training ", "bold"),
            f"step {step.step:,} of {step.steps:,}   {step.windows_per_s:,.0f} windows/s   ",
            f"{clock(step.seconds_left)} left",
        )
        grid = Table(box=None, pad_edge=False, header_style="dim")
        for name, justify in (("", "left"), ("now", "right"), ("course", "left")):
            grid.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
        for name, values in self.losses.items():
            grid.add_row(f"loss {name}", f"{values[-1]:.4f}", sparkline(values, 24))
        for name, values in self.scores.items():
            grid.add_row(f"[bold]{name}[/] (bits/spike)", f"{values[-1]:+.3f}", f"[cyan]{sparkline(values, 24)}[/]")
        return Group(head, ProgressBar(total=max(step.steps, 1), completed=step.step, width=60), grid)


def clock(seconds: float) -> str:
    """Seconds as a person says them.

    >>> clock(75), clock(7260), clock(9)
    ('1 min 15 s', '2 h 01 min', '9 s')
    """
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"
