"""What stands beside the four scores: horizons, classes of trials, neighbours left out, flagged pairs."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from nwb_mtm.report import charts, words
from nwb_mtm.report.charts import Row
from nwb_mtm.report.html import choices, drawing, table
from nwb_mtm.report.material import Material, mapping, number, value
from nwb_mtm.report.words import baseline_label, ordered
from nwb_mtm.scores import SessionScores

MOST_PAIRS = 20
MOST_SESSIONS = 12
PREDICTORS = ("model", "drift", "smoothing", "ridge", "constant", "oracle")


def beside(run: Material) -> str:
    """All that was asked for beside the scores, session by session."""
    shown = []
    for key, session in list(run.scores.sessions.items())[:MOST_SESSIONS]:
        pair = [part for part in (horizons(session), neighbours(session)) if part]
        body = f'<div class="pair">{"".join(f"<div>{part}</div>" for part in pair)}</div>' if pair else ""
        body += classes(session) + pairs(session)
        if body:
            shown.append((key, body))
    return choices("session", shown) if shown else ""


def horizons(session: SessionScores) -> str:
    """Forward by how far ahead, beside the baselines."""
    forward = session.scores.get("forward")
    rows: Sequence[Mapping[str, Any]] = (forward.extra.get("curve") or ()) if forward else ()
    if len(rows) < 2:
        return ""
    ahead = [number(row.get("horizon")) * 1000 for row in rows]
    found = [name for name in PREDICTORS if any(name in row for row in rows)]
    lines = {_name(n): (ahead, [value(row.get(n)).value for row in rows]) for n in found}
    panel = charts.curves("Forward, by horizon", "from rolling origins", "bits per spike", "milliseconds ahead", lines)
    caption = (
        "How well the spikes up to each horizon are told from what came before, from several starting points in the "
        "window. The forward score above looks at the end of the window only."
    )
    return "<h3>How far ahead</h3>" + drawing("horizons", [panel], caption)


def _name(predictor: str) -> str:
    return {"model": "the model", "oracle": "true rates"}.get(predictor, baseline_label(predictor))


def classes(session: SessionScores) -> str:
    """The gain within every class of the trial columns asked for."""
    columns: dict[str, list[str]] = {}
    for score in ordered(session.scores):
        for column, found in mapping(session.scores[score].extra, "by").items():
            entries = {str(n): e for n, e in mapping(found, "classes").items() if isinstance(e, Mapping)}
            rows = [Row(f"{n} ({e.get('windows')})", value(e.get("gain")), "plain") for n, e in entries.items()]
            panel = charts.dot_rows(rows, score, words.HIDDEN.get(score, ""), "gain in bits per spike")
            columns.setdefault(column, []).append(panel)
    caption = (
        "The gain over the best baseline in the test windows of each class, with their number in brackets. Paired "
        "differences between classes are in scores.json."
    )
    return "".join(f"<h3>By {escape(c)}</h3>{drawing(f'by-{c}', panels, caption)}" for c, panels in columns.items())


def neighbours(session: SessionScores) -> str:
    """Score when neighbours are hidden too."""
    score = session.scores.get("co-smoothing")
    rows: Sequence[Mapping[str, Any]] = (score.extra.get("distance") or ()) if score else ()
    if len(rows) < 2:
        return ""
    line = ([number(r.get("radius")) for r in rows], [number(r.get("bps_pooled")) for r in rows])
    note = "all units within a radius hidden too"
    panel = charts.curves("Without neighbours", note, "bits per spike", "micrometres", {"ridge": line})
    caption = (
        "Co-smoothing by ridge regression when neighbours are hidden with the target. A steep fall at the left says "
        "that units near by carried the score: they may be one neuron cut in two, or share each other’s spikes."
    )
    return "<h3>Neighbours</h3>" + drawing("neighbours", [panel], caption)


def pairs(session: SessionScores) -> str:
    """Flagged pairs of units."""
    found = [p for p in session.guards.get("pairs") or () if isinstance(p, Mapping)]
    rows = [
        [" and ".join(map(str, p.get("units") or ())), str(p.get("reason")), _excess(p)] for p in found[:MOST_PAIRS]
    ]
    more = f"<p>{len(found) - MOST_PAIRS} more are in scores.json.</p>" if len(found) > MOST_PAIRS else ""
    cells = [[escape(cell) for cell in row] for row in rows]
    return table(["units", "because", "excess"], cells, "Flagged pairs", kind="words") + more if rows else ""


def _excess(pair: Mapping[str, Any]) -> str:
    excess = number(pair.get("excess"))
    return f"{excess:.3g}" if math.isfinite(excess) else "–"
