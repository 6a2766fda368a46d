"""Boil a session's test windows and predictions down to what the pictures show."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.recording import UNKNOWN
from nwb_mtm.report.figures import NOTHING, Example, Figures, Psth, Trace
from nwb_mtm.windows import Windows

SMOOTH = 1.5  # bins; the same for recorded, predicted and baseline maps
STRETCH_WINDOWS = 4  # test windows shown one after the other when there is no event to average around
MOST_CONDITIONS = 4
OPTIMAL_ORDER_UP_TO = 300  # optimal leaf ordering is cubic
ORDER_WINDOWS = 200


def collect(
    train: Windows,
    test: Windows,
    predicted: Mapping[str, Float[ndarray, "window bin unit"]],
    baselines: Mapping[str, tuple[str, Float[ndarray, "window bin unit"]]],
    *,
    hidden: Mapping[str, Bool[ndarray, "window bin unit"]] | None = None,
    valid_bps: Float[ndarray, " unit"] | None = None,
    condition: str | None = None,
    decoded: Mapping[str, tuple[Float[ndarray, "window bin"], Float[ndarray, "window bin"]]] | None = None,
    most_units: int = 240,
    most_bins: int = 100,
) -> Figures:
    """What the pictures of one session need, from expected counts per bin (NaN where nothing was predicted).

    Row order and unit choice use training and validation time only; what is drawn is test time.
    """
    averaged = test.trials is not None or not test.alignment.startswith("tiles")
    rows = shown_units(train, averaged=averaged, most=most_units)
    step = -(-test.bins // most_bins)
    chosen = np.arange(len(test)) if averaged else np.arange(min(len(test), STRETCH_WINDOWS))
    recorded = _means(np.where(test.valid, test.counts, np.nan)[chosen][:, :, rows], averaged, step)
    low, high = np.nanmin(recorded, axis=1, keepdims=True), np.nanmax(recorded, axis=1, keepdims=True)

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
        examples=tuple(_examples(test, predicted, hidden or {}, rows, step)),
        psths=tuple(
            _psths(test, predicted, valid_bps, condition or choose_condition(test), step) if averaged else ()
        ),
        traces=tuple(_trace(name, *pair, test.bin_size) for name, pair in (decoded or {}).items()),
        condition=condition or choose_condition(test) or "",
        every_unit=test.units.keys,
        every_region=test.units.regions,
        every_rate=train.rates,
    )


def shown_units(train: Windows, *, averaged: bool, most: int) -> Int[ndarray, " row"]:
    """Units region by region, each region in the leaf order of its clustering on training windows."""
    regions = np.array(train.units.regions)
    names, counts = np.unique(regions[train.units.inputs], return_counts=True)
    order = sorted(zip(names, counts), key=lambda pair: (pair[0] == UNKNOWN, -pair[1], pair[0]))
    parts = [
        leaf_order(train, np.flatnonzero((regions == name) & train.units.inputs), averaged)
        for name, _ in order
    ]
    rows = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    if len(rows) <= most:
        return rows
    return rows[np.round(np.linspace(0, len(rows) - 1, most)).astype(np.int64)]


def leaf_order(train: Windows, members: Int[ndarray, " member"], averaged: bool) -> Int[ndarray, " member"]:
    """The members in the leaf order of average-linkage clustering by correlation."""
    if len(members) < 3:
        return members
    counts = train.counts[:, :, members].astype(np.float32)
    if averaged:
        profile = gaussian_filter1d(counts.mean(axis=0), SMOOTH, axis=0).T
    else:
        profile = _coarse(counts[:ORDER_WINDOWS], 10).reshape(-1, len(members)).T
    centred = profile - profile.mean(axis=1, keepdims=True)
    scale = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 0)
    distance = np.clip(1.0 - unit @ unit.T, 0.0, 2.0)[np.triu_indices(len(members), 1)]
    tree = linkage(
        distance.astype(np.float64), "average", optimal_ordering=len(members) <= OPTIMAL_ORDER_UP_TO
    )
    return members[leaves_list(tree)]


def _coarse(counts: Float[ndarray, "window bin unit"], bins: int) -> Float[ndarray, "window part unit"]:
    edges = np.unique(np.linspace(0, counts.shape[1], min(bins, counts.shape[1]) + 1).astype(int))
    return np.add.reduceat(counts, edges[:-1], axis=1)


def _means(
    values: Float[ndarray, "window bin row"], averaged: bool, step: int
) -> Float[ndarray, "row column"]:
    """Mean over windows (or windows in a line), smoothed along each window, with `step` bins to a column."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0)
    if averaged:
        total, known = total.sum(axis=0, keepdims=True), known.sum(axis=0, keepdims=True)
    smooth = gaussian_filter1d(total.astype(np.float64), SMOOTH, axis=1)
    weight = gaussian_filter1d(known.astype(np.float64), SMOOTH, axis=1)
    mean = np.divide(smooth, weight, out=np.full_like(smooth, np.nan), where=np.asarray(known) > 0)
    columns = np.concatenate([_columns(one, step) for one in mean])
    return columns.T


def _columns(values: Float[ndarray, "bin row"], step: int) -> Float[ndarray, "column row"]:
    """Means of `step` bins each; the last column may have fewer."""
    starts = np.arange(0, len(values), step)
    known = np.isfinite(values)
    total = np.add.reduceat(np.where(known, values, 0.0), starts, axis=0)
    count = np.add.reduceat(known.astype(np.float64), starts, axis=0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def to_levels(
    values: Float[ndarray, "row column"], low: Float[ndarray, "row 1"], high: Float[ndarray, "row 1"]
) -> UInt8[ndarray, "row column"]:
    """0 at a unit's least, 254 at its most, 255 where there is no value.

    >>> to_levels(np.array([[0.0, 2.0, np.nan]]), np.array([[0.0]]), np.array([[2.0]])).tolist()
    [[0, 254, 255]]
    """
    span = np.where(high > low, high - low, 1.0)
    share = np.clip((values - low) / span, 0.0, 1.0) * (NOTHING - 1)
    return np.where(np.isfinite(share), np.round(np.nan_to_num(share)), NOTHING).astype(np.uint8)


def _examples(
    test: Windows,
    predicted: Mapping[str, Float[ndarray, "window bin unit"]],
    hidden: Mapping[str, Bool[ndarray, "window bin unit"]],
    rows: Int[ndarray, " row"],
    step: int,
) -> list[Example]:
    """For each score the test window with the median number of spikes: not chosen by how well it went."""
    if not len(test) or not len(rows):
        return []
    spikes = test.counts.sum(axis=(1, 2))
    window = int(np.argsort(spikes, kind="stable")[len(test) // 2])
    starts = np.arange(0, test.bins, step)
    counts = np.add.reduceat(test.counts[window][:, rows].astype(np.int64), starts, axis=0).T
    made = []
    for score, expected in predicted.items():
        known = (
            np.isfinite(expected[window])
            & hidden.get(score, np.ones((1, 1, 1), bool))[window if score in hidden else 0]
        )
        known = known[:, rows].T[:, starts]
        wanted, unseen, what = example_block(score, [test.units.regions[i] for i in rows], known)
        rate = _columns(expected[window][:, rows], step).T
        top = np.quantile(np.nan_to_num(rate), 0.99) or 1.0
        level = to_levels(
            np.where(wanted, rate, np.nan), np.zeros((len(rows), 1)), np.full((len(rows), 1), top)
        )
        made.append(Example(score, what, np.minimum(counts, 255).astype(np.uint8), level, wanted, unseen))
    return made


def example_block(
    score: str, regions: Sequence[str], known: Bool[ndarray, "row column"]
) -> tuple[Bool[ndarray, "row column"], Bool[ndarray, "row column"], str]:
    """What one pass hides and predicts, what it hides besides, and the same in words."""
    labels = np.array(regions)
    names, counts = np.unique(labels[labels != UNKNOWN], return_counts=True)
    largest = names[counts.argmax()] if len(names) else UNKNOWN
    every_tenth = np.arange(len(labels)) % 10 == 5
    in_region = np.broadcast_to((labels == largest)[:, None], known.shape)
    some = np.broadcast_to(every_tenth[:, None], known.shape)
    nothing = np.zeros_like(known)
    if score == "forward":
        return known, nothing, "the last bins of every unit"
    if score == "inter-region":
        return known & in_region, nothing, f"all of {largest}"
    if score == "intra-region":
        return (
            known & in_region & some,
            ~in_region,
            f"a tenth of the units in {largest}, and every other region",
        )
    return known & some, nothing, "a tenth of the units"


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
    ranked = [
        i
        for i in np.argsort(-np.nan_to_num(valid_bps, nan=-np.inf), kind="stable")
        if np.isfinite(valid_bps[i])
    ]
    ranked = [i for i in ranked if test.units.scored[i]]
    if not ranked:
        return []
    labels = (
        np.array([str(v) for v in test.trial_column(condition)])
        if condition
        else np.full(len(test), "all windows")
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
    recorded = [_columns(smooth[m].mean(axis=0)[:, None], step)[:, 0] for m in masks]
    error = [_columns((smooth[m].std(axis=0) / np.sqrt(max(1, m.sum())))[:, None], step)[:, 0] for m in masks]
    model = [_columns(np.nan_to_num(rates[m]).mean(axis=0)[:, None], step)[:, 0] for m in masks]
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
