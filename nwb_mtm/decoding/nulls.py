"""Labels and series as they might have been: order broken, runs and slow drift kept."""

from dataclasses import dataclass
from math import lgamma

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

LEAST_RUNS = 8  # fewer runs of one label than this are too few to permute
LOCAL = 30  # windows within which short-lived labels are shuffled
STRETCH_RUNS = 16  # runs within which long-lived labels exchange their lengths
LONG_RUN = 6  # windows in a run, on average, from which on a run is kept on one side
STICKY = -1.5  # standard deviations below the runs of a shuffled sequence that count as long runs
FORGOTTEN = 0.1  # autocorrelation over windows below which two windows count as apart


def run_numbers(codes: Int[ndarray, " window"]) -> Int[ndarray, " window"]:
    """Number the runs of equal labels, in time order.

    >>> run_numbers(np.array([0, 0, 1, 1, 0])).tolist()
    [0, 0, 1, 1, 2]
    """
    return np.concatenate([[0], np.cumsum(np.diff(codes) != 0)])[: len(codes)]


def has_long_runs(codes: Int[ndarray, " window"]) -> bool:
    """Whether equal labels follow each other more often than in a shuffled sequence (Wald-Wolfowitz)."""
    count = len(codes)
    if count < 3:
        return False
    share = np.bincount(codes) / count
    squares, cubes = (share**2).sum(), (share**3).sum()
    expected = 1 + count * (1 - squares)
    spread = np.sqrt(max(count * (squares + squares**2 - 2 * cubes), 1e-9))
    return bool((run_numbers(codes)[-1] + 1 - expected) / spread < STICKY)


@dataclass(frozen=True, eq=False)
class LabelNull:
    """Permuted labels of windows in time order, the rule that made them, and the smallest p it allows."""

    rule: str
    codes: Int[ndarray, "window permutation"]
    floor: float
    runs: int

    def first(self, count: int) -> "LabelNull":
        """Fewer permutations."""
        codes = self.codes[:, :count]
        return LabelNull(self.rule, codes, max(self.floor, 1 / (codes.shape[1] + 1)), self.runs)


def permuted_labels(codes: Int[ndarray, " window"], count: int, rng: np.random.Generator) -> LabelNull:
    """Shuffle short-lived labels near by; let long runs exchange their lengths and keep their order.

    Where each label's run lengths come from one distribution, the second rule is exact whatever drifts in the features.
    """
    runs = int(run_numbers(codes)[-1]) + 1 if len(codes) else 0
    if has_long_runs(codes):
        stretches = _stretches(codes)
        drawn = [np.concatenate([_exchange_lengths(codes[s], rng) for s in stretches]) for _ in range(count)]
        ways = sum(_log_length_orders(codes[s]) for s in stretches)
        rule = f"run lengths exchanged within stretches of about {STRETCH_RUNS} runs"
    else:
        blocks = np.array_split(np.arange(len(codes)), max(1, round(len(codes) / LOCAL)))
        drawn = [np.concatenate([rng.permutation(codes[b]) for b in blocks]) for _ in range(count)]
        ways = sum(_log_orders(np.bincount(codes[b])) for b in blocks)
        rule = f"labels shuffled within about {LOCAL} consecutive windows"
    columns = np.stack(drawn, axis=1) if drawn else np.zeros((len(codes), 0), np.int64)
    return LabelNull(rule, columns, max(1 / (count + 1), float(np.exp(-min(ways, 700.0)))), runs)


def _stretches(codes: Int[ndarray, " window"]) -> list[Int[ndarray, " row"]]:
    run = run_numbers(codes)
    pieces = np.array_split(np.arange(run[-1] + 1), max(1, (run[-1] + 1) // STRETCH_RUNS))
    return [np.flatnonzero((run >= p[0]) & (run <= p[-1])) for p in pieces]


def _exchange_lengths(codes: Int[ndarray, " row"], rng: np.random.Generator) -> Int[ndarray, " row"]:
    run = run_numbers(codes)
    lengths = np.bincount(run)
    labels = codes[np.concatenate([[0], np.cumsum(lengths)[:-1]])]
    new = lengths.copy()
    for label in np.unique(labels):
        new[labels == label] = rng.permutation(lengths[labels == label])
    return np.repeat(labels, new)


def _log_length_orders(codes: Int[ndarray, " row"]) -> float:
    run = run_numbers(codes)
    lengths = np.bincount(run)
    labels = codes[np.concatenate([[0], np.cumsum(lengths)[:-1]])]
    return sum(_log_orders(np.unique(lengths[labels == k], return_counts=True)[1]) for k in np.unique(labels))


def _log_orders(counts: Int[ndarray, " kind"]) -> float:
    """Log of how many ways there are to order things of which some are alike."""
    return lgamma(counts.sum() + 1) - sum(lgamma(c + 1) for c in counts)


def p_value(observed: float, null: Float[ndarray, " permutation"], floor: float) -> float:
    """Share of permutations at least as good, the observed one among them; never below the floor."""
    known = null[np.isfinite(null)]
    return float(max((1 + (known >= observed - 1e-12).sum()) / (1 + len(known)), floor))


def memory(residuals: Float[ndarray, "window bin dim"], longest: int) -> int:
    """After how many windows a series has forgotten itself (autocorrelation below a tenth)."""
    flat = residuals.reshape(len(residuals), -1)
    power = max(float((flat**2).mean()), 1e-12)
    for lag in range(1, longest + 1):
        if float((flat[lag:] * flat[:-lag]).mean()) / power < FORGOTTEN:
            return lag
    return longest + 1


def window_shifts(windows: int, least: int, count: int) -> Int[ndarray, " shift"]:
    """Cyclic shifts by whole windows, evenly spread, none closer to zero than `least`.

    >>> window_shifts(10, 2, 100).tolist()
    [2, 3, 4, 5, 6, 7, 8]
    """
    offered = np.arange(least, windows - least + 1)
    if len(offered) <= count:
        return offered
    return np.asarray(offered[np.unique(np.linspace(0, len(offered) - 1, count).round().astype(int))])


def same_run(codes: Int[ndarray, " window"], test: Bool[ndarray, " window"]) -> Bool[ndarray, " window"]:
    """Windows that are not test but lie in a run of labels that test windows share."""
    run = run_numbers(codes)
    return np.asarray(np.isin(run, run[test]) & ~test)


def runs_matter(codes: Int[ndarray, " window"]) -> bool:
    """Whether runs are so long that a window of one tells another of the same by the time alone."""
    return has_long_runs(codes) and len(codes) >= LONG_RUN * (int(run_numbers(codes)[-1]) + 1)


def whole_runs(
    codes: Int[ndarray, " window"], fits: Bool[ndarray, " window"], test: Bool[ndarray, " window"]
) -> tuple[Bool[ndarray, " window"], Bool[ndarray, " window"]]:
    """Training and test windows such that no run of labels has both.

    Of each label, runs that are mostly test windows become test: at least the one with most, at most half of them.
    """
    run = run_numbers(codes)
    share = np.bincount(run, test) / np.maximum(np.bincount(run, test | fits), 1)
    label = codes[np.searchsorted(run, np.arange(run[-1] + 1))]
    there = np.zeros(len(share), bool)
    for one in np.unique(label):
        mine = np.flatnonzero(label == one)
        mine = mine[np.argsort(-share[mine], kind="stable")]
        wanted = int(np.clip((share[mine] >= 0.5).sum(), 1, max(len(mine) // 2, 1)))
        there[mine[:wanted]] = True
    return fits & ~there[run], test & there[run]
