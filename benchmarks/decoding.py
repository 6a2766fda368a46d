"""How often decoding calls chance significant: labels and series that activity knows nothing of.

    python benchmarks/decoding.py [SETS]

Activity and targets drift, run and remember on their own; the share of p < .05 should lie between 2 and 9 %.
"""

import sys
from collections.abc import Callable

import numpy as np
from numpy import ndarray

from nwb_mtm import splits
from nwb_mtm.decoding.problem import SeriesProblem
from nwb_mtm.decoding.series import score_series
from nwb_mtm.decoding.targets import Labels
from nwb_mtm.decoding.trials import LabelProblem, fit_labels, null_auc, score_labels

WINDOWS, FEATURES, BINS = 200, 40, 10


def wandering(rng: np.random.Generator, rows: int, columns: int, keep: float) -> ndarray:
    """Noise that remembers its last value."""
    from scipy.signal import lfilter

    return lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.standard_normal((rows + 100, columns)), axis=0)[100:]


def parts() -> tuple[ndarray, ndarray, ndarray]:
    start = np.arange(WINDOWS) * 3.0
    split = splits.blocks(start, start + 2.0)
    return split.parts(start, start + 2.0), start, start + 2.0


def independent(rng: np.random.Generator) -> ndarray:
    return rng.integers(0, 2, WINDOWS)


def sticky(rng: np.random.Generator) -> ndarray:
    return np.cumsum(rng.random(WINDOWS) < 0.3) % 2


def blocked(rng: np.random.Generator) -> ndarray:
    return np.repeat(np.arange(20) % 2, rng.integers(8, 30, 20))[:WINDOWS]


def growing(rng: np.random.Generator) -> ndarray:
    return (rng.random(WINDOWS) < np.linspace(0.15, 0.6, WINDOWS)).astype(int)


def rare(rng: np.random.Generator) -> ndarray:
    return (rng.random(WINDOWS) < 0.12).astype(int)


def label_p(draw: Callable[[np.random.Generator], ndarray], keep: float, seed: int) -> float:
    """One data set in which labels and features have nothing to do with each other."""
    rng = np.random.default_rng([1, seed])
    part, start, stop = parts()
    labels = Labels.of("label", draw(rng))
    problem = LabelProblem.of(labels, part, start, stop, permutations=100, draws=20, seed=seed)
    if problem.null is None or not problem.possible:
        return float("nan")
    trend = np.linspace(-1, 1, WINDOWS)[:, None] * rng.standard_normal(FEATURES)
    features = (wandering(rng, WINDOWS, FEATURES, keep) + trend)[problem.rows]
    fit = fit_labels(problem, features)
    p = score_labels(problem, fit, None, null_auc(problem, fit)).p
    return float("nan") if p is None else p


def series_p(keep: float, drift: float, seed: int) -> float:
    """One data set in which a series and the features have nothing to do with each other."""
    rng = np.random.default_rng([2, seed])
    part, start, stop = parts()
    values = wandering(rng, WINDOWS * BINS, 1, keep).reshape(WINDOWS, BINS, 1)
    values = values + drift * wandering(rng, WINDOWS, 1, 0.97)[:, None]
    features = wandering(rng, WINDOWS * BINS, FEATURES, 0.9).reshape(WINDOWS, BINS, FEATURES)
    features = features + drift * wandering(rng, WINDOWS, FEATURES, 0.97)[:, None]
    problem = SeriesProblem.of(
        values, np.ones((WINDOWS, BINS), bool), part, start, stop, permutations=100, draws=20, seed=seed
    )
    if not problem.possible or not len(problem.shifts):
        return float("nan")
    p = score_series(problem, features).p
    return float("nan") if p is None else p


def told(name: str, values: list[float]) -> None:
    known = np.array(values)[np.isfinite(values)]
    share = (known < 0.05).mean() if len(known) else float("nan")
    print(f"{name:52s} {share:6.1%} of {len(known)} ({len(values) - len(known)} not tested)", flush=True)


def main() -> None:
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for draw in (independent, sticky, blocked, growing, rare):
        for keep in (0.0, 0.9):
            name = f"labels {draw.__name__}, features remember {keep:g}"
            told(name, [label_p(draw, keep, seed) for seed in range(sets)])
    for keep, drift in ((0.5, 0.0), (0.95, 0.0), (0.95, 0.5), (0.995, 0.5)):
        name = f"series remembers {keep:g}, drift {drift:g}"
        told(name, [series_p(keep, drift, seed) for seed in range(sets)])


if __name__ == "__main__":
    main()
