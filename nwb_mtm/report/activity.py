"""The sections that show activity: rasters, single trials, PSTHs, decoding, the map of regions, and the sources."""

from collections.abc import Mapping
from html import escape
from typing import Any

from nwb_mtm.report import charts, maps
from nwb_mtm.report.charts import Row
from nwb_mtm.report.figures import Figures
from nwb_mtm.report.html import choices, drawing, folded, lines, table
from nwb_mtm.report.material import Material, mapping, numbers, span
from nwb_mtm.report.sections import Section
from nwb_mtm.report.words import ordered

MOST_DRAWN = 12  # sessions with pictures of activity


def drawn(run: Material) -> list[Figures]:
    """The sessions whose activity is shown."""
    return list(run.figures.values())[:MOST_DRAWN]


def rasters(run: Material) -> Section:
    """True, predicted and baseline activity of every unit, by region."""
    by_session = [(one.session, choices("score", _rasters(one))) for one in drawn(run) if len(one.units)]
    if not by_session:
        return Section("rasters", "Activity", "")
    more = len(run.figures) - len(by_session)
    tail = f"<p>{more} more sessions are not drawn; their numbers are in scores.json.</p>" if more > 0 else ""
    return Section("rasters", "Activity, region by region", choices("session", by_session) + tail)


def _rasters(one: Figures) -> list[tuple[str, str]]:
    shown = [s for s in ordered(one.predicted) if s != "forward"] or list(one.predicted)
    what = f"mean over {one.windows} test windows" if one.averaged else "one stretch of test time"
    caption = (
        f"One row for each unit, one column for each moment; darker means nearer to the unit’s own peak ({what}, the same "
        "shades and the same light smoothing in all maps). Within a region, units that rise and fall together are "
        "neighbours: the order comes from clustering training windows, so any likeness between the maps was not arranged. "
        "Compare the three: what the baseline already shows needs no model."
    )
    return [
        (score, drawing(f"raster-{score}", maps.raster_panels(one, score), caption, kind="thirds"))
        for score in shown
    ]


def examples(run: Material) -> Section:
    """Single test windows with the block that was hidden."""
    parts = []
    for one in drawn(run)[:4]:
        found = {e.score: e for e in one.examples}
        bodies = [
            (
                s,
                drawing(
                    f"trial-{s}",
                    maps.example_panels(found[s], one),
                    _example_caption(found[s].what),
                    kind="thirds",
                ),
            )
            for s in ordered(found)
        ]
        if bodies:
            parts.append((one.session, choices("score", bodies)))
    return Section("trials", "Single windows", choices("session", parts) if parts else "")


def _example_caption(what: str) -> str:
    return (
        f"One test window, taken because its number of spikes is the median, not because it went well. Hidden: {what} "
        "(outlined; hatched where nothing is drawn). Left, what the model was shown; middle, the spikes behind the cover; "
        "right, how many spikes it expected there. Spikes come by chance: even perfect rates cannot say in which bin each "
        "one falls, only where they are dense."
    )


def psths(run: Material) -> Section:
    """Best, median and worst unit, by condition."""
    parts = []
    for one in drawn(run):
        panels = [charts.psth_panel(p, one.start, one.bin_size) for p in one.psths]
        by = (
            f"Colours are classes of “{one.condition}”, with the number of test windows. "
            if one.condition
            else ""
        )
        caption = (
            f"{by}Thin lines with bands: recorded mean rate and its standard error; thick lines: predicted while the unit was "
            "hidden. The three units are the best, the middle and the worst by their score on validation time, so that "
            "the best was not picked for what is shown here."
        )
        if panels:
            parts.append((one.session, drawing("psth", panels, caption, kind="thirds")))
    return Section("psths", "Three units", choices("session", parts) if parts else "")


def decoding(run: Material) -> Section:
    """What can be decoded from the predictions, beside the clock and raw counts."""
    parts = []
    for key, entry in run.sessions.items():
        targets = {k: v for k, v in mapping(entry, "decoding").items() if isinstance(v, Mapping)}
        panels = [_decoded(name, found) for name, found in targets.items()]
        panels += [_confusion(name, found) for name, found in targets.items() if found.get("confusion")]
        if key in run.figures:
            panels += [charts.trace_panel(trace) for trace in run.figures[key].traces]
        if panels:
            parts.append((key, drawing("decoding", panels, DECODING)))
    return Section("decoding", "Decoding", choices("session", parts[:MOST_DRAWN]) if parts else "")


DECODING = (
    "How well what the animal did can be read from the model’s predictions, with 95 % intervals. “The clock” knows only the "
    "time and the labels before; what it reaches is no achievement of the activity. “Counts” reads the recorded "
    "spikes themselves. In a confusion table, rows are what happened, columns what was decoded."
)


def _decoded(name: str, found: Mapping[str, Any]) -> str:
    rows = [Row("the model", span(found, "model"), "model")]
    rows += [
        Row({"clock": "the clock"}.get(b, b), span(found, "baselines", b), "blind")
        for b in mapping(found, "baselines")
    ]
    metric = str(found.get("metric") or "score")
    chance = found.get("chance")
    note = f"chance is {chance:g}" if isinstance(chance, int | float) else ""
    return charts.dot_rows(rows, name.rsplit("/", 1)[-1].replace("_", " "), note, metric)


def _confusion(name: str, found: Mapping[str, Any]) -> str:
    held = found["confusion"]
    classes = [
        str(c) for c in (held.get("classes") if isinstance(held, Mapping) else found.get("classes")) or ()
    ]
    matrix = held.get("matrix") if isinstance(held, Mapping) else held
    values = [numbers(row) for row in matrix or ()]
    return maps.square(
        f"{name}: confusion", "rows happened, columns decoded", classes, classes, values, digits=0
    )


def region_map(run: Material) -> Section:
    """Which region's activity predicts which."""
    parts = []
    for key, entry in run.sessions.items():
        found = mapping(mapping(entry, "regions"), "map")
        names = [str(n) for n in found.get("regions") or ()]
        values = [numbers(row) for row in found.get("value") or found.get("values") or ()]
        if names and len(values) == len(names):
            title = "From row to column"
            panel = maps.square(
                title, "bits per spike of the column from the row alone", names, names, values, digits=2
            )
            parts.append((key, drawing("map", [panel], MAP)))
    return Section("map", "Who predicts whom", choices("session", parts[:MOST_DRAWN]) if parts else "")


MAP = (
    "How much of a column’s activity can be told from the row’s activity alone. This is no wiring diagram: shared input, "
    "movement or noise suffice for two regions to predict each other, and a stronger field in one direction does not make "
    "it the cause. Compare fields within a column only."
)


def making(run: Material) -> Section:
    """How the page came about, and how to cite."""
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    protocol = mapping(run.scores, "protocol")
    rows = [[escape(str(k).replace("_", " ")), escape(_plain(v))] for k, v in protocol.items()]
    command = (
        f'<pre tabindex="0" aria-label="command"><code>{escape(run.command)}</code></pre>'
        if run.command
        else ""
    )
    body = f"<p>This command made the run:</p>{command}" if command else ""
    body += f"<p>With {escape(versions)}.</p>" if versions else ""
    body += table(["", ""], rows, "Protocol of the scores") if rows else ""
    body += (
        folded(
            "All settings", f'<pre tabindex="0" aria-label="settings"><code>{escape(run.config)}</code></pre>'
        )
        if run.config
        else ""
    )
    return Section("making", "How it was made", body)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(v) for v in value)
    return "–" if value is None else str(value)


PAPER = (
    "Zhang, Y., Wang, Y., Jiménez-Benetó, D., Wang, Z., Azabou, M., Richards, B., Winter, O., International Brain "
    "Laboratory, Dyer, E., Paninski, L. and Hurwitz, C. (2024). Towards a “universal translator” for neural dynamics at "
    "single-cell, single-spike resolution. NeurIPS 2024, arXiv:2407.14668."
)


def sources(run: Material) -> Section:
    """Every source with its DOI and licence, and what to cite."""
    rows = [
        [
            escape(str(s.get("name"))),
            escape(_dandiset(s)),
            _doi(str(s.get("doi") or "")),
            escape(licence(str(s.get("licence") or ""))),
        ]
        for s in run.sources
    ]
    found = (
        table(["file", "dandiset", "DOI", "licence"], rows, "Sources")
        if rows
        else "<p>The run names no sources.</p>"
    )
    dois = sorted({str(s["doi"]) for s in run.sources if s.get("doi")})
    cite = [
        f"The recordings: {', '.join(dois)}." if dois else "The recordings, as their authors ask.",
        f"The method: {PAPER}",
    ]
    cite.append(
        f"The software: nwb-mtm, version {run.versions.get('nwb-mtm', 'as above')} (CITATION.cff in its repository)."
    )
    return Section("sources", "Sources and citation", found + "<h3>How to cite</h3>" + lines(cite))


def _dandiset(source: Mapping[str, Any]) -> str:
    return " ".join(str(source[k]) for k in ("dandiset", "version") if source.get(k)) or "–"


def _doi(doi: str) -> str:
    bare = doi.removeprefix("https://doi.org/")
    return f'<a href="https://doi.org/{escape(bare)}">{escape(bare)}</a>' if bare else "–"


def licence(code: str) -> str:
    """A licence without the prefix of its register.

    >>> licence("spdx:CC-BY-4.0")
    'CC-BY-4.0'
    """
    return code.removeprefix("spdx:") or "not stated"
