"""The tables that `inspect` shows to a person, 80 columns wide."""

import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nwb_mtm.nwb.inspection import Inspection
from nwb_mtm.nwb.selecting import ASKED_FOR

WIDTH = 80


def tables_of(inspection: Inspection) -> Iterator[RenderableType]:
    """Session, regions, trials, behaviours, warnings, and what fit would use."""
    answer = inspection.to_json()
    yield Text(f"\n{answer['source']}", style="bold", overflow="fold")
    yield _session(answer)
    yield _regions(inspection, answer)
    yield from _units(inspection, answer)
    if answer["trials"] is not None:
        yield from _trials(inspection, answer["trials"])
    elif answer["intervals"]:
        listed = ", ".join(f"{path} ({count:,})" for path, count in answer["intervals"].items())
        yield _said(f"No table of trials. Tables of intervals: {listed}. Name one with --trials NAME.")
    if answer["behaviors"]:
        yield _behaviors(answer["behaviors"], inspection.preferred)
    for warning in answer["warnings"]:
        yield _said(f"Warning: {warning['message']} ({warning['kind']})", style="yellow")
    yield _use(inspection, answer)


def _said(text: str, style: str = "") -> Text:
    """A sentence, wrapped as the tables are."""
    return Text(textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False), style=style)


def _plain(title: str, *columns: str) -> Table:
    out = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", width=WIDTH)
    for name in columns:
        numeric = name in ("units", "good", "shared", "n", "Hz", "NaN")
        out.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    return out


def _session(answer: dict[str, Any]) -> Text:
    begin, end = answer["time_range"] or (0.0, 0.0)
    seen = answer["observed"]
    watched = "" if seen is None else f", observed {sum(b - a for a, b in seen):,.0f} s in {len(seen):,} intervals"
    return _said(
        f"session {answer['session'] or '-'}, subject {answer['subject'] or '-'}, {answer['backend']}; "
        f"spikes from {begin:,.1f} to {end:,.1f} s{watched}"
    )


def _regions(inspection: Inspection, answer: dict[str, Any]) -> Table:
    """Units per region, with the rule that named it, the good ones, and those that share an electrode."""
    units = answer["units"]
    electrodes = Counter(e for e in inspection.electrodes if e >= 0)
    shared = [e >= 0 and electrodes[e] > 1 for e in inspection.electrodes]
    rows: dict[str, list[int]] = {}
    elsewhere = _not_asked_for(inspection)
    for place, region in enumerate(inspection.regions):
        if region not in elsewhere:
            rows.setdefault(region, []).append(place)
    out = _plain(f"{units['path']}: {units['count']:,} units", "region", "units", "good", "shared", "rule")
    for region, members in sorted(rows.items(), key=lambda item: -len(item[1])):
        rules = Counter(units["region_rule"][m] for m in members)
        told = ", ".join(rule if len(rules) == 1 else f"{rule} {count}" for rule, count in rules.items())
        judged = [units["quality"][m] for m in members if units["quality"][m] is not None]
        good = str(sum(judged)) if judged else "-"
        out.add_row(Text(region), str(len(members)), good, str(sum(shared[m] for m in members)), told)
    return out


def _not_asked_for(inspection: Inspection) -> set[str]:
    """Regions of which --regions leaves no unit; the table is about the others, a line below counts these."""
    asked = [kept for kept in inspection.kept if kept.rule == ASKED_FOR]
    return {region for kept in asked for region, (some, _) in kept.of_region.items() if not some}


def _units(inspection: Inspection, answer: dict[str, Any]) -> Iterator[Text]:
    yield _said(f"good: {inspection.quality_rule}; shared: units on an electrode with other units")
    groups = Counter(inspection.groups)
    if len(groups) > 1:
        yield _said("groups: " + ", ".join(f"{name} {count}" for name, count in groups.items()))
    if all(region == "unknown" for region in inspection.regions):
        yield _said(
            "No unit has a region. Use --regions group for probes and shanks (scores between regions are then scores "
            "between probes), or --regions-from FILE.csv."
        )
    held = answer["units"]["heldout"]
    if held is not None:
        yield _said(f"{sum(held)} units are held out by the file")
    for kept in inspection.kept:
        lost = {region: all_ - some for region, (some, all_) in kept.of_region.items() if some < all_}
        if lost:
            told = ", ".join(f"{region} {count}" for region, count in sorted(lost.items(), key=lambda i: -i[1]))
            yield _said(f"left out by `{kept.rule}`: {told}")


def _trials(inspection: Inspection, trials: dict[str, Any]) -> Iterator[RenderableType]:
    reasons = Counter(item["reason"] for item in trials["dropped"])
    told = "".join(f", {count} {reason}" for reason, count in reasons.items())
    if inspection.unselected:
        told += f", {inspection.unselected} not selected"
    yield _said(f"{trials['path']}: {trials['count']:,} rows, {trials['valid']:,} valid{told}")
    if trials["events"]:
        yield _said(f"events to align to: {', '.join(['start_time', *trials['events']])}")
    if trials["targets"]:
        out = _plain("can be decoded", "column", "classes (trials)")
        for name, target in ((n, t) for n, t in trials["targets"].items() if n not in inspection.twins):
            pairs = zip(target["classes"], target["counts"])
            out.add_row(Text(name), _said(", ".join(f"{label} ({count})" for label, count in pairs)))
        yield out
    twins = {name: f"says the same as {twin}" for name, twin in inspection.twins.items()}
    if trials["not_targets"] or twins:
        out = _plain("cannot be decoded", "column", "because it")
        for name, reason in {**trials["not_targets"], **twins}.items():
            out.add_row(Text(name), Text(reason.removeprefix("it ")))
        yield out
    if inspection.perturbations:
        named = ", ".join(f"{name} ({count} trials)" for name, count in inspection.perturbations.items())
        yield _said(f"look like perturbations: {named}; leave them out with:")
        table = trials["path"].rpartition("/")[2]
        wish = inspection.unperturbed if table == "trials" else f"{table}[{inspection.unperturbed}]"
        yield Text(f'  --trials "{wish}"', overflow="fold")  # whole, to be copied


def _behaviors(behaviors: dict[str, Any], preferred: tuple[str, ...]) -> Table:
    out = _plain("behaviour (* is read unless others are named)", "series", "shape", "Hz", "NaN", "note")
    for path, told in sorted(behaviors.items(), key=lambda item: (not item[1]["usable"], item[0])):
        mark = "*" if path in preferred else "" if told["usable"] else "- "
        rate = "irregular" if told["rate"] is None else f"{told['rate']:.4g}"
        missing = "" if told["nan_fraction"] is None else f"{told['nan_fraction']:.0%}"
        shape = "x".join(str(n) for n in told["shape"])
        note = told["note"] if told["usable"] else f"not used: {told['note']}"
        out.add_row(Text(mark + path), shape, rate if told["usable"] else "", missing, Text(note))
    return out


def _use(inspection: Inspection, answer: dict[str, Any]) -> Text:
    trials = answer["trials"]
    count = 0 if trials is None else trials["valid"] - inspection.unselected
    events = trials["events"] if trials else []
    named = f" (events: {', '.join(events[:3])})" if events else ""
    aligned = f"{count:,} trials{named}" if count else "no trials: windows laid over the session"
    return _said(
        f"fit would use {inspection.inputs} units as input and score {inspection.headline} in the headline; "
        f"{aligned}; {len(inspection.preferred)} behaviour series.",
        style="bold",
    )
