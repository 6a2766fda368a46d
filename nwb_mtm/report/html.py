"""Pieces of a page as HTML text."""

from collections.abc import Sequence
from html import escape


def section(key: str, name: str, body: str) -> str:
    """A section with its heading."""
    return f'<section id="{key}" aria-labelledby="{key}-name"><h2 id="{key}-name">{escape(name)}</h2>{body}</section>'


def drawing(key: str, panels: Sequence[str], caption: str, *, kind: str = "") -> str:
    """A figure of one or more panels, with its caption; the page's script adds the buttons that save it."""
    if not panels:
        return ""
    return (
        f'<figure class="drawing {kind}" data-name="{escape(key)}"><div class="panels">{"".join(panels)}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def choices(key: str, parts: Sequence[tuple[str, str]]) -> str:
    """Several contents of which one is shown at a time; all of them without the script."""
    if len(parts) == 1:
        return parts[0][1]
    shown = "".join(f'<div class="choice" data-label="{escape(name)}">{body}</div>' for name, body in parts)
    return f'<div class="choices" data-name="{escape(key)}">{shown}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, *, kind: str = "") -> str:
    """A table whose first column names the rows; cells are HTML already."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' if name else "<td></td>" for name in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}">'
        f"<caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def lines(items: Sequence[str]) -> str:
    """A plain list."""
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def folded(name: str, body: str) -> str:
    """Something to unfold."""
    return f"<details><summary>{escape(name)}</summary>{body}</details>"
