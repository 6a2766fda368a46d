"""Whether intervals cover, guards guard, alarms stay silent on clean sessions, and how long scoring takes.

Run with `python benchmarks/scores.py [coverage|flaws|time] ...`; without a word, all three.
"""

import sys
import time
from collections.abc import Callable

import numpy as np

from nwb_mtm.evaluation.scoring import evaluate
from nwb_mtm.evaluation.tallies import Tally
from nwb_mtm.intervals import block_draws
from nwb_mtm.metrics import STATISTICS, sums, unit_scores
from nwb_mtm.synthetic.session import simulate
from nwb_mtm.windows import Windows

WINDOWS, BINS, UNITS = 60, 50, 20


def coverage(sets: int = 1000, independent: int = 2000) -> None:
    """How often the interval holds the score's expectation: known rates, a fixed predictor, fresh spikes."""
    weights = block_draws(WINDOWS)
    print(f"{sets} data sets of {WINDOWS} windows; expectation from {independent} others")
    print("rates            predictor   " + "  ".join(f"{name:>19}" for name in STATISTICS))
    for level in (2.0, 8.0):
        for name, predict in (("the truth", lambda rates: rates), ("constant", lambda rates: 0 * rates + rates.mean())):
            rng = np.random.default_rng(1)
            rates = 0.02 * level * rng.gamma(4.0, 0.25, (BINS, UNITS)) * rng.gamma(3.0, 1 / 3, UNITS)
            expected = np.broadcast_to(predict(rates), (WINDOWS, BINS, UNITS))
            drawn = [_tally(rates, expected, weights, rng) for _ in range(independent + sets)]
            center = _expectation(drawn[:independent])
            inside = _inside(drawn[independent:], center)
            print(
                f"{level:>4.0f} spikes/s    {name:>10}   " + "  ".join(f"{inside[n] / sets:19.3f}" for n in STATISTICS)
            )


def _tally(rates: np.ndarray, expected: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> Tally:
    return Tally(sums(rng.poisson(rates, expected.shape), expected), rates.mean(axis=0), weights)


def _expectation(tallies: list[Tally]) -> dict[str, float]:
    found = [unit_scores(tally.sums.total(), tally.train_mean) for tally in tallies]
    return {name: float(np.nanmean([f(scores)[0] for scores in found])) for name, f in STATISTICS.items()}


def _inside(tallies: list[Tally], center: dict[str, float]) -> dict[str, int]:
    every = np.ones(UNITS, bool)
    tables = [tally.table(every) for tally in tallies]
    values = {name: [getattr(table, name) for table in tables] for name in STATISTICS}
    return {name: sum(v.low <= center[name] <= v.high for v in rows) for name, rows in values.items()}


def flaws() -> None:
    """Inflation and alarms for every flaw, and alarms of clean sessions."""
    import flaws as planted

    planted.main([])


def duration() -> None:
    """Seconds for 300 units and about 60 test windows, everything with folds."""
    drawn = next(iter(simulate(sessions=1, units=300, trials=300, seed=0)))
    windows = Windows.around(drawn.recording, "trials.stim_on_time", before=0.5, after=1.5).with_split()
    print(windows)
    started, spent = time.perf_counter(), time.process_time()
    evaluate(None, windows, recordings={windows.session: drawn.recording})
    print(f"{time.perf_counter() - started:.0f} s, {time.process_time() - spent:.0f} s of processor time")


PARTS: dict[str, Callable[[], None]] = {"coverage": coverage, "flaws": flaws, "time": duration}

if __name__ == "__main__":
    for part in sys.argv[1:] or list(PARTS):
        PARTS[part]()
