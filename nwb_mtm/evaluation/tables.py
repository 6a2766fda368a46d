"""Scores as sentences, rows and tables."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from nwb_mtm.errors import RunError
from nwb_mtm.evaluation.tallies import verdict
from nwb_mtm.runs import Existing, write_json, write_text
from nwb_mtm.scores import Activity, Scores, Table

VERDICTS = {
    "better": "better than the best baseline",
    "no better": "no better than the best baseline",
    "cannot tell": "not shown to differ from the best baseline",
    "not scored": "not scored beside a baseline",
}


def headline(scores: Scores) -> list[str]:
    """One line for every score: is the model better than the best baseline that sees no simultaneous activity?"""
    return [f"{name}: {sentence(scores, name)}" for name in scores.mean]


def sentence(scores: Scores, name: str) -> str:
    """What one score says, in words."""
    mean = scores.mean[name]
    activities = [s.scores[name] for s in scores.sessions.values() if name in s.scores]
    if mean.model is None or not mean.model.units:
        notes = [note for a in activities for note in a.notes if note.startswith("not scored")]
        return notes[0] if notes else "no model"
    words = f"{VERDICTS[verdict(mean.gain)]} ({_against(activities)}): {mean.gain} bits per spike"
    more = [a.windows_to_tell for a in activities if a.windows_to_tell]
    if len(activities) == 1 and more:
        words += f" (about {more[0]} test windows would tell; {activities[0].windows} were scored)"
    held = f"{counted(mean.model.units, 'unit')} of {counted(mean.sessions, 'session')}"
    return f"{words}; mean over {held}, as the paper prints it: {mean.model.bps_mean}"


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "unit"), counted(2, "session")
    ('1 unit', '2 sessions')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _against(activities: list[Activity]) -> str:
    return " or ".join(sorted({a.against for a in activities if a.against})) or "no baseline"


def to_html(scores: Scores) -> str:
    """The headline as a list."""
    items = "".join(f"<li>{escape(line)}</li>" for line in headline(scores))
    return f"<div><b>Scores</b> of {escape(scores.model)}<ul>{items}</ul></div>"


def session_rows(scores: Scores) -> Iterator[dict[str, Any]]:
    """One row for every session, score, predictor, guard and row of units."""
    for key, session in scores.sessions.items():
        for name, activity in session.scores.items():
            for guard, sets in (("none", predictors(activity)), ("guarded", activity.guarded)):
                for predictor, found in sets.items():
                    head = {"session": key, "subject": session.subject, "score": name, "predictor": predictor}
                    for rows, table in (("scored", found.scored), ("all", found.all), *found.per_region.items()):
                        own = (guard, predictor, rows) == ("none", "model", "scored")
                        gain = activity.gain.value if own else None
                        yield {**head, "guard": guard, "rows": rows, **_figures(table), "gain": gain}


def _figures(table: Table) -> dict[str, Any]:
    """Every figure with the ends of its interval, and the units behind it."""
    out: dict[str, Any] = {}
    for name in (f for f in table.to_json() if f not in ("units", "silent")):
        value = getattr(table, name)
        out |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return {**out, "units": table.units, "silent": table.silent}


def unit_rows(scores: Scores) -> Iterator[dict[str, Any]]:
    """One row for every session, unit, score, predictor, null and guard."""
    for key, session in scores.sessions.items():
        columns = [c for c in session.units if len(session.units[c]) == len(session.units["key"])]
        units = [dict(zip(columns, row)) for row in zip(*(session.units[c] for c in columns))]
        for name, activity in session.scores.items():
            for guard, sets in (("none", predictors(activity)), ("guarded", activity.guarded)):
                for predictor, found in sets.items():
                    for null, bps in (("test", found.per_unit.bps), ("train", found.per_unit.bps_train_null)):
                        head = {"session": key, "subject": session.subject, "score": name}
                        how = {"predictor": predictor, "null": null, "guard": guard}
                        for unit, value, d2, spikes in zip(units, bps, found.per_unit.d2, found.per_unit.spikes):
                            if spikes == spikes:
                                yield {**head, **how, **unit, "bps": value, "d2": d2, "scored_spikes": spikes}


def predictors(activity: Activity) -> dict[str, Any]:
    """Model, baselines and truth, by name."""
    found: dict[str, Any] = {} if activity.model is None else {"model": activity.model}
    found.update(activity.baselines)
    return found if activity.oracle is None else {**found, "oracle": activity.oracle}


BRIEF = ("constant", "psth", "drift", "ridge")


def brief_rows(scores: Scores) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Columns and rows of the shortest table: a score a line, the model beside a few baselines and the oracle."""
    rows: list[tuple[object, ...]] = []
    for name, mean in scores.mean.items():
        others = [_short(mean.baselines.get(baseline)) for baseline in BRIEF]
        oracle = [s.scores[name].oracle for s in scores.sessions.values() if name in s.scores]
        known = [one.scored.bps_mean.value for one in oracle if one is not None]
        model = "-" if mean.model is None else str(mean.model.bps_mean)
        best = f"{sum(known) / len(known):.3f}" if known else "-"
        rows.append((name, model, *others, best))
    return ("score", "model", *BRIEF, "truth"), rows


def _short(found: Table | None) -> str:
    return "-" if found is None else f"{found.bps_mean.value:.3f}"


def table_rows(scores: Scores) -> Iterator[tuple[str, dict[str, Table]]]:
    """A title and what stands below it for every score: model, baselines, truth; over sessions if there are several."""
    for name, mean in scores.mean.items():
        tables: dict[str, Table] = {} if mean.model is None else {"model": mean.model}
        tables.update(mean.baselines)
        title = f"{name} ({counted(mean.sessions, 'session')}, {counted(mean.subjects, 'subject')})"
        if len(scores.sessions) == 1:
            key, session = next(iter(scores.sessions.items()))
            activity = session.scores[name]
            tables = {p: found.scored for p, found in predictors(activity).items()}
            tables.update({f"{p}, guarded": found.scored for p, found in activity.guarded.items()})
            title = f"{name} ({key}, {activity.windows} test windows)"
        if tables:
            yield title, tables


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Tidy rows as CSV; what is missing is empty."""
    listed = list(rows)
    out = io.StringIO()
    if listed:
        writer = csv.DictWriter(out, fieldnames=list(listed[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: "" if v is None or v != v else v for k, v in row.items()} for row in listed)
    return out.getvalue()


def write_scores(scores: Scores, folder: Path, *, existing: Existing = "error") -> tuple[Path, ...]:
    """Write scores.json, scores.csv and units.csv, each in one move; the paths that were written."""
    paths = tuple(folder / name for name in ("scores.json", "scores.csv", "units.csv"))
    there = [path for path in paths if path.exists()]
    if there and existing == "error":
        raise RunError(f"{there[0]} exists already.", kind="exists")
    if there and existing == "skip":
        return ()
    write_json(paths[0], scores.to_json())
    write_text(paths[1], to_csv(session_rows(scores)))
    write_text(paths[2], to_csv(unit_rows(scores)))
    return paths
