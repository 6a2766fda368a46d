"""Activity on matplotlib axes: region rasters, and single units by condition."""

from itertools import groupby

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.errors import RecordingError
from nwb_mtm.plot.look import DASHES, SERIES, SOFT, heading, levels, own_or_new
from nwb_mtm.plot.order import SMOOTH, shown_units
from nwb_mtm.prediction import Prediction
from nwb_mtm.windows import Windows

MOST_CONDITIONS = len(SERIES)


def raster(
    windows: Windows,
    prediction: Prediction | None = None,
    *,
    order: Windows | None = None,
    reference: Windows | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Mean rate of every unit over the windows, by region, each unit on its own scale.

    With a prediction, its rates are shown instead of the recorded ones. Units are ordered by clustering `order`
    (training windows, so that the order owes nothing to what is shown; the windows themselves when left out) and
    scaled by their rates in `reference` (the windows themselves when left out): pass both to draw maps that compare.
    """
    axes = own_or_new(ax, 4.2, 4.6)
    rows = shown_units(order or windows, averaged=bool(windows.before), most=len(windows.units))
    recorded = _mean(_recorded(reference or windows))
    shown = recorded if prediction is None and reference is None else _mean(_rates(windows, prediction))
    low, high = (np.nanquantile(recorded, q, axis=0) for q in (0.02, 0.98))
    scaled = (shown - low) / np.where(high > low, high - low, 1.0)
    extent = (-windows.before, windows.width - windows.before, len(rows), 0)
    axes.imshow(scaled[:, rows].T, aspect="auto", cmap=levels(), vmin=0, vmax=1, extent=extent, interpolation="none")
    _name_regions(axes, [windows.units.regions[i] for i in rows])
    if windows.before:
        axes.axvline(0, color=SOFT, linewidth=1, linestyle="--")
    axes.set_xlabel("seconds from the event" if windows.before else "seconds")
    note = f"mean over {len(windows)} windows"
    heading(axes, "Recorded" if prediction is None else f"Predicted: {prediction.scheme}", note)
    return axes


def _recorded(windows: Windows) -> Float[ndarray, "window bin unit"]:
    return np.where(windows.valid, windows.counts, np.nan) / windows.bin_size


def _rates(windows: Windows, prediction: Prediction | None) -> Float[ndarray, "window bin unit"]:
    """Rates of the windows' own units, recorded or predicted, in spikes/s."""
    if prediction is None:
        return _recorded(windows)
    if prediction.units.keys != windows.units.keys or prediction.rates.shape[1] != windows.bins:
        raise RecordingError(
            f"The prediction has {len(prediction.units)} units and {prediction.rates.shape[1]} bins, the windows have "
            f"{len(windows.units)} and {windows.bins}. Pass the windows that were predicted.",
            kind="bad_selection",
        )
    return np.asarray(prediction.rates, np.float64)


def _mean(rates: Float[ndarray, "window bin unit"]) -> Float[ndarray, "bin unit"]:
    """The mean over windows, lightly smoothed; NaN where nothing is known."""
    mean = known_mean(rates)
    known = np.isfinite(mean)
    weight = gaussian_filter1d(known.astype(np.float64), SMOOTH, axis=0)
    smooth = gaussian_filter1d(np.where(known, mean, 0.0), SMOOTH, axis=0) / np.maximum(weight, 1e-12)
    return np.where(known, smooth, np.nan)


def known_mean(rates: Float[ndarray, "window ..."]) -> Float[ndarray, "..."]:
    """The mean over windows of what is known; NaN where nothing is."""
    known = np.isfinite(rates)
    count = known.sum(axis=0)
    total = np.where(known, rates, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _name_regions(axes: Axes, regions: list[str]) -> None:
    row, ticks, names = 0, [], []
    for name, members in groupby(regions):
        size = len(list(members))
        if row:
            axes.axhline(row, color="white", linewidth=1.5)
        ticks.append(row + size / 2)
        names.append(name)
        row += size
    axes.set_yticks(ticks, names)
    axes.tick_params(axis="y", length=0)


def psth(
    windows: Windows,
    unit: str | int,
    prediction: Prediction | None = None,
    *,
    by: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Mean rate of one unit, by a trial column, with its standard error; predicted rates as thick lines.

    A unit is named by its key, or by its position among the windows' units.
    """
    axes = own_or_new(ax, 4.6, 3.2)
    index = _position(windows, unit)
    recorded = gaussian_filter1d(np.nan_to_num(_recorded(windows)[:, :, index]), SMOOTH, axis=1)
    predicted = None if prediction is None else _rates(windows, prediction)[:, :, index]
    time = -windows.before + (np.arange(windows.bins) + 0.5) * windows.bin_size
    for (name, mask), color, dash in zip(_conditions(windows, by), SERIES, DASHES):
        mean, error = recorded[mask].mean(axis=0), recorded[mask].std(axis=0) / np.sqrt(mask.sum())
        axes.fill_between(time, mean - error, mean + error, color=color, alpha=0.15, linewidth=0)
        label = f"{name} ({int(mask.sum())})"
        axes.plot(time, mean, color=color, linewidth=1, label=label if predicted is None else None)
        if predicted is not None:
            axes.plot(time, known_mean(predicted[mask]), color=color, linewidth=2, linestyle=dash, label=label)
    if windows.before:
        axes.axvline(0, color=SOFT, linewidth=1, linestyle="--")
    axes.set_xlabel("seconds from the event" if windows.before else "seconds")
    axes.set_ylabel("spikes/s")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8.5)
    heading(axes, f"Unit {windows.units.keys[index]}", windows.units.regions[index])
    return axes


def _position(windows: Windows, unit: str | int) -> int:
    keys = windows.units.keys
    if isinstance(unit, str) and unit in keys:
        return keys.index(unit)
    if isinstance(unit, int) and 0 <= unit < len(keys):
        return unit
    known = ", ".join(keys[:5])
    raise RecordingError(
        f"{windows.session} has no unit {unit!r}; it has {len(keys)}: {known}, …", kind="bad_selection"
    )


def _conditions(windows: Windows, by: str | None) -> list[tuple[str, ndarray]]:
    """The commonest values of a trial column, and which windows have them."""
    if by is None:
        return [("all windows", np.ones(len(windows), bool))]
    labels = np.array([str(value) for value in windows.trial_column(by)])
    names, counts = np.unique(labels, return_counts=True)
    common = sorted(names[np.argsort(-counts, kind="stable")][:MOST_CONDITIONS])
    return [(str(name), labels == name) for name in common]
