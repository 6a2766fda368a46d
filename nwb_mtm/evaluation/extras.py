"""Beside the four scores: R2 of trials and PSTHs, classes of trials, and forward by horizon."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm.baselines.linear import Design
from nwb_mtm.baselines.plain import Evidence, condition_numbers
from nwb_mtm.baselines.rivals import RIVALS
from nwb_mtm.evaluation.activity import LEADING, Bench, LooksAhead, Scored
from nwb_mtm.evaluation.guarded import by_distance
from nwb_mtm.evaluation.tallies import Tally, gain, gain_draws, verdict
from nwb_mtm.evaluation.variants import bench_variants, held_out_variant
from nwb_mtm.intervals import Value, interval, value_json
from nwb_mtm.metrics import Sums, choose_units, pooled, sums
from nwb_mtm.windows import Windows

ORIGINS = 4  # rolling origins for every horizon
CURVES = ("constant", "drift", "smoothing", "ridge")
LEAST_WINDOWS = 4  # of a class


def by_class(bench: Bench, scored: Scored, column: str) -> dict[str, Any]:
    """A score in the windows of every class of a trial column; differences use the same resamples (paired)."""
    labels = np.asarray(bench.test.trial_column(column)).astype(str)
    classes = {}
    drawn: dict[str, tuple[float, ndarray]] = {}
    for name in np.unique(labels):
        rows = labels == name
        if rows.sum() < LEAST_WINDOWS or "model" not in scored.tallies and "ridge" not in scored.tallies:
            classes[str(name)] = {"windows": int(rows.sum()), "note": "too few windows"}
            continue
        part = {who: _only(tally, rows) for who, tally in scored.tallies.items()}
        entry: dict[str, Any] = {"windows": int(rows.sum())}
        for who in ("model", "ridge"):
            if who in part:
                entry[who] = part[who].table(scored.chosen).to_json()
        lead = "model" if "model" in part else "ridge"
        if scored.activity.against:
            gained = gain(part[lead], part[scored.activity.against], scored.chosen)
            draws = gain_draws(part[lead], part[scored.activity.against], scored.chosen)
            entry["gain"] = {**value_json(gained), "of": lead, "verdict": verdict(gained)}
            drawn[str(name)] = (gained.value, draws)
        classes[str(name)] = entry
    return {"classes": classes, "differences": _differences(drawn, bench)}


def _differences(drawn: Mapping[str, tuple[float, ndarray]], bench: Bench) -> dict[str, Any]:
    names = list(drawn)
    found = {}
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            value = drawn[one][0] - drawn[other][0]
            blocks = max(2, len(bench.test) // 5)
            found[f"{one} - {other}"] = value_json(interval(value, drawn[one][1] - drawn[other][1], units=blocks))
    return found


def _only(tally: Tally, rows: Bool[ndarray, " window"]) -> Tally:
    return Tally(tally.sums.take(rows), tally.train_mean, tally.weights[:, rows])


def _r2_of(bench: Bench, scored: Scored, name: str) -> dict[str, Any]:
    if name == "model":
        return r2(bench, scored.expected[name], scored)
    found: dict[str, Any] = bench.memory.fact(
        f"{scored.score}/r2/{name}", lambda: r2(bench, scored.expected[name], scored)
    )
    return found


def r2(bench: Bench, expected: Float[ndarray, "window bin unit"], scored: Scored) -> dict[str, Any]:
    """R2 of single trials after the drift baseline, and of PSTHs over the named conditions; means over units."""
    counts = np.where(bench.test.valid & np.isfinite(expected), bench.test.counts, np.nan)
    found: dict[str, Any] = {}
    if len(bench.evidence.train):
        base = bench.evidence.drift
        found["residual"] = _described(_explained(counts, expected, base), scored.chosen)
    numbers = np.zeros(len(bench.test), np.int64)
    if bench.options.conditions:
        numbers = condition_numbers(bench.test, bench.options.conditions)
    found["psth"] = _described(_psth_r2(counts, expected, numbers), scored.chosen)
    found["psth"]["conditions"] = len(np.unique(numbers))
    return found


def _explained(counts: ndarray, expected: ndarray, base: ndarray) -> Float[ndarray, " unit"]:
    """Share of what a base leaves that the expectation explains."""
    left = np.nansum((counts - base) ** 2, axis=(0, 1))
    kept = np.nansum((counts - expected) ** 2, axis=(0, 1))
    return np.asarray(np.where(left > 0, 1 - kept / np.where(left > 0, left, 1), np.nan))


def _psth_r2(counts: ndarray, expected: ndarray, numbers: ndarray) -> Float[ndarray, " unit"]:
    true, told = [], []
    for number in np.unique(numbers):
        rows = numbers == number
        true.append(_mean(counts[rows]))
        told.append(_mean(np.where(np.isfinite(counts[rows]), expected[rows], np.nan)))
    known, guess = np.concatenate(true), np.concatenate(told)
    center = _mean(known)
    left = np.nansum((known - center) ** 2, axis=0)
    kept = np.nansum((known - guess) ** 2, axis=0)
    return np.asarray(np.where(left > 0, 1 - kept / np.where(left > 0, left, 1), np.nan))


def _mean(values: ndarray) -> ndarray:
    known = np.isfinite(values)
    number = known.sum(axis=0)
    return np.asarray(np.where(number > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(number, 1), np.nan))


def _described(values: Float[ndarray, " unit"], chosen: Bool[ndarray, " unit"]) -> dict[str, Any]:
    known = values[chosen & np.isfinite(values)]
    mean = float(known.mean()) if len(known) else None
    return {"mean": mean, "median": float(np.median(known)) if len(known) else None, "units": len(known)}


def crop(windows: Windows, first: int, last: int) -> Windows:
    """The same windows, some bins only."""
    observed = None if windows.observed is None else windows.observed[:, first:last]
    start = windows.start + first * windows.bin_size
    return replace(windows, counts=windows.counts[:, first:last], observed=observed, start=start, behaviors={})


def cropped(evidence: Evidence, first: int, last: int, hidden: int = 0) -> Evidence:
    """Evidence with some bins only; `hidden` bins at its end are forward's."""
    train, valid, test = (crop(one, first, last) for one in (evidence.train, evidence.valid, evidence.test))
    return Evidence(train, valid, test, evidence.conditions, hidden)


def forward_curve(bench: Bench, scored: Scored) -> list[dict[str, Any]]:
    """Forward by horizon: the bins up to each horizon after an origin, over rolling origins in the window."""
    bins, size = bench.test.bins, bench.test.bin_size
    horizons = sorted({max(1, round(h / size)) for h in bench.options.horizons if h >= 0.99 * size})
    horizons = [h for h in horizons if h <= bins // 3]
    if not horizons:
        return []
    longest = horizons[-1]
    origins = [int(o) for o in np.unique(np.linspace(bins // 3, bins - longest, ORIGINS).astype(int))]
    blind = bench.memory.fact("curve", lambda: _curve(bench, scored, origins, horizons, _rivals_from_origin))
    asked = _curve(bench, scored, origins, horizons, _asked_from_origin)
    at = [round(o * size, 6) for o in origins]
    return [{"horizon": round(h * size, 6), "origins": at, **b, **a} for h, b, a in zip(horizons, blind, asked)]


Ahead = Callable[[Bench, int, int], dict[str, ndarray]]


def _curve(
    bench: Bench, scored: Scored, origins: Sequence[int], horizons: Sequence[int], ahead: Ahead
) -> list[dict[str, Any]]:
    """For every horizon, everyone's pooled score over all origins."""
    expected = [ahead(bench, origin, horizons[-1]) for origin in origins]
    rows: list[dict[str, Any]] = []
    for horizon in horizons:
        row = {}
        for name in expected[0]:
            parts = [_first_bins(bench, e[name], o, horizon) for e, o in zip(expected, origins)]
            row[name] = value_json(_pooled(Tally(_added(parts), bench.evidence.mean, bench.weights), scored.chosen))
        rows.append(row)
    return rows


def _rivals_from_origin(bench: Bench, origin: int, ahead: int) -> dict[str, ndarray]:
    """What baselines expect of the bins after an origin, as arrays over the whole window."""
    found = {}
    evidence = cropped(bench.evidence, 0, origin + ahead, ahead)
    plan = bench.plan("forward")
    for name in CURVES if len(evidence.train) else ():
        if name in bench.options.baselines:
            found[name] = np.full(bench.test.counts.shape, np.nan, np.float32)
            found[name][:, : origin + ahead] = RIVALS[name](Design(evidence), "forward", plan)
    return found


def _asked_from_origin(bench: Bench, origin: int, ahead: int) -> dict[str, ndarray]:
    """What the model and the truth expect there."""
    found: dict[str, ndarray] = {}
    for name, predictor in (("model", bench.predictor), ("oracle", bench.oracle)):
        if isinstance(predictor, LooksAhead):
            found[name] = predictor.predict_ahead(bench.test, ahead=bench.test.bins - origin)
    return found


def _first_bins(bench: Bench, expected: ndarray, origin: int, ahead: int) -> Sums:
    inside = slice(origin, origin + ahead)
    observed = None if bench.test.observed is None else bench.test.observed[:, inside]
    return sums(bench.test.counts[:, inside], expected[:, inside], valid=observed)


def _pooled(tally: Tally, chosen: Bool[ndarray, " unit"]) -> Value:
    value = float(pooled(choose_units(tally.point, chosen))[0])
    return interval(value, tally.draws(chosen)["bps_pooled"], units=tally.blocks)


def _added(parts: Sequence[Sums]) -> Sums:
    fields = ("loss", "spikes", "entries", "saturated", "error", "squares")
    return Sums(*(np.sum([getattr(p, f) for p in parts], axis=0) for f in fields))


def with_extras(bench: Bench, scored: Scored) -> Scored:
    """The same score with what stands beside it."""
    if not scored.tallies:
        return scored
    options = bench.options
    extra = dict(scored.activity.extra)
    extra["r2"] = {name: _r2_of(bench, scored, name) for name in LEADING if name in scored.tallies}
    if options.by:
        extra["by"] = {column: by_class(bench, scored, column) for column in options.by}
    if scored.score == "forward" and options.horizons:
        extra["curve"] = forward_curve(bench, scored)
    if options.variants:
        extra["variants"] = {**bench_variants(bench, scored), **held_out_variant(bench, scored)}
    if scored.score == "co-smoothing" and options.guarded:
        extra["distance"] = by_distance(bench)
    return replace(scored, activity=replace(scored.activity, extra=extra))
