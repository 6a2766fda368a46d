"""The sections that say what was found: answers, checks, scores, units and regions."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from nwb_mtm.intervals import Value
from nwb_mtm.report import charts, svg, words
from nwb_mtm.report.beside import beside
from nwb_mtm.report.charts import Row
from nwb_mtm.report.html import drawing, lines, table
from nwb_mtm.report.material import Material, Overall, known
from nwb_mtm.report.words import figure, interval, ordered, signed
from nwb_mtm.scores import NOTHING

MOST_BARS = 24
MOST_SESSIONS = 30  # in a chart; tables hold all


@dataclass(frozen=True)
class Section:
    """A part of the page with the name it has in the contents."""

    key: str
    name: str
    body: str


def answers(run: Material) -> Section:
    """One line for each question, in words, with the gain's interval."""
    found = [words.answer(score, run.overall[score]) for score in ordered(run.overall)]
    ends = [v for a in found for v in (a.gain.low, a.gain.high) if math.isfinite(v)]
    scale = svg.spanning(ends, 8, 192, zero=True, room=0.1)
    items = "".join(_answer(one, scale) for one in found)
    note = (
        "The small charts share one axis: a dot right of the line at zero is a gain. Lines are 95 % intervals, given "
        "these units and this training; how another training would have gone they do not know."
    )
    if not items:
        return Section("answers", "Answers", "<p>Nothing was scored.</p>")
    return Section("answers", "Answers", f'<ol class="answers">{items}</ol><p class="aside">{note}</p>')


def _answer(one: words.Answer, scale: svg.Scale) -> str:
    kind = one.verdict.replace(" ", "-")
    return (
        f'<li class="answer {kind}"><p class="scheme">{escape(one.score)}</p><div>'
        f'<p class="question">{escape(one.question)}</p>'
        f'<p class="verdict"><span class="sign" aria-hidden="true">{words.MARKS.get(one.verdict, "–")}</span> '
        f"{words.VERDICTS.get(one.verdict, one.verdict)}.</p>"
        f'<p class="told">{escape(one.sentence)}</p></div>{charts.gain_mark(one.gain, scale, kind)}</li>'
    )


STATUS = {"fail": ("✕", "failed"), "warn": ("!", "to look at"), "pass": ("✓", "passed")}


def checks(run: Material) -> Section:
    """What failed first, then what to look at, then what passed."""
    found = sorted(run.scores.checks, key=lambda c: list(STATUS).index(c.status) if c.status in STATUS else 1)
    items = []
    for check in found:
        sign, word = STATUS.get(check.status, ("!", check.status))
        name = check.name.replace("_", " ").replace("-", " ")
        items.append(
            f'<li class="check {escape(check.status)}"><span class="sign" aria-hidden="true">{sign}</span>'
            f'<span class="said"><b>{escape(name)}</b> <span class="status">{word}</span><br>'
            f"{escape(check.message)}</span></li>"
        )
    counted = [(word, sum(c.status == key for c in found)) for key, (_, word) in STATUS.items()]
    tally = ", ".join(f"{number} {word}" for word, number in counted if number)
    if not items:
        return Section("checks", "Checks", "<p>No checks were run.</p>")
    lead = f'<p class="lead">What could make these numbers wrong was looked for: {tally}.</p>'
    passed = sum(check.status == "pass" for check in found)
    loud, quiet = "".join(items[: len(items) - passed]), "".join(items[len(items) - passed :])
    loud = f'<ul class="checks">{loud}</ul>' if loud else ""
    quiet = f'<ul class="checks quiet">{quiet}</ul>' if quiet else ""
    return Section("checks", "Checks", lead + loud + quiet)


SCORES_CAPTION = (
    "How well hidden spikes were predicted. Zero is a unit’s own mean rate; further right is better. Lines are 95 % "
    "intervals over blocks of test windows. Baselines with a full dot see nothing of the moment they predict; those "
    "with an open dot see the other units, as the model does. Guarded: units near by, or flagged as sharing spikes, "
    "are hidden with the target. A diamond, where there is one, stands for the true "
    "rates of a simulation: nothing can be expected to lie beyond it."
)


def scores(run: Material) -> Section:
    """Model beside baselines and oracle, and the numbers."""
    if not run.overall:
        return Section("scores", "Scores", "")
    panels = [charts.score_panel(name, run.overall[name]) for name in ordered(run.overall)]
    said = list(dict.fromkeys(n for s in run.scores.sessions.values() for a in s.scores.values() for n in a.notes))
    remarks = "<h3>Remarks</h3>" + lines(said[:20]) if said else ""
    body = drawing("scores", panels, SCORES_CAPTION) + numbers_table(run) + forest(run) + beside(run) + remarks
    return Section("scores", "Scores", body)


def numbers_table(run: Material) -> str:
    """One column for each score; the gain first, the published mean in its own row."""
    names = ordered(run.overall)
    found = [run.overall[n] for n in names]
    rows = [
        [
            "Gain over the best baseline<small>one that sees nothing of the moment it predicts</small>",
            *(_cell(o.gain, signed) for o in found),
        ]
    ]
    for key, (label, note) in words.TOTALS.items():
        cells = [_cell(getattr(o.model, key) if o.model else NOTHING, figure) for o in found]
        rows.append([f"{label}<small>{escape(note)}</small>", *cells])
    if any(o.guarded for o in found):
        rows.append([f"Guarded, pooled<small>{words.GUARDED}</small>", *(_guarded(o) for o in found)])
    rows.append(["Units scored", *(f"{o.model.units:,}" if o.model else "–" for o in found)])
    return table(["", *names], rows, "The numbers", kind="numbers")


def _guarded(found: Overall) -> str:
    return _cell(found.guarded["model"].bps_pooled, figure) if "model" in found.guarded else "–"


def _cell(found: Value, shown: Callable[[float], str]) -> str:
    if not known(found):
        return "–"
    return f"{shown(found.value)}<small>{interval(found)}</small>"


def forest(run: Material) -> str:
    """The gain of every session, when there are several."""
    if len(run.scores.sessions) < 2:
        return ""
    panels = []
    for name in ordered(run.overall):
        found = [(k, s.scores[name].gain) for k, s in run.scores.sessions.items() if name in s.scores]
        rows = [Row("all sessions", run.overall[name].gain, "model")]
        rows += [Row(key, gain, "session") for key, gain in found[:MOST_SESSIONS]]
        subjects = len({s.subject for s in run.scores.sessions.values() if s.subject})
        note = words.count(len(found), "session") + (f" of {words.count(subjects, 'subject')}" if subjects else "")
        panels.append(charts.dot_rows(rows, name, note, "gain in bits per spike"))
    caption = (
        "The gain over the best baseline that sees no simultaneous activity, session by session. The first line is "
        "the mean; for its interval, subjects are drawn anew, and sessions within them."
    )
    if len(run.scores.sessions) > MOST_SESSIONS:
        caption += f" {MOST_SESSIONS} of {len(run.scores.sessions)} sessions are drawn; scores.json holds all."
    return "<h3>Session by session</h3>" + drawing("sessions", panels, caption)


def units(run: Material) -> Section:
    """Scores of single units against their firing rates."""
    panels = []
    for name in ordered(run.overall):
        rates: list[float] = []
        found: list[float] = []
        who: list[str] = []
        for session in run.scores.sessions.values():
            activity = session.scores.get(name)
            if activity is None or activity.model is None or "rate" not in session.units:
                continue
            rates += [float(r) if r is not None else math.nan for r in session.units["rate"]]
            found += activity.model.per_unit.bps
            who += [f"{key} ({region})" for key, region in zip(session.units["key"], session.units["region"])]
        if found:
            panels.append(charts.scatter(name, rates, found, who))
    caption = (
        "Each dot is a unit; the line is the running median. Bits per spike of quiet units scatter widely, up and "
        "down, because few spikes were there to predict: judge them together, not one by one. Dots beyond the "
        "frame sit on its edge."
    )
    return Section("units", "Unit by unit", drawing("units", panels, caption))


def regions(run: Material) -> Section:
    """Scores by region, over all sessions that hold it."""
    panels = []
    for name in ordered(run.overall):
        found = region_rows(run, name)
        if found:
            panels.append(charts.dot_rows(found, name, words.count(len(found), "region"), "bits per spike, pooled"))
    caption = (
        "The same scores, region by region. With several sessions: the mean over those that hold the region (how many "
        "is in brackets), and a small dot for each. Only regions with enough units are listed. Regions differ in how "
        "many units and spikes they have: a score further right need not mean a region that is easier to tell."
    )
    return Section("by-region", "Region by region", drawing("by-region", panels, caption))


def region_rows(run: Material, score: str) -> list[Row]:
    """One line for each region, best first."""
    found: dict[str, list[Value]] = {}
    for session in run.scores.sessions.values():
        activity = session.scores.get(score)
        for region, scored in (activity.model.per_region if activity and activity.model else {}).items():
            if known(scored.bps_pooled):
                found.setdefault(region, []).append(scored.bps_pooled)
    rows = [_region_row(region, values) for region, values in found.items()]
    return sorted(rows, key=lambda row: -row.found.value)[:MOST_BARS]


def _region_row(region: str, values: list[Value]) -> Row:
    """The only session's value, or the mean with a dot for every session."""
    if len(values) == 1:
        return Row(region, values[0], "plain")
    mean = Value(sum(v.value for v in values) / len(values))
    return Row(f"{region} ({len(values)})", mean, "plain", parts=tuple(v.value for v in values))
