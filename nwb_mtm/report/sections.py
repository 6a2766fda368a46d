"""The sections of a run's page, from the answers down to the sources."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from nwb_mtm.report import charts, words
from nwb_mtm.report.charts import Row
from nwb_mtm.report.html import drawing, lines, section, table
from nwb_mtm.report.material import MISSING, Material, mapping, number, numbers, span
from nwb_mtm.report.words import figure, interval, ordered, signed

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
    scale = charts.svg.spanning(ends, 8, 192, zero=True, room=0.1)
    items = []
    for a in found:
        kind = a.verdict.replace(" ", "-")
        items.append(
            f'<li class="answer {kind}"><p class="question">{escape(a.question)} <span class="scheme">{escape(a.score)}</span></p>'
            f'<p class="verdict"><span class="sign" aria-hidden="true">{words.MARKS[a.verdict]}</span> '
            f"{words.VERDICTS[a.verdict]}.</p>"
            f'<p class="told">{escape(a.sentence)}</p>{charts.gain_mark(a.gain, scale, kind)}</li>'
        )
    note = (
        "The little charts share one axis: a dot right of the line at zero is a gain. The interval holds the gain with "
        "95 % confidence, given these units and this training; it does not know how another training would have gone."
    )
    return Section(
        "answers", "Answers", f'<ol class="answers">{"".join(items)}</ol><p class="aside">{note}</p>'
    )


STATUS = {"fail": ("✕", "failed"), "warn": ("!", "look"), "pass": ("✓", "passed")}


def checks(run: Material) -> Section:
    """What failed first, then what to look at, then what passed."""
    found = sorted(run.scores.get("checks") or [], key=lambda c: list(STATUS).index(c.get("status", "warn")))
    items = []
    for check in found:
        sign, word = STATUS[check.get("status", "warn")]
        items.append(
            f'<li class="check {check.get("status")}"><span class="sign" aria-hidden="true">{sign}</span>'
            f'<span class="said"><b>{escape(str(check.get("name")))}</b> <span class="status">{word}</span><br>'
            f"{escape(str(check.get('message', '')))}</span></li>"
        )
    tally = ", ".join(
        f"{n} {word}"
        for key, (_, word) in STATUS.items()
        if (n := sum(c.get("status") == key for c in found))
    )
    body = (
        f'<p class="lead">{tally}.</p><ul class="checks">{"".join(items)}</ul>'
        if items
        else "<p>No checks were run.</p>"
    )
    return Section("checks", "Checks", body)


def scores(run: Material) -> Section:
    """Model beside baselines and oracle, and the numbers."""
    panels = [charts.score_panel(name, run.overall[name]) for name in ordered(run.overall)]
    caption = (
        "How well hidden spikes were predicted. Zero is a unit’s own mean rate; further right is better. Lines are 95 % "
        "intervals over blocks of test windows. Baselines in orange see nothing of the moment they predict; those in "
        "hollow orange see the other units, as the model does. A grey diamond, where there is one, marks the true rates "
        "of a simulation: nothing can be expected to lie beyond it."
    )
    body = drawing("scores", panels, caption) + numbers_table(run) + forest(run)
    return Section("scores", "Scores", body)


def numbers_table(run: Material) -> str:
    """One column for each score; the gain first, the published mean in its own row."""
    names = ordered(run.overall)
    rows = [
        ["Gain over the best blind baseline", *(_cell(span(run.overall[n], "gain"), signed) for n in names)]
    ]
    for key, (label, note) in words.TOTALS.items():
        cells = [_cell(span(run.overall[n], "model", key), figure) for n in names]
        rows.append([f"{label}<small>{escape(note)}</small>", *cells])
    units = [run.overall[n].get("model", {}).get("units") for n in names]
    rows.append(["Units scored", *(f"{u:,}" if isinstance(u, int) else "–" for u in units)])
    return table(["", *names], rows, "The numbers", kind="numbers")


def _cell(found: Any, shown: Callable[[float], str]) -> str:
    if not found:
        return "–"
    return f"{shown(found.value)}<small>{interval(found)}</small>"


def forest(run: Material) -> str:
    """The gain of every session, when there are several."""
    if len(run.sessions) < 2:
        return ""
    panels = []
    for name in ordered(run.overall):
        found = [(key, span(mapping(s, "scores"), name, "gain")) for key, s in run.sessions.items()]
        rows = [Row("all sessions", span(run.overall[name], "gain"), "model")]
        rows += [Row(key, gain, "session") for key, gain in found[:MOST_SESSIONS]]
        panels.append(charts.dot_rows(rows, name, f"{len(found)} sessions", "gain in bits per spike"))
    caption = (
        "The gain over the best baseline that sees no simultaneous activity, session by session; the first line is the "
        "mean, with sessions (and subjects, where there are several) drawn anew for its interval."
    )
    if len(run.sessions) > MOST_SESSIONS:
        caption += (
            f" The first {MOST_SESSIONS} of {len(run.sessions)} sessions are drawn; scores.json holds all."
        )
    return "<h3>Session by session</h3>" + drawing("sessions", panels, caption)


def reading(run: Material) -> Section:
    """Sessions, units per region, and what was left out and why."""
    rows = []
    for source in run.sources:
        windows = source.get("windows") or {}
        parts = [f"{windows.get(k, 0):,}" for k in ("train", "valid", "test")]
        rows.append(
            [
                escape(str(source.get("key"))),
                escape(str(source.get("species") or "–")),
                f"{source.get('units', 0):,}",
                *parts,
            ]
        )
    sessions = table(
        ["session", "species", "units", "train", "valid", "test"], rows, "Sessions, and windows of each part"
    )
    regions: dict[str, int] = {}
    for source in run.sources:
        for name, units in (source.get("regions") or {}).items():
            regions[name] = regions.get(name, 0) + int(units)
    ordered_regions = dict(sorted(regions.items(), key=lambda pair: (pair[0] == "unknown", -pair[1])))
    shown = dict(list(ordered_regions.items())[:MOST_BARS])
    note = words.count(sum(regions.values()), "unit") + " in " + words.count(len(regions), "region")
    figure_ = drawing(
        "regions",
        [charts.bars("Units per region", note, shown, "units")] if regions else [],
        "Which regions the units were recorded in, as the files name them. A region needs enough units before it can "
        "be hidden and scored as one.",
    )
    return Section(
        "reading",
        "What was read",
        sessions + f'<div class="pair">{figure_}{left_out(run)}</div>' + notes(run),
    )


def left_out(run: Material) -> str:
    """What was not used, and why, summed over sessions."""
    totals: dict[tuple[str, str], int] = {}
    for source in run.sources:
        for item in source.get("left_out") or ():
            key = (str(item.get("what")), str(item.get("why")).replace("_", " "))
            totals[key] = totals.get(key, 0) + int(item.get("count") or 0)
        for part, why in (
            ("dropped", "touch two parts of the split"),
            ("left_out", "not observed, or without an event time"),
        ):
            missing = int((source.get("windows") or {}).get(part) or 0)
            if missing:
                totals[("windows", why)] = totals.get(("windows", why), 0) + missing
    rows = [
        [f"{n:,}", escape(what), escape(why)]
        for (what, why), n in sorted(totals.items(), key=lambda p: -p[1])
    ]
    return table(["", "what", "why"], rows, "Left out") if rows else "<p>Nothing was left out.</p>"


def notes(run: Material) -> str:
    """Warnings of the reader, once each."""
    found = {
        str(w.get("message") if isinstance(w, Mapping) else w): None
        for s in run.sources
        for w in s.get("warnings") or ()
    }
    return "<h3>Remarks of the reader</h3>" + lines(list(found)) if found else ""


def training(run: Material) -> Section:
    """Loss and validation curves for every scheme."""
    if not run.steps:
        return Section("training", "Training", "<p>The run holds no record of its training.</p>")
    loss = _series(run, "loss", words.SCHEMES)
    valid = _series(run, "valid", {})
    panels = (
        [charts.curves("Loss", "on training windows, smoothed", "nats per bin", "step", loss)] if loss else []
    )
    if valid:
        panels.append(
            charts.curves("Validation", "on windows not trained on", "bits per spike", "step", valid)
        )
    end = run.steps[-1]
    speed = number(end.get("windows_per_s"))
    told = f"{end['step']:,} steps in {_duration(number(end.get('seconds')))}"
    told += f", {speed:,.0f} windows per second." if math.isfinite(speed) else "."
    caption = (
        "A loss that falls shows that the model learns; a validation score that still rises at the right edge asks for "
        "more steps, one that falls says that the model began to learn its training windows by heart. The model kept is "
        "the best on validation windows, not the last."
    )
    return Section("training", "Training", f'<p class="lead">{told}</p>' + drawing("curves", panels, caption))


def _series(run: Material, key: str, names: Mapping[str, str]) -> dict[str, tuple[list[float], list[float]]]:
    found: dict[str, tuple[list[float], list[float]]] = {}
    for entry in run.steps:
        values = entry.get(key)
        for name, value in (values if isinstance(values, Mapping) else {}).items():
            steps, heights = found.setdefault(name.replace("_", "-"), ([], []))
            steps.append(float(entry["step"]))
            heights.append(number(value))
    return {name: _thinned(*line) for name, line in found.items()}


def _thinned(steps: list[float], values: list[float], most: int = 120) -> tuple[list[float], list[float]]:
    """Means of neighbouring points, so that a long training is no heavier than a short one."""
    group = -(-len(steps) // most)
    starts = range(0, len(steps), group)
    mean = [[v for v in values[i : i + group] if math.isfinite(v)] for i in starts]
    return [steps[min(i + group, len(steps)) - 1] for i in starts], [
        sum(m) / len(m) if m else math.nan for m in mean
    ]


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def units(run: Material) -> Section:
    """Scores of single units against their firing rates."""
    panels = []
    for name in ordered(run.overall):
        rates, found, who = [], [], []
        for key, entry in run.sessions.items():
            drawn = run.figures.get(key)
            bps = numbers(
                mapping(mapping(entry, "scores"), name).get("model", {}).get("per_unit", {}).get("bps")
            )
            if drawn is None or len(bps) != len(drawn.every_rate):
                continue
            rates += [float(r) for r in drawn.every_rate]
            found += bps
            who += [f"{u} ({r})" for u, r in zip(drawn.every_unit, drawn.every_region)]
        if found:
            panels.append(charts.scatter(name, rates, found, who))
    caption = (
        "Each dot is a unit; the line is the running median. Bits per spike of quiet units scatter widely, up and down, "
        "because few spikes were there to predict: judge them together, not one by one. Dots beyond the frame sit on "
        "its edge."
    )
    return Section("units", "Unit by unit", drawing("units", panels, caption) if panels else "")


def regions(run: Material) -> Section:
    """Scores by region, over all sessions that hold it."""
    panels = []
    for name in ordered(run.overall):
        found = region_rows(run, name)
        if found:
            panels.append(charts.dot_rows(found, name, "", "bits per spike, pooled"))
    caption = (
        "The same scores, region by region; with several sessions, the mean over those that hold the region. Only regions "
        "with enough units are listed. Regions differ in how many units and spikes they have, so a longer line need not "
        "mean a region that is easier to read."
    )
    return Section("by-region", "Region by region", drawing("by-region", panels, caption) if panels else "")


def region_rows(run: Material, score: str) -> list[Row]:
    """One line for each region, best first."""
    found: dict[str, list[Any]] = {}
    for entry in run.sessions.values():
        for region, scored in region_table(entry).items():
            value = span(mapping(scored, "scores"), score, "bps_pooled") or span(
                mapping(scored, "scores"), score
            )
            if value:
                found.setdefault(region, []).append(value)
    rows = []
    for region, values in found.items():
        mean = sum(v.value for v in values) / len(values)
        one = values[0] if len(values) == 1 else MISSING.__class__(mean, math.nan, math.nan)
        rows.append(Row(region, one, "model"))
    return sorted(rows, key=lambda row: -row.found.value)[:MOST_BARS]


def region_table(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The regions of one session with their scores."""
    found = mapping(entry, "regions")
    return mapping(found, "table") or {
        k: v for k, v in found.items() if isinstance(v, Mapping) and "scores" in v
    }
