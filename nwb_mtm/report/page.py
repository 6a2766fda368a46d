"""A run as one web page that needs nothing but itself."""

from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Literal

from nwb_mtm import runs
from nwb_mtm.errors import RunError
from nwb_mtm.report import activity, decoded, making, sections
from nwb_mtm.report.html import section
from nwb_mtm.report.material import Material, read
from nwb_mtm.report.sections import Section
from nwb_mtm.report.words import count

FEW = 3  # names in a title
PARTS = (
    sections.answers,
    sections.checks,
    sections.scores,
    activity.rasters,
    activity.examples,
    sections.units,
    sections.regions,
    activity.psths,
    decoded.decoding,
    activity.region_map,
    making.training,
    making.reading,
    making.making,
    making.sources,
)


def write(
    run: str | Path,
    out: str | Path | None = None,
    *,
    existing: Literal["error", "skip", "overwrite"] = "overwrite",
) -> Path:
    """Write the page of a run (into the run's folder unless told otherwise) and return its path."""
    folder = Path(run)
    path = Path(out) if out is not None else folder / "report.html"
    if may_write(path, existing):
        runs.write_text(path, page(read(folder)))
    return path


def may_write(path: Path, existing: str) -> bool:
    """Whether to write; an error when the file exists and must not be replaced."""
    if not path.exists() or existing == "overwrite":
        return True
    if existing == "skip":
        return False
    raise RunError(f"{path} already exists.", kind="exists")


def page(run: Material) -> str:
    """The whole page as text."""
    found = [part(run) for part in PARTS]
    return assemble(title(run), subtitle(run), [s for s in found if s.body])


def title(run: Material) -> str:
    """The sessions, by name while they are few; else where they come from, and the run's folder."""
    keys = list(run.scores.sessions) or [str(one.get("key")) for one in run.sources]
    if 0 < len(keys) <= FEW:
        return ", ".join(keys)
    dandisets = sorted({str(one["dandiset"]) for one in run.sources if one.get("dandiset")})
    return f"Dandiset {', '.join(dandisets)}" if 0 < len(dandisets) <= FEW else run.name


def subtitle(run: Material) -> str:
    """What was scored, in one line."""
    units = sum(int(s.get("units") or 0) for s in run.sources)
    tests = sum(int((s.get("windows") or {}).get("test") or 0) for s in run.sources)
    parts = [count(len(run.scores.sessions), "session")]
    parts += [count(units, "unit")] if units else []
    parts += [f"{tests:,} test windows"] if tests else []
    alignment = run.scores.protocol.get("alignment")
    return " · ".join([*parts, str(alignment)] if isinstance(alignment, str) else parts)


def assemble(title: str, under: str, found: Sequence[Section]) -> str:
    """Head, contents and sections, with style and script inside."""
    contents = "".join(f'<li><a href="#{s.key}">{escape(s.name)}</a></li>' for s in found)
    parts = {
        "title": escape(title),
        "subtitle": escape(under),
        "contents": contents,
        "sections": "\n".join(section(s.key, s.name, s.body) for s in found),
        "style": packaged("page.css"),
        "script": packaged("page.js"),
    }
    text = packaged("page.html")
    for name, value in parts.items():
        text = text.replace(f"<!--{name}-->", value).replace(f"/*{name}*/", value)
    return text


def packaged(name: str) -> str:
    """A file that lies beside this module."""
    return resources.files("nwb_mtm.report").joinpath(name).read_text(encoding="utf-8")
