"""Boil a session's test windows and predictions down to what the pictures show."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.plot.order import SMOOTH, shown_units
from nwb_mtm.report.blocks import columns, median_examples, to_levels
from nwb_mtm.report.figures import Figures, Psth, Trace
from nwb_mtm.windows import Windows

STRETCH_WINDOWS = 4  # test windows shown one after the other when there is no event to average around
MOST_CONDITIONS = 4


def collect(
    train: Windows,
    test: Windows,
    predicted: Mapping[str, Float[ndarray, "window bin unit"]],
    baselines: Mapping[str, tuple[str, Float[ndarray, "window bin unit"]]],
    *,
    hidden: Mapping[str, Bool[ndarray, "window bin unit"]] | None = None,
    valid_bps: Float[ndarray, " unit"] | None = None,
    condition: str | None = None,
    decoded: Mapping[str, tuple[Float[ndarray, "shown bin"], Float[ndarray, "shown bin"]]] | None = None,
    most_units: int = 240,
    most_bins: int = 100,
) -> Figures:
    """What the pictures of one session need, from expected counts per bin (NaN where nothing was predicted).

    Row order and unit choice use training and validation time only; what is drawn is test time.
    """
    averaged = not test.alignment.startswith("tile")
    rows = shown_units(train, averaged=averaged, most=most_units)
    step = -(-test.bins // most_bins)
    chosen = np.arange(len(test)) if averaged else np.arange(min(len(test), STRETCH_WINDOWS))
    recorded = _means(np.where(test.valid, test.counts, np.nan)[chosen][:, :, rows], averaged, step)
    low, high = (np.nanquantile(recorded, q, axis=1, keepdims=True) for q in (0.02, 0.98))

    def levels(expected: Float[ndarray, "window bin unit"]) -> UInt8[ndarray, "row column"]:
        return to_levels(_means(expected[chosen][:, :, rows], averaged, step), low, high)

    return Figures(
        session=test.session,
        alignment=test.alignment,
        averaged=averaged,
        windows=len(chosen),
        start=-test.before if averaged else 0.0,
        bin_size=test.bin_size * step,
        units=tuple(test.units.keys[i] for i in rows),
        regions=tuple(test.units.regions[i] for i in rows),
        recorded=to_levels(recorded, low, high),
        predicted={score: levels(expected) for score, expected in predicted.items()},
        baselines={score: levels(expected) for score, (_, expected) in baselines.items()},
        baseline_names={score: name for score, (name, _) in baselines.items()},
        examples=tuple(median_examples(test, predicted, hidden or {}, rows, step)),
        psths=tuple(_psths(test, predicted, valid_bps, condition or choose_condition(test), step) if averaged else ()),
        traces=tuple(_trace(name, *pair, test.bin_size) for name, pair in (decoded or {}).items()),
        condition=condition or choose_condition(test) or "",
        every_unit=test.units.keys,
        every_region=test.units.regions,
        every_rate=train.rates,
    )


def _means(values: Float[ndarray, "window bin row"], averaged: bool, step: int) -> Float[ndarray, "row column"]:
    """Mean over windows (or windows in a line), smoothed along each window, with `step` bins to a column."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0)
    if averaged:
        count = known.sum(axis=0, keepdims=True)
        total, known = total.sum(axis=0, keepdims=True) / np.maximum(count, 1), count > 0
    smooth, weight = (gaussian_filter1d(one.astype(np.float64), SMOOTH, axis=1) for one in (total, known))
    mean = np.divide(smooth, weight, out=np.full_like(smooth, np.nan), where=known)
    return np.concatenate([columns(one, step) for one in mean]).T


def choose_condition(test: Windows) -> str | None:
    """The first trial column worth decoding that has 2 to 8 classes among the test windows."""
    for name in () if test.trials is None else test.trials.targets:
        column = test.trial_column(name)
        if column.ndim == 1 and 2 <= len(np.unique([str(v) for v in column])) <= 8:
            return name
    return None


def _psths(
    test: Windows,
    predicted: Mapping[str, Float[ndarray, "window bin unit"]],
    valid_bps: Float[ndarray, " unit"] | None,
    condition: str | None,
    step: int,
) -> list[Psth]:
    """Best, median and worst unit by their co-smoothing on validation time, under the commonest conditions."""
    if valid_bps is None or "co-smoothing" not in predicted:
        return []
    ranked = [i for i in np.argsort(-np.nan_to_num(valid_bps, nan=-np.inf), kind="stable") if np.isfinite(valid_bps[i])]
    ranked = [i for i in ranked if test.units.scored[i]]
    if not ranked:
        return []
    labels = (
        np.array([str(v) for v in test.trial_column(condition)]) if condition else np.full(len(test), "all windows")
    )
    names, counts = np.unique(labels, return_counts=True)
    common = sorted(names[np.argsort(-counts, kind="stable")][:MOST_CONDITIONS])
    roles = {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
    expected = predicted["co-smoothing"]
    return [
        _psth(
            test,
            expected[:, :, unit],
            int(unit),
            role,
            float(valid_bps[unit]),
            [labels == c for c in common],
            common,
            step,
        )
        for role, unit in roles.items()
    ]


def _psth(
    test: Windows,
    expected: Float[ndarray, "window bin"],
    unit: int,
    role: str,
    bps: float,
    masks: Sequence[Bool[ndarray, " window"]],
    names: Sequence[str],
    step: int,
) -> Psth:
    counts = np.where(test.valid[:, :, unit], test.counts[:, :, unit], np.nan) / test.bin_size
    smooth = gaussian_filter1d(np.nan_to_num(counts), SMOOTH, axis=1)
    rates = expected / test.bin_size
    recorded = [columns(smooth[m].mean(axis=0)[:, None], step)[:, 0] for m in masks]
    error = [columns((smooth[m].std(axis=0) / np.sqrt(max(1, m.sum())))[:, None], step)[:, 0] for m in masks]
    model = [columns(np.nan_to_num(rates[m]).mean(axis=0)[:, None], step)[:, 0] for m in masks]
    return Psth(
        unit=test.units.keys[unit],
        region=test.units.regions[unit],
        role=role,
        valid_bps=bps,
        conditions=tuple(str(n) for n in names),
        trials=tuple(int(m.sum()) for m in masks),
        recorded=np.array(recorded),
        error=np.array(error),
        predicted=np.array(model),
    )


def _trace(
    name: str, measured: Float[ndarray, "window bin"], decoded: Float[ndarray, "window bin"], bin_size: float
) -> Trace:
    """The first few test windows, one after the other, with a gap between them."""
    gap = np.full((min(len(measured), STRETCH_WINDOWS), 1), np.nan)
    lines = [np.concatenate([values[: len(gap)], gap], axis=1).reshape(-1) for values in (measured, decoded)]
    return Trace(name, bin_size, lines[0], lines[1])
