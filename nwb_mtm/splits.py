"""Training, validation and test as intervals of time, so that no later cut can mix them up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nwb_mtm.binning import covered, merge_intervals, touches
from nwb_mtm.errors import ConfigError, RecordingError

TRAIN, VALID, TEST, DROPPED = 0, 1, 2, 3
PARTS = ("train", "valid", "test", "dropped")
Part = Literal["train", "valid", "test", "dropped"]
BLOCK_SECONDS = 300.0
LEAST_BLOCKS = 10
LARGEST_CLUSTER = 0.02  # a chain of overlapping windows longer than this share is cut into runs


@dataclass(frozen=True, eq=False)
class Split:
    """Which time belongs to which part of one recording; `guard` time is never used."""

    kind: str
    train: Float[ndarray, "_ 2"]
    valid: Float[ndarray, "_ 2"]
    test: Float[ndarray, "_ 2"]
    guard: Float[ndarray, "_ 2"]
    seed: int = 0

    def parts(
        self, start: Float[ndarray, " window"], stop: Float[ndarray, " window"], *, reach: float = 0.0
    ) -> Int[ndarray, " window"]:
        """The part of every window, however it was cut.

        A window that touches training, validation or guard time (plus `reach`) is never test;
        one that does not lie wholly inside training time is never training.
        """
        unseen = ~touches(start - reach, stop + reach, self.seen)
        unseen &= ~touches(start - reach, stop + reach, self.guard)
        part = np.full(len(start), DROPPED, np.int8)
        part[_inside(start, stop, self.train)] = TRAIN
        part[_inside(start, stop, self.valid) & ~touches(start, stop, self.train)] = VALID
        part[unseen] = TEST
        return part

    @property
    def seen(self) -> Float[ndarray, "interval 2"]:
        """Training and validation time together."""
        return merge_intervals(np.concatenate([self.train, self.valid]))

    def widened(self, span: tuple[float, float], margin: float) -> "Split":
        """The same split with all time of `span` given to training that is `margin` away from the rest."""
        rest = merge_intervals(np.concatenate([self.valid, self.test, self.guard]))
        edges = np.concatenate([[span[0]], (rest + [-margin, margin]).reshape(-1), [span[1]]]).reshape(-1, 2)
        free = edges[edges[:, 1] > edges[:, 0]]
        train = merge_intervals(np.concatenate([self.train, free]))
        return Split(self.kind, train, self.valid, self.test, self.guard, self.seed)

    def to_json(self) -> dict[str, object]:
        """Plain lists, for a checkpoint's header."""
        intervals = {name: getattr(self, name).tolist() for name in ("train", "valid", "test", "guard")}
        return {"kind": self.kind, "seed": self.seed, **intervals}

    @classmethod
    def from_json(cls, header: Mapping[str, object]) -> "Split":
        """The split that a checkpoint's header describes."""
        names = ("train", "valid", "test", "guard")
        train, valid, test, guard = (np.asarray(header[name], np.float64).reshape(-1, 2) for name in names)
        return cls(str(header["kind"]), train, valid, test, guard, int(str(header["seed"])))


def _inside(
    start: Float[ndarray, " window"], stop: Float[ndarray, " window"], intervals: Float[ndarray, "interval 2"]
) -> Bool[ndarray, " window"]:
    edges = np.stack([start, stop], axis=1)
    return np.asarray(covered(intervals, edges)[:, 0] >= (stop - start) * (1 - 1e-9) - 1e-9)


def blocks(
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    *,
    shares: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> Split:
    """Interleaved blocks of consecutive time, with one window length unused wherever the part changes."""
    first, last = float(start.min()), float(stop.max())
    count = max(LEAST_BLOCKS, round((last - first) / BLOCK_SECONDS))
    edges = snap(np.linspace(first, last, count + 1), start, stop)
    parts = interleave(count, shares, seed)
    width = float(np.median(stop - start))
    change = np.flatnonzero(np.diff(parts)) + 1
    guard = edges[change][:, None] + np.array([-width / 2, width / 2])
    lists: list[list[tuple[float, float]]] = [[], [], []]
    for index, part in enumerate(parts):
        low = edges[index] + (width / 2 if index and parts[index - 1] != part else 0.0)
        high = edges[index + 1] - (width / 2 if index + 1 < count and parts[index + 1] != part else 0.0)
        if high > low:
            lists[part].append((low, high))
    train, valid, test = (merge_intervals(np.array(part).reshape(-1, 2)) for part in lists)
    return Split("blocks", train, valid, test, guard.reshape(-1, 2), seed)


def snap(
    edges: Float[ndarray, " edge"], start: Float[ndarray, " window"], stop: Float[ndarray, " window"]
) -> Float[ndarray, " edge"]:
    """Move inner edges to the nearest gap between windows, so that few windows are cut."""
    order = np.argsort(start)
    before, after = np.maximum.accumulate(stop[order])[:-1], start[order][1:]
    gaps = ((before + after) / 2)[after >= before]
    if len(gaps) < 2 * len(edges):
        return edges
    inner = gaps[np.abs(edges[1:-1, None] - gaps).argmin(axis=1)]
    return np.concatenate([edges[:1], inner, edges[-1:]])


def interleave(count: int, shares: Sequence[float], seed: int) -> Int[ndarray, " block"]:
    """Spread the parts as evenly as their shares allow; each part gets at least one block."""
    wanted = np.asarray(shares, float) / np.sum(shares)
    given = np.random.default_rng(seed).uniform(0, 1e-3, 3) - wanted * 0.5
    parts = np.empty(count, np.int64)
    for block in range(count):
        parts[block] = np.argmax(wanted * (block + 1) - given)
        given[parts[block]] += 1
    return np.roll(parts, int(np.random.default_rng(seed).integers(count)))


def random(
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    *,
    shares: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> Split:
    """Windows (trials) at random, as published; windows that overlap stay together or are dropped."""
    cluster = clusters(start, stop)
    count = int(cluster.max()) + 1
    order = np.random.default_rng(seed).permutation(count)
    cuts = np.round(np.cumsum(np.asarray(shares) / np.sum(shares))[:2] * count).astype(int)
    part_of = np.empty(count, np.int64)
    part_of[order[: cuts[0]]], part_of[order[cuts[0] : cuts[1]]], part_of[order[cuts[1] :]] = TRAIN, VALID, TEST
    return from_parts(start, stop, part_of[cluster], kind="random", seed=seed)


def clusters(start: Float[ndarray, " window"], stop: Float[ndarray, " window"]) -> Int[ndarray, " window"]:
    """A number for every window, shared by windows that overlap; long chains are cut into runs."""
    order = np.argsort(start, kind="stable")
    reach = np.maximum.accumulate(stop[order])
    fresh = np.concatenate([[True], start[order][1:] >= reach[:-1] - 1e-9])
    chain = np.cumsum(fresh) - 1
    longest = max(1, int(LARGEST_CLUSTER * len(start)))
    position = np.arange(len(start)) - np.flatnonzero(fresh)[chain]
    fresh |= position % longest == 0 if np.bincount(chain).max() > max(longest, 5) else False
    number = np.empty(len(start), np.int64)
    number[order] = np.cumsum(fresh) - 1
    if len(np.unique(number)) == len(number):
        return np.arange(len(start))
    return number


def from_parts(
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    part: Int[ndarray, " window"],
    *,
    kind: str,
    seed: int = 0,
) -> Split:
    """Intervals from a part for every window; what overlaps test, then validation, is dropped."""
    windows = np.stack([start, stop], axis=1)
    part = np.array(part)
    part[(part < TEST) & touches(start, stop, windows[part == TEST])] = DROPPED
    part[(part == TRAIN) & touches(start, stop, windows[part == VALID])] = DROPPED
    train, valid, test = (merge_intervals(windows[part == p]) for p in (TRAIN, VALID, TEST))
    return Split(kind, train, valid, test, np.zeros((0, 2)), seed)


def tail(
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    *,
    shares: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> Split:
    """The last stretch is test, the one before it validation."""
    first, last = float(start.min()), float(stop.max())
    width = float(np.median(stop - start))
    edges = first + (last - first) * np.cumsum([0.0, *(np.asarray(shares) / np.sum(shares))])
    cuts = edges[1:3]
    guard = cuts[:, None] + np.array([-width / 2, width / 2])
    train = np.array([[first, cuts[0] - width / 2]])
    valid = np.array([[cuts[0] + width / 2, cuts[1] - width / 2]])
    return Split("tail", train, valid, np.array([[cuts[1] + width / 2, last]]), guard, seed)


def by_column(
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    labels: Sequence[object],
    *,
    name: str,
    seed: int = 0,
) -> Split:
    """A column of the trials says `train`, `val` or `test`; without test rows, `val` is the test set."""
    text = np.array([str(label).strip().casefold() for label in labels])
    train = text == "train"
    held = np.isin(text, ["val", "valid", "validation"])
    test = text == "test"
    if not train.any() or not (held.any() or test.any()):
        raise RecordingError(
            f"Column {name!r} holds {sorted(set(text))}; a split column needs 'train' and 'val' or 'test' rows.",
            kind="bad_selection",
        )
    if not test.any():
        held, test = np.zeros_like(held), held
    if not held.any():
        inner = np.flatnonzero(train)
        chosen = blocks(start[inner], stop[inner], shares=(0.875, 0.125, 0.0), seed=seed)
        held[inner[chosen.parts(start[inner], stop[inner]) == VALID]] = True
    part = np.select([test, held, train], [TEST, VALID, TRAIN], DROPPED)
    return from_parts(start, stop, part, kind=f"column:{name}", seed=seed)


def make_split(
    kind: str,
    start: Float[ndarray, " window"],
    stop: Float[ndarray, " window"],
    *,
    shares: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> Split:
    """A split by the name that `--split` takes (columns have a function of their own)."""
    makers = {"blocks": blocks, "random": random, "tail": tail}
    if kind not in makers:
        names = ", ".join([*makers, "column:NAME"])
        raise ConfigError(f"Unknown split {kind!r}; it is one of {names}.", kind="bad_value")
    if not len(start):
        raise RecordingError("There are no windows to split.", kind="no_windows")
    return makers[kind](np.asarray(start, float), np.asarray(stop, float), shares=shares, seed=seed)
