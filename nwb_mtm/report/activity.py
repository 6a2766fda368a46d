"""The sections that show activity: rasters, single windows, PSTHs, decoding, and the map of regions."""

import math
from collections.abc import Mapping
from typing import Any

from nwb_mtm.report import charts, maps
from nwb_mtm.report.figures import Figures
from nwb_mtm.report.html import choices, drawing
from nwb_mtm.report.material import Material, mapping, number, numbers
from nwb_mtm.report.sections import Section
from nwb_mtm.report.words import baseline_label, ordered

MOST_DRAWN = 12  # sessions with pictures of activity
MOST_EXAMPLES = 4


def drawn(run: Material) -> list[Figures]:
    """The sessions whose activity is shown."""
    return list(run.figures.values())[:MOST_DRAWN]


def rasters(run: Material) -> Section:
    """True, predicted and baseline activity of every unit, by region."""
    shown = [(one.session, choices("score", _rasters(one))) for one in drawn(run) if one.units and one.predicted]
    more = len(run.figures) - len(shown)
    tail = f"<p>{more} more sessions are not drawn; their numbers are in scores.json.</p>" if more > 0 else ""
    return Section("rasters", "Activity, region by region", choices("session", shown) + tail if shown else "")


def _rasters(one: Figures) -> list[tuple[str, str]]:
    shown = [s for s in ordered(one.predicted) if s != "forward"] or list(one.predicted)
    what = f"mean over {one.windows} test windows" if one.averaged else "one stretch of test time"
    caption = (
        f"One row for each unit, one column for each moment; the stronger the shade, the nearer to the unit’s own "
        f"peak ({what}; the "
        "same shades and the same light smoothing in all maps). Units that rise and fall together are neighbours "
        "within their region: their order comes from clustering training windows, so a likeness between these maps "
        "of test windows was not arranged. What the baseline already shows needs no model."
    )
    return [(score, drawing(f"raster-{score}", _raster_panels(one, score), caption, kind="thirds")) for score in shown]


def _raster_panels(one: Figures, score: str) -> list[str]:
    panels = [maps.raster(one, one.recorded, "Recorded", "test windows")]
    panels.append(maps.raster(one, one.predicted[score], "Predicted", f"{score}: while hidden"))
    if score in one.baselines:
        name = baseline_label(one.baseline_names.get(score, ""))
        panels.append(maps.raster(one, one.baselines[score], "Baseline", name))
    return panels


def examples(run: Material) -> Section:
    """Single test windows with the block that was hidden."""
    parts = []
    for one in drawn(run)[:MOST_EXAMPLES]:
        found = {e.score: e for e in one.examples}
        bodies = [(s, _example_drawing(one, s)) for s in ordered(found)]
        if bodies:
            parts.append((one.session, choices("score", bodies)))
    return Section("trials", "Single windows", choices("session", parts) if parts else "")


def _example_drawing(one: Figures, score: str) -> str:
    example = next(e for e in one.examples if e.score == score)
    caption = (
        f"One test window, taken because its number of spikes is the median, not because it went well. Hidden: "
        f"{example.what}. Left, the whole window with the hidden block framed; then the block alone: the spikes that "
        "were there, and how many the model expected. Spikes come by chance: even true rates cannot say into which "
        "bin each one falls, only where they are dense."
    )
    return drawing(f"window-{score}", maps.example_panels(example, one), caption, kind="thirds")


def psths(run: Material) -> Section:
    """Best, median and worst unit, by condition."""
    parts = []
    for one in drawn(run):
        panels = [charts.psth_panel(p, one.start, one.bin_size) for p in one.psths]
        by = f"Colours are classes of “{one.condition}”, with their number of test windows. " if one.condition else ""
        caption = (
            f"{by}Thin lines with bands: the recorded mean rate and its standard error. Thick lines: predicted "
            "while the unit was hidden. The three are the best, the middle and the worst unit by their score on "
            "validation time, so that none was picked for what is shown here."
        )
        if panels:
            parts.append((one.session, drawing("psth", panels, caption, kind="thirds")))
    return Section("psths", "Three units", choices("session", parts) if parts else "")


MEASURES = {
    "alone": ("Alone", "the column told from the row alone"),
    "left_out": ("Missed", "what is lost without the row, all others shown"),
    "lead": ("Ahead", "what the row adds to the column’s own past and all others"),
}


def region_map(run: Material) -> Section:
    """Which region's activity predicts which."""
    parts = []
    for key, session in run.scores.sessions.items():
        found = mapping(session.regions, "map")
        panels = [p for name in MEASURES if (p := _map_panel(session.regions, found, name))]
        if panels:
            parts.append((key, drawing("map", panels, MAP)))
    return Section("map", "Who predicts whom", choices("session", parts[:MOST_DRAWN]) if parts else "")


def _map_panel(regions: Mapping[str, Any], found: Mapping[str, Any], measure: str) -> str:
    names, values = region_matrix({**found, "values": found.get(measure)})
    if not names:
        return ""
    edges = [e for e in regions.get("edges") or () if isinstance(e, Mapping)]
    sure = {_pair(e) for e in edges if (q := number(mapping(e, measure).get("q"))) < 0.05 and math.isfinite(q)}
    near = {_pair(e) for e in edges if e.get("same_group")}
    most = max(v for row in values for v in row if math.isfinite(v))
    digits = 3 if most < 0.1 and len(names) <= 7 else 2
    return maps.square(*MEASURES[measure], (names, names), values, digits=digits, framed=sure, pale=near)


def _pair(edge: Mapping[str, Any]) -> tuple[str, str]:
    return str(edge.get("source")), str(edge.get("target"))


def region_matrix(found: Mapping[str, Any]) -> tuple[list[str], list[list[float]]]:
    """The names and the square of values, missing ones NaN."""
    names = [str(n) for n in found.get("regions") or ()]
    values = [numbers(row) for row in found.get("values") or ()]
    square = len(values) == len(names) and all(len(row) == len(names) for row in values)
    return (names, values) if square and any(math.isfinite(v) for row in values for v in row) else ([], [])


MAP = (
    "Bits per spike of the column’s region that the recent past of the row’s region adds to trial average and drift. "
    "Framed: above nothing after correction for the number of pairs. Slanted numbers: some units of both lie on one "
    "probe, and may share its movement and noise. This is no wiring diagram: shared input or movement suffice for two "
    "regions to tell of each other, and a stronger field in one direction does not make it the cause. Compare fields "
    "within a column only."
)
