"""Single test windows to look at: what one pass hid, what was there, what was predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from nwb_mtm.recording import UNKNOWN
from nwb_mtm.report.figures import NOTHING, Example
from nwb_mtm.windows import Windows


def median_examples(
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
        known = np.isfinite(expected[window][:, rows])
        if score in hidden:
            known &= hidden[score][window][:, rows]
        block = example_block(score, [test.units.regions[i] for i in rows], known.T[:, starts])
        if block.covered.any():
            made.append(_example(score, block, counts, columns(expected[window][:, rows], step).T, test, rows))
    return made


def _example(
    score: str,
    block: "Block",
    counts: Int[ndarray, "row column"],
    expected: Float[ndarray, "row column"],
    test: Windows,
    rows: Int[ndarray, " row"],
) -> Example:
    top = float(np.quantile(expected[block.covered], 0.995)) or 1.0
    shown = np.where(block.covered, expected, np.nan)
    level = to_levels(shown, np.zeros((len(rows), 1)), np.full((len(rows), 1), top))
    return Example(
        score=score,
        what=block.what,
        regions=tuple(test.units.regions[rows[i]] for i in block.order),
        counts=np.minimum(counts, 255).astype(np.uint8)[block.order],
        predicted=level[block.order],
        block=block.covered[block.order],
        unseen=block.unseen[block.order],
    )


@dataclass(frozen=True, eq=False)
class Block:
    """What one pass hides and predicts, what it hides besides, and rows in an order that keeps the block whole."""

    covered: Bool[ndarray, "row column"]
    unseen: Bool[ndarray, "row column"]
    order: Int[ndarray, " row"]
    what: str


def example_block(score: str, regions: Sequence[str], known: Bool[ndarray, "row column"]) -> Block:
    """One pass of a score, small enough to look at."""
    labels = np.array(regions)
    names, counts = np.unique(labels[labels != UNKNOWN], return_counts=True)
    largest = str(names[counts.argmax()]) if len(names) else UNKNOWN
    inside = labels == largest
    some = np.zeros(len(labels), bool)
    some[2::5] = True
    everything, nothing = np.arange(len(labels)), np.zeros_like(known)
    if score == "forward":
        return Block(known, nothing, everything, "the end of the window, in every unit")
    if score == "inter-region":
        return Block(known & inside[:, None], nothing, everything, f"every unit of {largest}")
    if score == "intra-region":
        some &= inside
        order = np.argsort(np.where(inside, some.astype(int), 2), kind="stable")
        unseen = np.broadcast_to(~inside[:, None], known.shape)
        return Block(known & some[:, None], unseen, order, f"some units of {largest}, and every other region")
    return Block(known & some[:, None], nothing, np.argsort(some, kind="stable"), "every fifth unit, drawn last")


def columns(values: Float[ndarray, "bin row"], step: int) -> Float[ndarray, "column row"]:
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
