"""Scores on matplotlib axes: beside their baselines, by region, and in the course of training."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from matplotlib.axes import Axes

from nwb_mtm.errors import RunError
from nwb_mtm.intervals import Value
from nwb_mtm.plot.look import BASELINE, DASHES, INK, MODEL, ORACLE, SERIES, SOFT, heading, own_or_new
from nwb_mtm.scores import Scores, Table

T = TypeVar("T")
BLIND = ("constant", "psth", "psth-condition", "drift", "smoothing")  # see no simultaneous activity


def scores(found: Scores, score: str = "co-smoothing", *, session: str | None = None, ax: Axes | None = None) -> Axes:
    """Model, baselines and true rates of one score, in bits per spike pooled over units, with 95 % intervals.

    Of one session, or the mean over all when there are several and none is named. Baselines with an open dot see
    the other units at the moment they predict, as the model does.
    """
    model, baselines, oracle = _predictors(found, score, session)
    rows: list[tuple[str, Value, str, bool]] = [("model", model, MODEL, True)]
    blind = sorted((n for n in baselines if n in BLIND), key=lambda n: -_rank(baselines[n]))
    seeing = sorted((n for n in baselines if n not in BLIND), key=lambda n: -_rank(baselines[n]))
    rows += [(n, baselines[n], BASELINE, n in BLIND) for n in [*blind, *seeing]]
    rows += [("true rates", oracle, ORACLE, True)] if oracle else []
    axes = own_or_new(ax, 4.6, 0.9 + 0.26 * len(rows))
    _dots(axes, rows)
    heading(axes, score, session or ("" if len(found.sessions) == 1 else f"mean over {len(found.sessions)} sessions"))
    return axes


def _predictors(found: Scores, score: str, session: str | None) -> tuple[Value, Mapping[str, Value], Value | None]:
    key = session or (next(iter(found.sessions)) if len(found.sessions) == 1 else None)
    if key is None:
        mean = _named(found.mean, score, "score")
        return _pooled(mean.model), {n: _pooled(t) for n, t in mean.baselines.items()}, None
    activity = _named(_named(found.sessions, key, "session").scores, score, "score")
    model = activity.model.scored if activity.model else None
    oracle = _pooled(activity.oracle.scored) if activity.oracle else None
    return _pooled(model), {n: _pooled(s.scored) for n, s in activity.baselines.items()}, oracle


def _named(entries: Mapping[str, T], name: str, what: str) -> T:
    if name not in entries:
        raise RunError(f"There is no {what} {name!r}; there are: {', '.join(entries)}.", kind="bad_selection")
    return entries[name]


def _pooled(table: Table | None) -> Value:
    return table.bps_pooled if table else Value(math.nan)


def _rank(value: Value) -> float:
    return value.value if math.isfinite(value.value) else -math.inf


def _dots(axes: Axes, rows: Sequence[tuple[str, Value, str, bool]]) -> None:
    """A dot with its interval on every line, the first line on top."""
    for line, (_, value, color, full) in enumerate(rows):
        if math.isfinite(value.low):
            axes.plot([value.low, value.high], [line, line], color=color, alpha=0.4, linewidth=2.5)
        axes.plot(value.value, line, "o", color=color, markerfacecolor=color if full else "white", markersize=5.5)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("bits per spike, pooled over units")


def regions(found: Scores, score: str = "co-smoothing", *, session: str | None = None, ax: Axes | None = None) -> Axes:
    """The model's score of every region, best first; the mean over the sessions that hold it."""
    keys = [session] if session else list(found.sessions)
    gathered: dict[str, list[Value]] = {}
    for key in keys:
        activity = _named(found.sessions, key, "session").scores.get(score)
        for region, table in (activity.model.per_region if activity and activity.model else {}).items():
            if math.isfinite(table.bps_pooled.value):
                gathered.setdefault(region, []).append(table.bps_pooled)
    if not gathered:
        raise RunError(f"No region has a {score} score: none has enough units, perhaps.", kind="nothing_to_do")
    mean = {r: v[0] if len(v) == 1 else Value(sum(x.value for x in v) / len(v)) for r, v in gathered.items()}
    rows = [(region, mean[region], MODEL, True) for region in sorted(mean, key=lambda r: -mean[r].value)]
    axes = own_or_new(ax, 4.6, 0.9 + 0.26 * len(rows))
    _dots(axes, rows)
    heading(axes, score, f"{len(rows)} regions")
    return axes


def curves(run: str | Path, what: str = "valid", *, ax: Axes | None = None) -> Axes:
    """The course of training of a run folder: `valid` scores, or the `loss` of every scheme."""
    path = Path(run) / "steps.jsonl"
    if not path.is_file():
        raise RunError(f"{run} holds no steps.jsonl, so there is no course of training to draw.", kind="not_a_run")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    names = list(dict.fromkeys(name for line in lines for name in line.get(what) or {}))
    axes = own_or_new(ax, 5.0, 3.2)
    for name, color, dash in zip(names, SERIES, DASHES):
        held = [(line["step"], line[what][name]) for line in lines if name in (line.get(what) or {})]
        axes.plot([s for s, _ in held], [v for _, v in held], color=color, linestyle=dash, linewidth=1.8, label=name)
    axes.grid(axis="y", color="#e4e2dc", linewidth=0.8)
    axes.set_xlabel("step")
    axes.set_ylabel("bits per spike" if what == "valid" else "nats per bin")
    if names:
        axes.legend(frameon=False, fontsize=8.5, labelcolor=SOFT)
    heading(axes, {"valid": "Validation", "loss": "Loss"}.get(what, what))
    return axes
