"""Scores with a guard: neighbours and flagged partners hidden too, other probes alone, and score by distance."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from nwb_mtm.baselines.rivals import RIVALS
from nwb_mtm.evaluation.activity import Bench, Scored
from nwb_mtm.evaluation.guards import (
    Flagged,
    Guard,
    Pair,
    distances,
    flag_pairs,
    guard,
    other_groups,
    regions_across_groups,
)
from nwb_mtm.evaluation.tallies import Tally, gain, score_set
from nwb_mtm.intervals import value_json
from nwb_mtm.metrics import choose_units, pooled
from nwb_mtm.passes import Score, mask_regions
from nwb_mtm.recording import Recording
from nwb_mtm.windows import Windows

GUARDED: tuple[Score, ...] = ("co-smoothing", "intra-region")
RADII = (0.0, 50.0, 100.0, 200.0, 400.0)  # micrometres
MOST_UNITS = 600  # score by distance is left out above this


@dataclass(frozen=True, eq=False)
class Guarding:
    """A session's guard, and what it found."""

    guard: Guard
    facts: Mapping[str, Any] = field(default_factory=dict)


def make_guard(bench: Bench, recording: Recording | None) -> Guarding:
    """Flag pairs on training time, and decide what is hidden with every unit."""
    units = bench.test.units
    if recording is None:
        flagged = Flagged(note="spike times were not given, so pairs were not looked for")
    else:
        told = bench.memory.fact("pairs", lambda: asdict(_pairs(bench.test, recording)))
        flagged = Flagged(tuple(Pair(**one) for one in told["pairs"]), told["note"], told["tested"])
    made = guard(units, flagged)
    return Guarding(made, {**flagged.to_json(units), "rule": made.rule})


def _pairs(windows: Windows, recording: Recording) -> Flagged:
    split = windows.partition
    return flag_pairs(recording, windows.units, np.zeros((0, 2)) if split is None else split.train)


def with_guard(bench: Bench, scored: Scored, guarding: Guarding) -> Scored:
    """The same score with its guarded forms beside it."""
    if scored.score not in GUARDED or not scored.tallies:
        return scored
    found, notes = _guarded_tallies(bench, scored, guarding.guard.hide_with)
    sets = {name: score_set(tally, bench.test.units) for name, tally in found.items()}
    scored = replace(scored, guarded=found)
    extra = {**scored.activity.extra, **guarded_gain(scored)}
    activity = replace(scored.activity, guarded=sets, extra=extra, notes=(*scored.activity.notes, *notes))
    return replace(scored, activity=activity)


def guarded_gain(scored: Scored) -> dict[str, Any]:
    """What the guarded model gains over the rival of the headline."""
    rival, model = scored.tallies.get(scored.activity.against), scored.guarded.get("model")
    if rival is None or model is None:
        return {}
    inside = model.sums.entries.sum(axis=0) > 0
    return {"guarded_gain": value_json(gain(model, rival, scored.chosen & inside))}


def _guarded_tallies(bench: Bench, scored: Scored, hide_with: np.ndarray) -> tuple[dict[str, Tally], list[str]]:
    found = _asked(bench, scored.score, hide_with, "guarded")
    notes = [] if found else [f"no guarded {scored.score}: every unit lies near, or is flagged with, all others"]
    across = regions_across_groups(bench.test.units, mask_regions(bench.test.units))
    if scored.score == "intra-region" and across:
        apart = _asked(bench, scored.score, other_groups(bench.test.units), "across")
        found.update({f"{name} across probes": tally for name, tally in apart.items()})
        notes.append(f"regions on two probes, predicted from the other one: {', '.join(across)}")
    return found, notes


def _asked(bench: Bench, score: Score, hide_with: np.ndarray, called: str) -> dict[str, Tally]:
    """Model, ridge and truth under one guard; nothing when it leaves nothing visible."""
    plan = bench.plan(score, hide_with)
    if not plan:
        return {}
    found: dict[str, Tally] = {}
    if bench.predictor is not None:
        found["model"] = bench.tally(bench.expect(bench.predictor, score, hide_with))
    if len(bench.evidence.train) and "ridge" in bench.options.baselines:
        ridge = RIVALS["ridge"]
        found["ridge"] = bench.remembered(f"{score}/{called}/ridge", lambda: ridge(bench.design, score, plan))
    return found


def by_distance(bench: Bench) -> list[dict[str, Any]]:
    """Pooled score of ridge when all units within a radius are hidden with the target."""
    rows: list[dict[str, Any]] = bench.memory.fact("distance", lambda: _by_distance(bench))
    return rows


def _by_distance(bench: Bench) -> list[dict[str, Any]]:
    gap = distances(bench.test.units)
    if np.isnan(gap).mean() > 0.5 or len(gap) > MOST_UNITS or not len(bench.evidence.train):
        return []
    one_by_one = replace(bench, options=replace(bench.options, folds=None))
    rows = []
    for radius in RADII:
        with np.errstate(invalid="ignore"):
            near = (gap < radius) & ~np.eye(len(gap), dtype=bool)
        plan = one_by_one.plan("co-smoothing", near)
        if plan:
            tally = bench.tally(RIVALS["ridge"](bench.design, "co-smoothing", plan))
            chosen = np.asarray(bench.test.units.scored, bool)
            value = float(pooled(choose_units(tally.point, chosen))[0])
            hidden = float(np.mean([step.hidden.sum() for step in plan]))
            rows.append({"radius": radius, "bps_pooled": round(value, 6), "hidden": round(hidden, 2)})
    return rows
