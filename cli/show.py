"""How results, warnings and errors look: tables on stdout, the rest on stderr."""

import math
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from nwb_mtm.errors import NwbMtmError

if TYPE_CHECKING:
    from nwb_mtm.intervals import Value

PIPED_WIDTH = 200  # of tables, where nothing is wrapped


def console(*, stderr: bool = False) -> Console:
    """A console that is plain and unwrapped when piped."""
    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty():
        return Console(file=stream, highlight=False)
    return Console(file=stream, soft_wrap=True, highlight=False, width=PIPED_WIDTH)


def show_error(error: NwbMtmError) -> None:
    """`Error: ...` on stderr, then what to do about it."""
    out = console(stderr=True)
    out.print(f"[bold red]Error:[/] {_plain(str(error))}")
    if error.cure not in str(error):
        out.print(f"[dim]{_plain(error.cure)} (error kind: {error.kind})[/]")


def show_warning(message: str) -> None:
    """`Warning: ...` on stderr."""
    console(stderr=True).print(f"[yellow]Warning:[/] {_plain(message)}")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table; columns after the first are right-aligned when they hold numbers."""
    out = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) or _number(row[index]) for row in rows)
        out.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        out.add_row(*(_plain(str(cell)) for cell in row))
    return out


def short(found: "Value", digits: int = 3) -> str:
    """A value with its interval in as few letters as tell it.

    >>> from nwb_mtm.intervals import Value
    >>> short(Value(0.12, -0.051, 0.194)), short(Value(1.5, float("nan"), float("nan")), 2)
    ('0.120 [-.051 .194]', '1.50')
    """
    if not math.isfinite(found.value):
        return "-"
    low, high = (re.sub(r"^(-?)0\.", r"\1.", f"{edge:.{digits}f}") for edge in (found.low, found.high))
    return f"{found.value:.{digits}f}" + (f" [{low} {high}]" if math.isfinite(found.low) else "")


def bar(share: float, width: int = 10) -> str:
    """A small bar for a share between 0 and 1.

    >>> bar(0.5, 4)
    '██  '
    """
    filled = round(max(0.0, min(1.0, share)) * width)
    return "█" * filled + " " * (width - filled)


def sparkline(values: Sequence[float], width: int = 20) -> str:
    """The course of a curve in one line of text.

    >>> sparkline([0, 1, 2, 3], 4)
    '▁▃▆█'
    """
    if not values:
        return ""
    step = max(1, -(-len(values) // width))
    shown = list(values)[::-1][::step][::-1]
    low, high = min(shown), max(shown)
    return "".join("▁▂▃▄▅▆▇█"[int((v - low) / ((high - low) or 1) * 7 + 0.5)] for v in shown)


def _number(cell: object) -> bool:
    text = str(cell).split(" ")[0].replace(",", "").rstrip("%")
    return text in ("-", "") or text.lstrip("+-").replace(".", "", 1).isdigit()


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
