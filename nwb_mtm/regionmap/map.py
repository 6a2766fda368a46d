"""Who predicts whom: which region's recent past helps to predict which region's spikes, and by how much."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import stats

from nwb_mtm.decoding.metrics import Resamples
from nwb_mtm.errors import RecordingError
from nwb_mtm.intervals import Value, block_length, interval, subject_draws, value_json
from nwb_mtm.levels import are_related
from nwb_mtm.passes import mask_regions
from nwb_mtm.recording import Units
from nwb_mtm.regionmap.fit import MEASURES, Activity, Design, gains, matched
from nwb_mtm.threads import threads_for
from nwb_mtm.windows import Windows

MOST_REGIONS = 12
LEAST_WINDOWS = 40
CAPTION = (
    "Bits per spike of the target that the source's recent past adds to trial average and drift. Shared input, "
    "movement or common noise suffice for one region to predict another; a direction is no cause. "
    "Compare within a target only."
)


@dataclass(frozen=True)
class Strength:
    """One measure of one pair."""

    value: Value  # bits per spike of the target
    matched: Value  # with as many units and spikes in every source
    p: float  # that it is above nothing, one-sided, over blocks of windows
    q: float = float("nan")  # the same after Benjamini-Hochberg over all pairs

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        q = self.q if np.isfinite(self.q) else None
        return {**value_json(self.value), "matched": value_json(self.matched), "p": self.p, "q": q}


@dataclass(frozen=True)
class Edge:
    """From a source region to a target region."""

    source: str
    target: str
    same_group: bool  # some of their units share a probe, shank or array
    related: bool  # their labels may name overlapping tissue
    strengths: Mapping[str, Strength]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        plain = {name: getattr(self, name) for name in ("source", "target", "same_group", "related")}
        return {**plain, **{name: one.to_json() for name, one in self.strengths.items()}}


@dataclass(frozen=True)
class RegionMap:
    """All pairs of one session's regions."""

    session: str
    regions: tuple[str, ...]
    units: tuple[int, ...]
    spikes: tuple[int, ...]
    edges: tuple[Edge, ...]
    windows: int
    matched_units: int
    matched_draws: int
    left: Mapping[str, str] = field(default_factory=dict)
    method: str = "reduced-rank"
    caption: str = CAPTION

    @property
    def tests(self) -> int:
        """Pairs that were tested, and corrected for."""
        return len(self.edges)

    def matrix(self, measure: str = "lead", *, matched: bool = False) -> Float[ndarray, "source target"]:
        """One measure of all pairs; NaN on the diagonal."""
        out = np.full((len(self.regions),) * 2, np.nan)
        row = {name: i for i, name in enumerate(self.regions)}
        for edge in self.edges:
            one = edge.strengths[measure]
            out[row[edge.source], row[edge.target]] = (one.matched if matched else one.value).value
        return out

    def mean(self, measure: str, *, same_group: bool) -> tuple[float, int]:
        """The mean of a measure over pairs on one group (or across groups), and how many there are."""
        values = [e.strengths[measure].matched.value for e in self.edges if e.same_group == same_group]
        return (float(np.mean(values)) if values else float("nan")), len(values)

    def __repr__(self) -> str:
        shown = [e for e in self.edges if e.strengths.get("lead") is not None and e.strengths["lead"].q < 0.05]
        pairs = ", ".join(f"{e.source} to {e.target}" for e in shown) or "none"
        return f"RegionMap({self.session!r}: {len(self.regions)} regions; leading, q < .05 of {self.tests}: {pairs})"

    def to_json(self) -> dict[str, Any]:
        """As under `regions` in scores.json: `map` for a picture, `edges` for all the rest."""
        names = ("method", "caption", "tests", "windows", "matched_units", "matched_draws")
        groups = {
            measure: {
                kind: {"mean": _number(value), "pairs": count}
                for kind, (value, count) in (
                    ("same_group", self.mean(measure, same_group=True)),
                    ("cross_group", self.mean(measure, same_group=False)),
                )
            }
            for measure in self.edges[0].strengths
        }
        matrices = {m: [[_number(v) for v in row] for row in self.matrix(m)] for m in groups}
        return {
            **{name: getattr(self, name) for name in names},
            "map": {"regions": list(self.regions), "values": matrices["alone"], **matrices},
            "units": dict(zip(self.regions, self.units)),
            "spikes": dict(zip(self.regions, self.spikes)),
            "groups": groups,
            "edges": [edge.to_json() for edge in self.edges],
            "left_out": [[name, reason] for name, reason in self.left.items()],
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Tidy rows: one for every pair and measure."""
        for edge in self.edges:
            for name, one in edge.strengths.items():
                yield {
                    "session": self.session,
                    "source": edge.source,
                    "target": edge.target,
                    "same_group": edge.same_group,
                    "related": edge.related,
                    "measure": name,
                    **value_json(one.value),
                    "matched": _number(one.matched.value),
                    "p": one.p,
                    "q": _number(one.q),
                }

    def to_pandas(self) -> Any:
        """A DataFrame of the tidy rows (needs the `pandas` extra)."""
        import pandas

        return pandas.DataFrame(list(self.rows()))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def map_regions(windows: Windows, *, matched_draws: int = 3, draws: int = 1000, seed: int = 0) -> RegionMap:
    """Fit maps between all pairs of regions, out of fold over the whole session.

    No trained model is involved, so that windows of every part are used; each is predicted by maps fitted elsewhere.
    """
    ordered = windows.take(np.argsort(windows.start, kind="stable"))
    regions, left = _regions(ordered)
    members = [np.flatnonzero(np.array(ordered.units.regions, dtype=str) == name) for name in regions]
    with threads_for():
        found, even, spikes = _all_gains(ordered, members, matched_draws, seed)
    resamples = Resamples.of(ordered.start, ordered.width, draws=draws, seed=seed)
    return RegionMap(
        session=ordered.session,
        regions=regions,
        units=tuple(len(rows) for rows in members),
        spikes=tuple(int(n) for n in spikes.sum(axis=1)),
        edges=_edges(ordered.units, regions, members, found, even, spikes, resamples),
        windows=len(ordered),
        matched_units=min(len(rows) for rows in members),
        matched_draws=matched_draws,
        left=left,
    )


Gains = dict[str, Float[ndarray, "source target window"]]


def _all_gains(
    ordered: Windows, members: Sequence[Int[ndarray, " _"]], matched_draws: int, seed: int
) -> tuple[Gains, Gains, Float[ndarray, "region window"]]:
    """Gains with all units, the mean of those with matched ones, and the spikes they are about."""
    targets = Activity.of(ordered.counts, ordered.bin_size)
    whole = Design.of(targets, targets, members, members, ordered.start, ordered.bin_size)
    found = gains(whole)
    rng, evened = np.random.default_rng(seed), []
    for _ in range(matched_draws):
        thinned, chosen = matched(ordered.counts, members, rng)
        sources = Activity.of(thinned, ordered.bin_size)
        evened.append(gains(Design.of(sources, targets, members, chosen, ordered.start, ordered.bin_size)))
    even = {m: np.mean([one[m] for one in evened], axis=0) if evened else found[m] for m in MEASURES}
    return found, even, whole.spikes()


def _regions(windows: Windows) -> tuple[tuple[str, ...], dict[str, str]]:
    """The largest regions, or an error when there is no pair."""
    labels = np.array(windows.units.regions, dtype=str)
    named = mask_regions(windows.units)
    active = [r for r in named if windows.counts[:, :, labels == r].any()]
    if len(active) < 2:
        raise RecordingError(
            f"{windows.session} has {len(active)} regions that are named, active and large enough; a map needs two.",
            kind="nothing_to_do",
        )
    if len(windows) < LEAST_WINDOWS:
        raise RecordingError(
            f"{windows.session} has {len(windows)} windows; a map of regions needs {LEAST_WINDOWS}.",
            kind="nothing_to_do",
        )
    ranked = sorted(active, key=lambda r: -int((labels == r).sum()))
    left = dict.fromkeys(ranked[MOST_REGIONS:], f"not among the {MOST_REGIONS} largest regions")
    left |= {r: "no spikes" for r in named if r not in active}
    return tuple(sorted(ranked[:MOST_REGIONS])), left


def _edges(
    units: Units,
    regions: Sequence[str],
    members: Sequence[Int[ndarray, " _"]],
    found: Mapping[str, Float[ndarray, "source target window"]],
    even: Mapping[str, Float[ndarray, "source target window"]],
    spikes: Float[ndarray, "region window"],
    resamples: Resamples,
) -> tuple[Edge, ...]:
    pairs = [(a, b) for a in range(len(regions)) for b in range(len(regions)) if a != b]
    table = {m: [_strength(found[m][p], even[m][p], spikes[p[1]], resamples) for p in pairs] for m in found}
    for measure, row in table.items():
        qs = benjamini_hochberg(np.array([one.p for one in row]))
        table[measure] = [Strength(one.value, one.matched, one.p, float(q)) for one, q in zip(row, qs)]
    groups = [{units.groups[i] for i in rows} - {"unknown"} for rows in members]
    return tuple(
        Edge(
            source=regions[a],
            target=regions[b],
            same_group=bool(groups[a] & groups[b]),
            related=are_related(regions[a], regions[b]),
            strengths={measure: row[k] for measure, row in table.items()},
        )
        for k, (a, b) in enumerate(pairs)
    )


def _strength(
    nats: Float[ndarray, " window"],
    even: Float[ndarray, " window"],
    spikes: Float[ndarray, " window"],
    resamples: Resamples,
) -> Strength:
    total = max(float(spikes.sum()), 1.0) * np.log(2)
    drawn = np.maximum(resamples.weights @ spikes, 1.0) * np.log(2)
    values = [resamples.value(float(n.sum() / total), resamples.weights @ n / drawn) for n in (nats, even)]
    return Strength(values[0], values[1], block_p(nats))


def block_p(nats: Float[ndarray, " window"]) -> float:
    """One-sided t-test that gains are above zero, over sums of consecutive windows."""
    length = block_length(len(nats))
    blocks = len(nats) // length
    sums = nats[: blocks * length].reshape(blocks, length).sum(axis=1)
    spread = sums.std(ddof=1) / np.sqrt(blocks) if blocks > 1 else 0.0
    if spread <= 0:
        return 1.0
    return float(stats.t.sf(sums.mean() / spread, blocks - 1))


def benjamini_hochberg(p: Float[ndarray, " test"]) -> Float[ndarray, " test"]:
    """The smallest false-discovery rate at which each test is kept.

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.9])).round(3).tolist()
    [0.04, 0.053, 0.053, 0.9]
    """
    order = np.argsort(p)
    steps = p[order] * len(p) / np.arange(1, len(p) + 1)
    out = np.empty(len(p))
    out[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return out


def across_sessions(
    maps: Sequence[RegionMap], subjects: Sequence[str], *, measure: str = "lead", seed: int = 0
) -> list[dict[str, Any]]:
    """Every pair seen in two sessions or more: mean over sessions, subjects and sessions within them resampled."""
    seen: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for one, subject in zip(maps, subjects):
        for edge in one.edges:
            seen.setdefault((edge.source, edge.target), []).append((subject, edge.strengths[measure].matched.value))
    rows = []
    for (source, target), found in sorted(seen.items()):
        if len(found) < 2:
            continue
        values, names = np.array([v for _, v in found]), [s for s, _ in found]
        weights = subject_draws(names, seed=seed)
        drawn = weights @ values / np.maximum(weights.sum(axis=1), 1e-12)
        value = interval(float(values.mean()), drawn, units=len(set(names)), recentre=False)
        counts = {"sessions": len(found), "subjects": len(set(names)), "each": values.tolist()}
        rows.append({"source": source, "target": target, "measure": measure, **value_json(value), **counts})
    return rows
