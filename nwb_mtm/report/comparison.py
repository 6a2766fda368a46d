"""Runs side by side, as long as their scores were made alike."""

import tomllib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal

from nwb_mtm import runs as folders
from nwb_mtm.errors import RunError
from nwb_mtm.intervals import Value
from nwb_mtm.report import charts, words
from nwb_mtm.report.charts import Row
from nwb_mtm.report.html import drawing, table
from nwb_mtm.report.making import series
from nwb_mtm.report.material import Material, known, read
from nwb_mtm.report.page import assemble, may_write
from nwb_mtm.report.sections import Section
from nwb_mtm.report.words import figure, interval
from nwb_mtm.scores import NOTHING


def compare(
    runs: Sequence[str | Path], out: str | Path, *, existing: Literal["error", "skip", "overwrite"] = "error"
) -> Path:
    """Write one page for several runs; runs scored by different protocols are refused."""
    path = Path(out)
    found = [read(Path(run)) for run in runs]
    refuse_unlike(found)
    if may_write(path, existing):
        folders.write_text(path, comparison(found))
    return path


def is_comparison(path: Path) -> bool:
    """Whether a file is a page for several runs that was written here."""
    return path.is_file() and ">Side by side<" in path.read_text(encoding="utf-8", errors="replace")


def refuse_unlike(found: Sequence[Material]) -> None:
    """An error that names the parts in which protocols differ, or says that no session is shared."""
    if len(found) < 2:
        raise RunError(f"{len(found)} run to compare; pass two or more run folders.", kind="nothing_to_do")
    first = found[0]
    for other in found[1:]:
        parts = unlike(protocol(first), protocol(other))
        if parts:
            raise RunError(
                f"{first.name} and {other.name} were not scored alike, so their numbers cannot share a column. "
                f"Different: {'; '.join(parts)}. Evaluate both models with the same settings on the same sources.",
                kind="different_protocols",
            )
    if not shared_sessions(found):
        raise RunError(
            f"{', '.join(one.name for one in found)} share no scored session. Evaluate the models on the same sources.",
            kind="nothing_to_do",
        )


def protocol(run: Material) -> dict[str, Any]:
    """All that must agree: the protocol, how time was split and with which seed, and which units and trials count."""
    settings = _flat(tomllib.loads(run.config))
    chosen = {
        name.replace("_", " "): value for name, value in settings.items() if name.startswith(("split.", "units."))
    }
    return {**run.scores.protocol, "split": run.scores.split, **chosen}


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The parts in which two protocols differ, in words.

    >>> unlike({"bin": 0.02, "folds": 10}, {"bin": 0.05, "folds": 10})
    ['bin (0.02 and 0.05)']
    >>> unlike({"units.trials": ""}, {"units.trials": "recognition_table"})
    ['units.trials (not set and recognition_table)']
    """
    names = [*one, *(name for name in other if name not in one)]
    return [f"{n} ({_held(one, n)} and {_held(other, n)})" for n in names if one.get(n) != other.get(n)]


def _held(protocol: Mapping[str, Any], name: str) -> str:
    """A part as it stands; what is empty is said to be."""
    return "not set" if protocol.get(name) in (None, "", [], ()) else str(protocol[name])


def shared_sessions(found: Sequence[Material]) -> list[str]:
    """Sessions that every run has scored."""
    return [key for key in found[0].scores.sessions if all(key in one.scores.sessions for one in found)]


def labels(found: Sequence[Material]) -> list[str]:
    """The runs' names; numbered when two are the same."""
    names = [one.name for one in found]
    return [f"{n} ({i + 1})" if names.count(n) > 1 else n for i, n in enumerate(names)]


def comparison(found: Sequence[Material]) -> str:
    """The whole page as text."""
    names = labels(found)
    shared = shared_sessions(found)
    under = f"{words.count(len(found), 'run')} on {words.count(len(shared), 'shared session')}, scored alike"
    parts = [side_by_side(found, names), by_session(found, names), courses(found, names)]
    parts.append(settings(found, names))
    return assemble(" · ".join(names), under, [part for part in parts if part.body])


def side_by_side(found: Sequence[Material], names: Sequence[str]) -> Section:
    """Gain and score of every run, in one column each."""
    scores = words.ordered(found[0].overall)
    same = all(set(one.scores.sessions) == set(found[0].scores.sessions) for one in found)
    if not same:
        told = "The runs scored different sets of sessions, so no means are shown; below are the sessions they share."
        return Section("answers", "Side by side", f"<p>{told}</p>")
    panels = [
        charts.dot_rows(_rows(found, names, s), s, words.HIDDEN.get(s, ""), "gain in bits per spike") for s in scores
    ]
    caption = (
        "Each run’s gain over the best baseline that sees no simultaneous activity, with its own 95 % interval. "
        "Intervals that do not overlap speak for a difference; intervals that overlap leave it open."
    )
    rows = [row for score in scores for row in _figures(found, score)]
    body = drawing("gains", panels, caption) + table(["", *names], rows, "In words and numbers")
    return Section("answers", "Side by side", body)


def _figures(found: Sequence[Material], score: str) -> list[list[str]]:
    """One score: what it comes to in words, the gain, the score itself, and the published mean."""
    entries = [one.overall.get(score) for one in found]
    said = [_verdict(entry.verdict if entry else "not scored") for entry in entries]
    gains = [_cell(entry.gain if entry else NOTHING, signed=True) for entry in entries]
    question = escape(words.QUESTIONS.get(score, ""))
    rows = [[f"<b>{escape(score)}</b><small>{question}</small>", *said], ["gain over the best baseline", *gains]]
    for key in ("bps_pooled", "bps_mean"):
        rows.append([words.TOTALS[key][0].lower(), *(_cell(_total(one, score, key)) for one in found)])
    return rows


def _verdict(said: str) -> str:
    kind = said.replace(" ", "-")
    mark = f'<span class="sign" aria-hidden="true">{words.MARKS.get(said, "–")}</span>'
    return f'<span class="{kind}">{mark} {escape(said.capitalize())}.</span>'


def _rows(found: Sequence[Material], names: Sequence[str], score: str) -> list[Row]:
    return [
        Row(n, one.overall[score].gain if score in one.overall else NOTHING, "plain") for n, one in zip(names, found)
    ]


def _total(run: Material, score: str, key: str) -> Value:
    entry = run.overall.get(score)
    value = getattr(entry.model, key) if entry and entry.model else NOTHING
    return value if isinstance(value, Value) else NOTHING


def _cell(found: Value, *, signed: bool = False) -> str:
    if not known(found):
        return "–"
    shown = words.signed(found.value) if signed else figure(found.value)
    return f"{shown}<small>{interval(found)}</small>"


def by_session(found: Sequence[Material], names: Sequence[str]) -> Section:
    """The gain of every run in every shared session."""
    shared = shared_sessions(found)
    blocks = []
    for score in words.ordered(found[0].overall):
        rows = []
        for key in shared:
            gains = [one.scores.sessions[key].scores.get(score) for one in found]
            rows.append([escape(key), *(_cell(g.gain, signed=True) if g else "–" for g in gains)])
        blocks.append(table([score, *names], rows, f"Gain, {score}"))
    return Section("by-session", "Session by session", "".join(blocks) if len(shared) > 1 or not blocks else "")


def courses(found: Sequence[Material], names: Sequence[str]) -> Section:
    """Validation curves of all runs, a panel for each score."""
    curves = [series(one, "valid") for one in found]
    scores = words.ordered({score: None for each in curves for score in each})
    panels = []
    for score in scores:
        lines = {name: each[score] for name, each in zip(names, curves) if score in each}
        panels.append(charts.curves(score, "validation", "bits per spike", "step", lines))
    caption = (
        "How the validation score rose in training. Steps of runs with other settings need not take the same time."
    )
    return Section("training", "Training", drawing("courses", panels, caption))


def settings(found: Sequence[Material], names: Sequence[str]) -> Section:
    """The settings in which the runs differ, and what they have in common."""
    flat = [_flat(tomllib.loads(one.config)) for one in found]
    keys = list(dict.fromkeys(key for each in flat for key in each))
    differ = [key for key in keys if len({str(each.get(key)) for each in flat}) > 1]
    rows = [[escape(key), *(escape(str(each.get(key, "–"))) for each in flat)] for key in differ]
    body = table(["setting", *names], rows, "Settings that differ") if rows else "<p>All settings are the same.</p>"
    common = [[escape(str(k)), escape(str(v))] for k, v in protocol(found[0]).items()]
    return Section("making", "Settings", body + table(["part", "value"], common, "Their common protocol", kind="words"))


def _flat(found: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in found.items():
        inner = _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
        flat.update(inner)
    return flat
