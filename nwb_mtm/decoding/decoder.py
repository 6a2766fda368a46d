"""Decode trial labels and behaviour from spikes, from a model's rates and latents, and from single regions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy import ndarray

from nwb_mtm.decoding.features import TrialFeatures, filled_counts, series_features, trailing
from nwb_mtm.decoding.nulls import p_value
from nwb_mtm.decoding.predictor import Predictor, predictor_of
from nwb_mtm.decoding.problem import SeriesProblem
from nwb_mtm.decoding.results import (
    COUNTS,
    LATENTS,
    RATES,
    Decoding,
    LabelDecoding,
    LabelScore,
    SeriesDecoding,
    SeriesScore,
    Sliding,
)
from nwb_mtm.decoding.series import decode_series, describe, fit_series, shift_shares
from nwb_mtm.decoding.targets import (
    choose,
    derived_velocity,
    events_inside,
    giveaway,
    is_position,
    labels_of,
    targets_for,
    unusable,
)
from nwb_mtm.decoding.trials import LabelProblem, decode_trials, fit_labels, null_auc, score_labels
from nwb_mtm.passes import mask_regions
from nwb_mtm.threads import threads_for
from nwb_mtm.windows import BinnedBehavior, Windows

if TYPE_CHECKING:
    from nwb_mtm.checkpoint import Checkpoint


LEVEL = 0.05  # below which a time of the sliding windows is called above chance


@dataclass(frozen=True)
class DecodingConfig:
    """How decoding is done."""

    permutations: int = 200  # of labels, or shifts of a series, in every null
    draws: int = 1000  # resamples behind every interval
    regions: bool = True  # also from single regions
    sliding_width: float = 0.2  # seconds; 0 for no sliding windows
    sliding_step: float = 0.1
    sliding_permutations: int = 100
    trial_features: TrialFeatures = TrialFeatures()
    seed: int = 0


Activity = Callable[[Bool[ndarray, " unit"] | None], Float[ndarray, "window bin feature"]]


def decode(
    windows: Windows,
    model: "Predictor | Checkpoint | str | Path | None" = None,
    *,
    targets: Sequence[str] | None = None,
    config: DecodingConfig | None = None,
) -> Decoding:
    """Decode on test windows what was fitted on training and validation windows.

    `windows` hold all parts of one session's split. Without a model, spikes alone are read. Without `targets`, up
    to five trial columns and five series are decoded.
    """
    config = config or DecodingConfig()
    predictor = predictor_of(model)
    picked = choose(windows, targets)
    sources = _sources(windows, predictor)
    running = _running(windows, predictor) if config.sliding_width else {}
    with threads_for():
        labels = {name: _decode_column(windows, name, sources, running, config) for name in picked.columns}
    behaviors = [one for name in picked.series for one in _with_velocity(windows, name)]
    with threads_for(len(windows.units)):
        series = {one.name: _decode_series(windows, one, sources, config) for one in behaviors}
    return Decoding(windows.session, _protocol(windows, config), labels, series, picked.left)


def _protocol(windows: Windows, config: DecodingConfig) -> dict[str, Any]:
    split = windows.partition
    return {
        "alignment": windows.alignment,
        "bins": windows.bins,
        "bin_size": windows.bin_size,
        "split": "none" if split is None else split.kind,
        "pool": config.trial_features.pool,
        "root": config.trial_features.root,
        "permutations": config.permutations,
        "seed": config.seed,
    }


def _sources(windows: Windows, predictor: Predictor | None) -> dict[str, Activity]:
    """Every kind of activity, from the visible units; a model is asked once for each choice of them."""
    counts = filled_counts(windows)
    found: dict[str, Activity] = {COUNTS: lambda visible: counts if visible is None else counts[:, :, visible]}
    if predictor is not None:
        found[RATES] = _remember(lambda visible: _model_counts(windows, predictor, visible))
        found[LATENTS] = _remember(lambda visible: predictor.latents(windows, visible=visible))
    return found


def _running(windows: Windows, predictor: Predictor | None) -> dict[str, Float[ndarray, "window bin feature"]]:
    """Activity in which no bin knows of a later one."""
    if predictor is None:
        return {COUNTS: filled_counts(windows)}
    return {COUNTS: filled_counts(windows), LATENTS: predictor.latents(windows, causal=True)}


def _model_counts(
    windows: Windows, predictor: Predictor, visible: Bool[ndarray, " unit"] | None
) -> Float32[ndarray, "window bin shown"]:
    """Expected counts of the visible units, from the visible units."""
    expected = np.asarray(predictor.expected(windows, visible=visible), np.float32)
    return expected if visible is None else expected[:, :, visible]


def _remember(source: Activity) -> Activity:
    kept: dict[bytes, ndarray] = {}

    def recalled(visible: Bool[ndarray, " unit"] | None) -> ndarray:
        key = b"all" if visible is None else np.asarray(visible).tobytes()
        if key not in kept:
            kept[key] = source(visible)
        return kept[key]

    return recalled


def _trial_table(
    source: str, activity: Float[ndarray, "window bin column"], windows: Windows, config: DecodingConfig
) -> Float32[ndarray, "window feature"]:
    """Latents are pooled but not square-rooted: they are no counts."""
    how = config.trial_features if source != LATENTS else replace(config.trial_features, root=False)
    return how.of(activity, windows.bin_size)


def _series_table(
    source: str, activity: Float[ndarray, "window bin column"], windows: Windows
) -> Float32[ndarray, "window bin feature"]:
    """Counts are smoothed; what a model says is smooth already."""
    train = np.flatnonzero(windows.part == 0)
    if source == COUNTS:
        return series_features(activity, windows.bin_size, train)
    return series_features(activity, windows.bin_size, train, smooth=0.0)


def _decode_column(
    windows: Windows,
    name: str,
    sources: Mapping[str, Activity],
    running: Mapping[str, Float[ndarray, "window bin feature"]],
    config: DecodingConfig,
) -> LabelDecoding:
    events = events_inside(windows)
    warning = giveaway(name, events)
    tables = {kind: _trial_table(kind, source(None), windows, config) for kind, source in sources.items()}
    assert windows.part is not None
    found, problem = decode_trials(
        tables,
        labels_of(windows, name),
        windows.part,
        windows.start,
        windows.stop,
        permutations=config.permutations,
        draws=config.draws,
        seed=config.seed,
        warnings=(warning,) if warning else (),
    )
    found = replace(found, events={e.name: (e.share, e.offset) for e in events})
    if not problem.possible:
        return found
    regions = _label_regions(windows, problem, sources, config) if config.regions else {}
    sliding = {kind: _slide(windows, kind, activity, problem, config) for kind, activity in running.items()}
    return replace(found, regions=regions, sliding=sliding)


def region_masks(windows: Windows) -> dict[str, Bool[ndarray, " unit"]]:
    """The units of every region that is large enough to be read alone."""
    labels = np.array(windows.units.regions, dtype=str)
    return {region: labels == region for region in mask_regions(windows.units)}


def _label_regions(
    windows: Windows, problem: LabelProblem, sources: Mapping[str, Activity], config: DecodingConfig
) -> dict[str, dict[str, LabelScore]]:
    """Every region alone; its p compares it with the best of all regions under permuted labels."""
    clock, masks = fit_labels(problem, problem.clock), region_masks(windows)
    fewer = problem.null and problem.null.first(config.sliding_permutations)
    quick = replace(problem, null=fewer)
    out: dict[str, dict[str, LabelScore]] = {region: {} for region in masks}
    for kind, source in sources.items():
        tables = {region: _trial_table(kind, source(mask), windows, config) for region, mask in masks.items()}
        fits = {region: fit_labels(problem, table[problem.rows]) for region, table in tables.items()}
        best = _best([null_auc(quick, fit) for fit in fits.values()])
        for region, fit in fits.items():
            found = score_labels(quick, fit, clock, best)
            out[region][kind] = replace(found, units=int(masks[region].sum()))
    return out


def _best(nulls: Sequence[Float[ndarray, " draw"]]) -> Float[ndarray, " draw"]:
    """The best of all regions in every draw of the null."""
    return np.max(nulls, axis=0) if len(nulls) else np.zeros(0)


def _slide(
    windows: Windows,
    kind: str,
    activity: Float[ndarray, "window bin feature"],
    problem: LabelProblem,
    config: DecodingConfig,
) -> Sliding:
    """Activity of a short stretch at a time; the null takes the best of all times."""
    times, stretches = trailing(
        activity, windows.bin_size, width=config.sliding_width, step=config.sliding_step, root=kind != LATENTS
    )
    fits = [fit_labels(problem, stretch[problem.rows]) for stretch in stretches]
    scores = [score_labels(problem, fit, None, np.zeros(0)) for fit in fits]
    p, first = None, None
    if problem.null is not None:
        problem = replace(problem, null=problem.null.first(config.sliding_permutations))
        assert problem.null is not None
        null = np.max([null_auc(problem, fit) for fit in fits], axis=0)
        ps = [p_value(s.auc.value, null, problem.null.floor) for s in scores]
        p = min(ps)
        above = [t for t, one in zip(times, ps) if one < LEVEL]
        first = float(above[0] - windows.before) if above else None
    return Sliding(
        width=config.sliding_width,
        time=tuple(float(t - windows.before) for t in times),
        auc=tuple(s.auc for s in scores),
        balanced_accuracy=tuple(s.balanced_accuracy for s in scores),
        p=p,
        first=first,
    )


def _with_velocity(windows: Windows, name: str) -> list[BinnedBehavior]:
    series = windows.behaviors[name]
    if not is_position(name, tuple(windows.behaviors)):
        return [series]
    return [series, derived_velocity(series, windows.bin_size)]


def _decode_series(
    windows: Windows, series: BinnedBehavior, sources: Mapping[str, Activity], config: DecodingConfig
) -> SeriesDecoding:
    tables = {kind: _series_table(kind, source(None), windows) for kind, source in sources.items()}
    assert windows.part is not None
    reason = unusable(series)
    found, problem = decode_series(
        tables,
        series.name,
        targets_for(series),
        series.valid,
        windows.part,
        windows.start,
        windows.stop,
        permutations=config.permutations,
        draws=config.draws,
        seed=config.seed,
        warnings=(f"{series.name}: {reason}.",) if reason else (),
    )
    if not problem.possible or not config.regions:
        return found
    lags = {kind: score.lag for kind, score in found.scores.items()}
    return replace(found, regions=_series_regions(windows, problem, sources, lags))


def _series_regions(
    windows: Windows, problem: SeriesProblem, sources: Mapping[str, Activity], lags: Mapping[str, float]
) -> dict[str, dict[str, SeriesScore]]:
    """Every region alone, at the lag of all units; its p compares it with the best of all regions under shifts."""
    masks = region_masks(windows)
    out: dict[str, dict[str, SeriesScore]] = {region: {} for region in masks}
    for kind, source in sources.items():
        lag, shares = round(lags.get(kind, 0.0) / problem.bin_size), {}
        for region, mask in masks.items():
            fitted = fit_series(problem, _series_table(kind, source(mask), windows)[problem.rows], lag=lag)
            shares[region] = shift_shares(problem, fitted)
            out[region][kind] = replace(describe(problem, fitted), units=int(mask.sum()))
        best = _best([share[1:] for share in shares.values() if len(share)])
        for region, share in shares.items():
            p = p_value(float(share[0]), best, 1 / len(share)) if len(share) else None
            out[region][kind] = replace(out[region][kind], p=p)
    return out
