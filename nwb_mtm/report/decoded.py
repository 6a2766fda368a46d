"""What was decoded: how well, from which region, and how early."""

from collections.abc import Mapping
from typing import Any

from nwb_mtm.report import charts, maps
from nwb_mtm.report.activity import MOST_DRAWN
from nwb_mtm.report.charts import Row
from nwb_mtm.report.figures import Trace
from nwb_mtm.report.html import choices, drawing, lines
from nwb_mtm.report.material import Material, mapping, number, numbers, value
from nwb_mtm.report.sections import Section
from nwb_mtm.report.words import FEATURES, METRICS


def decoding(run: Material) -> Section:
    """What can be decoded from the predictions, beside the clock and raw counts."""
    parts = []
    for key, session in run.scores.sessions.items():
        targets = dict(decoded_targets(session.decoding))
        traces = {trace.name: trace for trace in run.figures[key].traces} if key in run.figures else {}
        shown = [(_short(n), _target(n, f, traces.get(n))) for n, f in targets.items() if mapping(f, "features")]
        left = [f"{_short(str(name))}: {why}" for name, why in session.decoding.get("not_decoded") or ()]
        body = (choices("target", shown) if shown else "") + _remarks(targets, left)
        if body:
            parts.append((key, body))
    return Section("decoding", "Decoding", choices("session", parts[:MOST_DRAWN]) if parts else "")


DECODING = (
    "How well behaviour can be read from activity, with 95 % intervals. “The clock” knows only the time in the "
    "session and in the trial, and the labels before: what it reaches is no achievement of the activity. “Counts” "
    "are the recorded spikes themselves, without a model. In a confusion table, rows are what happened, columns "
    "what was decoded. Where a label is read before its event, look for the movement or the cue that gave it away. A "
    "decoded curve comes from the model’s latents, each stretch by a decoder that was fitted on the others."
)


def _target(name: str, found: Mapping[str, Any], trace: Trace | None) -> str:
    """All about one target: how well, which mistakes, when, and from which region."""
    panels = [_decoded(name, found), _confusion(name, found), _sliding(name, found), _by_region(name, found)]
    panels += [charts.trace_panel(trace)] if trace else []
    return drawing(f"decoding-{_short(name)}", [panel for panel in panels if panel], DECODING)


def decoded_targets(found: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Every decoded target, whether they are listed flat or by kind."""
    targets: list[tuple[str, Mapping[str, Any]]] = []
    for name, one in found.items():
        if not isinstance(one, Mapping):
            continue
        if "features" in one or "status" in one:
            targets.append((name, one))
        else:
            targets += decoded_targets(one)
    return targets


def _decoded(name: str, found: Mapping[str, Any]) -> str:
    metric = "balanced_accuracy" if "classes" in found else "r2"
    features = mapping(found, "features")
    order = sorted(features, key=lambda f: (f in ("counts", "clock"), f == "clock", f))
    kinds = {f: "blind" if f == "clock" else "seeing" if f == "counts" else "model" for f in order}
    rows = [Row(FEATURES.get(f, f), value(mapping(features[f], metric)), kinds[f]) for f in order]
    classes = found.get("classes") or ()
    note = f"{len(classes)} classes; the line is at chance, {1 / len(classes):.2f}" if classes else ""
    return charts.dot_rows(rows, _short(name), note, METRICS[metric], origin=1 / len(classes) if classes else 0.0)


def _confusion(name: str, found: Mapping[str, Any]) -> str:
    classes = [str(c) for c in found.get("classes") or ()]
    features = mapping(found, "features")
    best = next((f for f in ("rates", "latents", "counts") if f in features), None)
    matrix = features[best].get("confusion") if best else None
    if not classes or not matrix or len(matrix) != len(classes):
        return ""
    rows = [numbers(row) for row in matrix]
    note = f"from {FEATURES.get(best, best)}; rows happened, columns decoded" if best else ""
    return maps.square(f"{_short(name)}: confusion", note, (classes, classes), rows, digits=0)


def _sliding(name: str, found: Mapping[str, Any]) -> str:
    """How early a label can be read: decoding from a short stretch that ends at each time."""
    held = {f: s for f, s in mapping(found, "sliding").items() if isinstance(s, Mapping) and s.get("time")}
    lines_ = {
        FEATURES.get(f, f): (numbers(s["time"]), [value(v).value for v in s.get("auc") or ()])
        for f, s in sorted(held.items(), key=lambda pair: pair[0] == "counts")
    }
    if not lines_:
        return ""
    width = number(next(iter(held.values())).get("width"))
    events = {n: number(e.get("time")) for n, e in mapping(found, "events").items() if isinstance(e, Mapping)}
    note = f"from {width * 1000:.0f} ms that end at each time; nothing later is used"
    clock = "seconds from the event"
    return charts.curves(f"{_short(name)}: when", note, "AUC", clock, lines_, events=_named(events), level=0.5)


def _named(events: Mapping[str, float]) -> dict[str, float]:
    return {_short(name).removesuffix(" time"): time for name, time in events.items()}


def _by_region(name: str, found: Mapping[str, Any]) -> str:
    """The same decoding from the units of one region at a time."""
    metric = "balanced_accuracy" if "classes" in found else "r2"
    rows = []
    for region, features in mapping(found, "regions").items():
        best = next((f for f in ("rates", "latents", "counts") if f in features), None)
        if best:
            rows.append(Row(region, value(mapping(features[best], metric)), "plain"))
    if not rows:
        return ""
    rows.sort(key=lambda row: -charts.nan_last(row.found.value))
    classes = found.get("classes") or ()
    origin = 1 / len(classes) if classes else 0.0
    return charts.dot_rows(rows, f"{_short(name)}: by region", "one region at a time", METRICS[metric], origin=origin)


def _remarks(targets: Mapping[str, Mapping[str, Any]], left: list[str]) -> str:
    said = left + [
        f"{_short(n)}: {f['status']}." for n, f in targets.items() if f.get("status") not in (None, "tested")
    ]
    said += [f"{_short(n)}: {w}" for n, f in targets.items() for w in f.get("warnings") or ()]
    return f"<h3>Remarks</h3>{lines(said[:20])}" if said else ""


def _short(name: str) -> str:
    return name.rsplit("/", 1)[-1].replace("_", " ")
