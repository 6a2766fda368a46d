"""Scores as named benchmarks define them: BrainWideBench, and the Neural Latents Benchmark's held-out units."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from nwb_mtm.baselines.linear import Design
from nwb_mtm.baselines.rivals import RIVALS
from nwb_mtm.evaluation.activity import LEADING, Bench, LooksAhead, Scored
from nwb_mtm.evaluation.tallies import Tally
from nwb_mtm.intervals import value_json
from nwb_mtm.metrics import sums
from nwb_mtm.passes import Pass


def bench_variants(bench: Bench, scored: Scored) -> dict[str, Any]:
    """BrainWideBench's definitions: co-smoothing over the last second, forecasting of a second's last tenth.

    Primary is Poisson D2 (mean over units), secondary pooled bits per spike (arXiv 2609.22064). Here all of the window
    before the hidden bins is context, not the second alone.
    """
    second = round(1.0 / bench.test.bin_size)
    if scored.score not in ("co-smoothing", "forward") or second > bench.test.bins:
        return {}
    found = {
        name: bench.memory.fact(f"{scored.score}/second/{name}", make) if name == "ridge" else make()
        for name, make in _late(bench, scored, second).items()
    }
    label = "bwb-co-smoothing" if scored.score == "co-smoothing" else "bwb-forecasting"
    return {label: {**found, "units": int(scored.chosen.sum())}}


def _late(bench: Bench, scored: Scored, second: int) -> Mapping[str, Callable[[], dict[str, Any]]]:
    """How the model's row is made, and that of ridge."""
    if scored.score == "co-smoothing":
        names = [name for name in LEADING if name in scored.tallies]
        kept = {name: partial(scored.expected.__getitem__, name) for name in names}
        return {name: partial(_row, bench, scored, second, expect) for name, expect in kept.items()}
    found: dict[str, Callable[[], dict[str, Any]]] = {}
    ahead = max(1, round(0.1 * second))
    if "ridge" in scored.tallies:
        design = Design(replace(bench.evidence, bin_of_forward=ahead))
        ridge = partial(RIVALS["ridge"], design, scored.score, bench.plan(scored.score))
        found["ridge"] = partial(_row, bench, scored, second, ridge)
    if isinstance(bench.predictor, LooksAhead):
        model = partial(bench.predictor.predict_ahead, bench.test, ahead=ahead)
        found["model"] = partial(_row, bench, scored, second, model)
    return found


def _row(bench: Bench, scored: Scored, second: int, expect: Callable[[], ndarray]) -> dict[str, Any]:
    """Both of the benchmark's numbers over the last second."""
    inside, expected = slice(bench.test.bins - second, None), expect()
    observed = None if bench.test.observed is None else bench.test.observed[:, inside]
    part = sums(bench.test.counts[:, inside], expected[:, inside], valid=observed)
    table = Tally(part, bench.evidence.mean, bench.weights).table(scored.chosen)
    return {"d2_mean": value_json(table.d2_mean), "bps_pooled": value_json(table.bps_pooled)}


def held_out_variant(bench: Bench, scored: Scored) -> dict[str, Any]:
    """Co-smoothing of the units that the file itself holds out, all hidden together (the Neural Latents Benchmark).

    Held-out units were seen in training windows, as the benchmark has it too.
    """
    held = bench.test.units.heldout
    if scored.score != "co-smoothing" or held is None or not held.any() or held.all():
        return {}
    rows = np.asarray(held, bool)
    tallies: dict[str, Tally] = {}
    if bench.predictor is not None:
        alone = replace(bench, options=replace(bench.options, folds=None))
        tallies["model"] = bench.tally(alone.expect(bench.predictor, "co-smoothing", np.outer(rows, rows)))
    if len(bench.evidence.train) and "ridge" in bench.options.baselines:
        ridge, plan = RIVALS["ridge"], (Pass(rows.copy(), np.flatnonzero(rows)),)
        tallies["ridge"] = bench.remembered("held-out/ridge", partial(ridge, bench.design, "co-smoothing", plan))
    tables = {name: tally.table(rows) for name, tally in tallies.items()}
    plain = {n: {"d2_mean": value_json(t.d2_mean), "bps_pooled": value_json(t.bps_pooled)} for n, t in tables.items()}
    return {"nlb-co-smoothing": {**plain, "units": int(rows.sum()), "held_in": int((~rows).sum())}}
