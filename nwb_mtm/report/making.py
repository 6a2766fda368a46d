"""The sections that say how it came about: training, what was read, the command, the sources."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from nwb_mtm.report import charts, words
from nwb_mtm.report.html import drawing, folded, lines, table
from nwb_mtm.report.material import Material, number
from nwb_mtm.report.sections import MOST_BARS, Section

RANK = {"neuron": 0, "co-smoothing": 0, "causal": 1, "forward": 1, "inter-region": 2, "intra-region": 3}
REASONS = {
    "nan_time": "without a time",
    "stop_not_after_start": "end before they start",
    "outside_recording": "outside the recording",
}
PAPER = (
    "Zhang, Y., Wang, Y., Jiménez-Benetó, D., Wang, Z., Azabou, M., Richards, B., Winter, O., International Brain "
    "Laboratory, Dyer, E., Paninski, L. and Hurwitz, C. (2024). Towards a “universal translator” for neural dynamics "
    "at single-cell, single-spike resolution. NeurIPS 2024, arXiv:2407.14668."
)


def training(run: Material) -> Section:
    """Loss and validation curves for every scheme."""
    if not run.steps:
        return Section("training", "Training", "")
    loss, valid = {n: (x, running(y)) for n, (x, y) in series(run, "loss").items()}, series(run, "valid")
    panels = [charts.curves("Loss", "on training windows, running mean", "nats per bin", "step", loss)] if loss else []
    if valid:
        panels.append(charts.curves("Validation", "on windows not trained on", "bits per spike", "step", valid))
    end = run.steps[-1]
    speed = number(end.get("windows_per_s"))
    told = f"{end['step']:,} steps in {_duration(number(end.get('seconds')))}"
    told += f", {speed:,.0f} windows per second." if math.isfinite(speed) else "."
    caption = (
        "A loss that falls shows that the model learns. A validation score that still rises at the right edge asks for "
        "more steps; one that falls says that the model began to learn its training windows by heart. The model kept "
        "is the best on validation windows, not the last."
    )
    return Section("training", "Training", f'<p class="lead">{told}</p>' + drawing("curves", panels, caption))


def series(run: Material, key: str) -> dict[str, tuple[list[float], list[float]]]:
    """Steps and heights of every curve that the log holds under a key."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for entry in run.steps:
        values = entry.get(key)
        for name, height in (values if isinstance(values, Mapping) else {}).items():
            steps, heights = found.setdefault(name.replace("_", "-"), ([], []))
            steps.append(float(entry["step"]))
            heights.append(number(height))
    return {name: _thinned(*found[name]) for name in sorted(found, key=lambda name: RANK.get(name, len(RANK)))}


def _thinned(steps: list[float], values: list[float], most: int = 30) -> tuple[list[float], list[float]]:
    """Means of neighbouring points, so that a long training is no heavier than a short one."""
    group = -(-len(steps) // most)
    starts = range(0, len(steps), group)
    mean = [[v for v in values[i : i + group] if math.isfinite(v)] for i in starts]
    ends = [steps[min(i + group, len(steps)) - 1] for i in starts]
    return ends, [sum(m) / len(m) if m else math.nan for m in mean]


def running(values: Sequence[float], share: float = 0.2) -> list[float]:
    """The mean of each value's neighbourhood, a fifth of the line wide.

    >>> running([1.0, 2.0, 6.0], 1.0)
    [1.5, 3.0, 4.0]
    """
    reach = int(len(values) * share / 2)
    parts = [[v for v in values[max(0, i - reach) : i + reach + 1] if math.isfinite(v)] for i in range(len(values))]
    return [sum(p) / len(p) if p else math.nan for p in parts]


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def reading(run: Material) -> Section:
    """Sessions, units per region, and what was left out and why."""
    rows = []
    for source in run.sources:
        windows = source.get("windows") or {}
        cells = [f"{int(source.get('units') or 0):,}", *(f"{windows.get(k, 0):,}" for k in ("train", "valid", "test"))]
        rows.append([escape(str(source.get("key"))), escape(str(source.get("species") or "–")), *cells])
    head = ["session", "species", "units", "train", "valid", "test"]
    sessions = table(head, rows, "Sessions, and how many windows each part has") if rows else ""
    reasons = list(dict.fromkeys(str(s["reason"]) for s in run.sources if s.get("reason")))
    why = lines(reasons[:6]) if reasons else ""
    body = (
        sessions + why + skipped(run) + f'<div class="pair">{units_per_region(run)}{left_out(run)}</div>' + notes(run)
    )
    return Section("reading", "What was read", body if rows else "")


def skipped(run: Material) -> str:
    """Files that could not be used, and why."""
    rows = [[escape(str(s.get("name"))), escape(str(s.get("message")))] for s in run.skipped]
    return table(["file", "because"], rows, "Files that were skipped", kind="words") if rows else ""


def units_per_region(run: Material) -> str:
    """Bars of units in each region, over all sessions."""
    regions: dict[str, int] = {}
    for source in run.sources:
        for name, units in (source.get("regions") or {}).items():
            regions[name] = regions.get(name, 0) + int(units)
    if not regions:
        return ""
    longest = dict(sorted(regions.items(), key=lambda pair: (pair[0] == "unknown", -pair[1])))
    shown = dict(list(longest.items())[:MOST_BARS])
    note = words.count(sum(regions.values()), "unit") + " in " + words.count(len(regions), "region")
    caption = "Regions as the files name them. A region needs enough units before it can be hidden and scored as one."
    return drawing("regions", [charts.bars("Units per region", note, shown, "units")], caption)


def left_out(run: Material) -> str:
    """What was not used, and why, summed over sessions."""
    totals: dict[tuple[str, str], int] = {}
    windows = (("dropped", "between the parts of the split"), ("left_out", "not observed, or without an event time"))
    for source in run.sources:
        items = [(str(i.get("what")), str(i.get("why")), i.get("count")) for i in source.get("left_out") or ()]
        if not any(what.startswith("window") for what, _, _ in items):
            items += [("windows", why, (source.get("windows") or {}).get(part)) for part, why in windows]
        for what, why, number_ in items:
            key = (what, REASONS.get(why, why.replace("_", " ")))
            totals[key] = totals.get(key, 0) + int(number_ or 0)
    found = [(n, what, why) for (what, why), n in sorted(totals.items(), key=lambda pair: -pair[1]) if n]
    if not found:
        return "<p>Nothing was left out.</p>"
    rows = [[f"{n:,} {escape(what)}", escape(why)] for n, what, why in found]
    return table(["left out", "because"], rows, "Left out, and why", kind="words")


def notes(run: Material) -> str:
    """Warnings of the reader, once each."""
    said = [w.get("message") if isinstance(w, Mapping) else w for s in run.sources for w in s.get("warnings") or ()]
    found = list(dict.fromkeys(str(one) for one in said))
    return "<h3>Remarks of the reader</h3>" + lines(found) if found else ""


def making(run: Material) -> Section:
    """How the page came about."""
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    rows = [[escape(str(k).replace("_", " ")), escape(_plain(v))] for k, v in run.scores.protocol.items()]
    rows += [["seed of " + escape(str(k)), str(v)] for k, v in run.scores.seeds.items()]
    body = f"<p>This command made the run:</p>{_code(run.command)}" if run.command else ""
    body += f"<p>{openings(run)}</p>" if run.openings else ""
    body += f"<p>With {escape(versions)}.</p>" if versions else ""
    told = "Only scores with the same protocol can be set side by side."
    body += f"{table(['part', 'value'], rows, 'Protocol of the scores', kind='words')}<p>{told}</p>" if rows else ""
    body += folded("All settings", _code(run.config)) if run.config else ""
    return Section("making", "How it was made", body)


def openings(run: Material) -> str:
    """How often test windows were scored with this model, and by which command."""
    by = Counter(str(one.get("by")) for one in run.openings)
    parts = ", ".join(f"{name} {words.count(n, 'time')}" for name, n in by.items())
    told = f"Test windows were scored {words.count(by.total(), 'time')} with this model ({parts})."
    warning = " A choice made after looking is no longer blind: judge it on other sessions." if by.total() > 1 else ""
    return told + warning


def _code(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(v) for v in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return "–" if value is None else str(value)


def sources(run: Material) -> Section:
    """Every source with its DOI and licence, and what to cite."""
    rows = [_source(one) for one in run.sources]
    found = table(["file", "dandiset", "DOI", "licence"], rows, "Sources", kind="words") if rows else ""
    dois = sorted({str(s["doi"]) for s in run.sources if s.get("doi")})
    recordings = f"The recordings: {', '.join(dois)}." if dois else "The recordings, as their authors ask."
    software = f"The software: nwb-mtm {run.versions.get('nwb-mtm', '')}".strip() + " (CITATION.cff in its repository)."
    cite = lines([recordings, f"The method: {PAPER}", software])
    return Section("sources", "Sources and citation", f"{found}<h3>How to cite</h3>{cite}")


def _source(one: Mapping[str, Any]) -> list[str]:
    dandiset = " ".join(str(one[k]) for k in ("dandiset", "version") if one.get(k)) or "–"
    return [escape(str(one.get("name"))), escape(dandiset), _doi(str(one.get("doi") or "")), escape(licence(one))]


def _doi(doi: str) -> str:
    bare = doi.removeprefix("https://doi.org/")
    return f'<a href="https://doi.org/{escape(bare)}">{escape(bare)}</a>' if bare else "–"


def licence(source: Mapping[str, Any]) -> str:
    """A licence without the prefix of its register.

    >>> licence({"licence": "spdx:CC-BY-4.0"}), licence({})
    ('CC-BY-4.0', 'not stated')
    """
    return str(source.get("licence") or "").removeprefix("spdx:") or "not stated"
