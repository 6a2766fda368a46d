"""Does the map of regions find the couplings that were planted?

    python benchmarks/regionmap.py [SEEDS]

Simulated sessions with and without the slow state that all regions share; for each measure the area under the ROC
curve of planted against absent ordered pairs, and how many of either are called at q < .05.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from sklearn.metrics import roc_auc_score

from nwb_mtm.regionmap.fit import MEASURES
from nwb_mtm.regionmap.map import RegionMap, map_regions
from nwb_mtm.synthetic import dynamics, simulate
from nwb_mtm.windows import Windows


@contextmanager
def slow_state(present: bool) -> Iterator[None]:
    """Simulate with or without the slow state that units of all regions follow."""
    drawn = dynamics.draw_population

    def still(rng: np.random.Generator, units: int) -> dynamics.Population:
        population = drawn(rng, units)
        return replace(population, slow=np.zeros_like(population.slow))

    if not present:
        dynamics.draw_population = still
    try:
        yield
    finally:
        dynamics.draw_population = drawn


def one_map(seed: int, slow: bool) -> tuple[RegionMap, set[tuple[str, str]]]:
    """The map of one simulated session, and the pairs that were planted."""
    with slow_state(slow):
        session = next(iter(simulate(sessions=1, units=150, trials=200, seed=seed)))
    windows = Windows.around(session.recording, "trials.stim_on_time")
    planted = {(c["source"], c["target"]) for c in session.truth["couplings"]}
    return map_regions(windows), planted


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for slow in (True, False):
        areas: dict[str, list[tuple[float, float]]] = {m: [] for m in MEASURES}
        called: dict[str, list[tuple[int, int]]] = {m: [] for m in MEASURES}
        began = time.perf_counter()
        for seed in range(seeds):
            found, planted = one_map(seed, slow)
            truth = np.array([(e.source, e.target) in planted for e in found.edges])
            for measure in MEASURES:
                strengths = [e.strengths[measure] for e in found.edges]
                plain, even = [s.value.value for s in strengths], [s.matched.value for s in strengths]
                areas[measure].append((roc_auc_score(truth, plain), roc_auc_score(truth, even)))
                kept = np.array([s.q < 0.05 for s in strengths])
                called[measure].append((int(kept[truth].sum()), int(kept[~truth].sum())))
        print(f"slow state {'on' if slow else 'off'}: {(time.perf_counter() - began) / seeds:.1f} s a session")
        for measure in MEASURES:
            plain, even = np.mean(areas[measure], axis=0)
            least = np.min(areas[measure], axis=0)
            right, wrong = np.sum(called[measure], axis=0)
            print(
                f"  {measure:9s} AUC {plain:.3f} (lowest {least[0]:.2f}), matched {even:.3f} (lowest {least[1]:.2f}); "
                f"q < .05: {right} of {4 * seeds} planted, {wrong} of {16 * seeds} absent"
            )


if __name__ == "__main__":
    main()
