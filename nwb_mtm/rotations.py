"""Splits in turn: several of one recording, whose test parts together hold every window, each once."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nwb_mtm.binning import merge_intervals
from nwb_mtm.errors import ConfigError, RecordingError
from nwb_mtm.splits import (
    BLOCK_SECONDS,
    LEAST_BLOCKS,
    TEST,
    TRAIN,
    VALID,
    Split,
    clusters,
    from_parts,
    interleave,
    snap,
)

SLACK = 1e-6  # seconds by which a window may reach over an edge


def rotations(
    kind: str,
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    *,
    folds: int,
    shares: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> tuple[Split, ...]:
    """As many splits as folds; only the ratio of training to validation is taken from the shares.

    >>> start = np.arange(0.0, 600.0, 2.0)
    >>> splits = rotations("blocks", start, start + 2.0, folds=5)
    >>> np.unique(np.sum([s.parts(start, start + 2.0) == TEST for s in splits], axis=0)).tolist()
    [1]
    """
    makers = {"blocks": _blocks, "random": _random}
    if kind not in makers:
        raise ConfigError(
            f"Several folds need a split of kind {' or '.join(makers)}, not {kind!r}: every window is tested once.",
            kind="bad_value",
        )
    if len(start) < 2 * folds:
        raise RecordingError(f"{len(start)} windows are too few for {folds} folds.", kind="no_windows")
    valid = shares[1] / (shares[0] + shares[1])
    return makers[kind](np.asarray(start, float), np.asarray(stop, float), folds, valid, seed)


def _blocks(start: ndarray, stop: ndarray, folds: int, valid: float, seed: int) -> tuple[Split, ...]:
    """Blocks of consecutive time, dealt out in turn; beside a test block one window length is not used."""
    first, last = float(start.min()), float(stop.max())
    least = max(LEAST_BLOCKS, np.ceil(folds / (folds - 1) / valid), round((last - first) / BLOCK_SECONDS))
    count = min(folds * int(np.ceil(least / folds)), len(start) // folds * folds)
    edges = snap(np.linspace(first, last, count + 1), start, stop)
    width = float(np.median(stop - start))
    turn = np.roll(np.arange(count) % folds, int(np.random.default_rng(seed).integers(folds)))
    return tuple(_split(edges, _parts(turn == fold, valid, seed + fold), width, seed) for fold in range(folds))


def _parts(tested: ndarray, valid: float, seed: int) -> Int[ndarray, " block"]:
    parts = np.full(len(tested), TEST, np.int64)
    parts[~tested] = interleave(int((~tested).sum()), (1 - valid, valid, 0.0), seed)
    return parts


def _split(edges: ndarray, parts: ndarray, width: float, seed: int) -> Split:
    """Test blocks are used whole, so the gap beside them is taken from their neighbours."""
    lists: list[list[tuple[float, float]]] = [[], [], []]
    guard: list[tuple[float, float]] = []
    beside = [None, *parts.tolist(), None]
    for low, high, before, part, after in zip(edges[:-1], edges[1:], beside[:-2], beside[1:-1], beside[2:]):
        first, last = low + _gap(part, before, width), high - _gap(part, after, width)
        guard += [(low + SLACK, first), (last, high - SLACK)]
        if last > first:
            lists[part].append((float(first), float(last)))
    train, valid, test = (merge_intervals(np.array(part).reshape(-1, 2)) for part in lists)
    spans = np.array([(a, b) for a, b in guard if b > a]).reshape(-1, 2)
    return Split("blocks", train, valid, test, merge_intervals(spans), seed)


def _gap(part: int, other: int | None, width: float) -> float:
    """What a block gives up at an edge to another part."""
    if other in (part, None) or part == TEST:
        return 0.0
    return width if other == TEST else width / 2


def _random(start: ndarray, stop: ndarray, folds: int, valid: float, seed: int) -> tuple[Split, ...]:
    """Windows (trials) at random; windows that overlap stay together."""
    cluster = clusters(start, stop)
    count = int(cluster.max()) + 1
    place = np.random.default_rng(seed).permutation(count)
    found = []
    for fold in range(folds):
        part = np.where(place % folds == fold, TEST, TRAIN)
        rest = np.flatnonzero(part == TRAIN)
        chosen = np.random.default_rng([seed, fold]).permutation(rest)[: max(1, round(valid * len(rest)))]
        part[chosen] = VALID
        found.append(from_parts(start, stop, part[cluster], kind="random", seed=seed))
    return tuple(found)
