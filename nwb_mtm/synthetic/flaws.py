"""Flaws that real recordings have, planted with their truth, so that guards and checks can be tried.

Each flaw takes the draft of a session and returns another one, with what it did in `truth`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from nwb_mtm.synthetic.dynamics import PROBES, REGIONS
from nwb_mtm.synthetic.task import STEP, Task

Truth = Mapping[str, Any]
REFRACTORY = 2.5e-3  # seconds


@dataclass(frozen=True, eq=False)
class Draft:
    """A session before it becomes a recording; spikes are drawn from `rates` once these are final."""

    task: Task
    rates: Float32[ndarray, "bin unit"]
    region: Int[ndarray, " unit"]
    electrode: Int[ndarray, " unit"]
    trains: tuple[Float[ndarray, " _"], ...] = ()
    labels: tuple[str, ...] = ()
    columns: Mapping[str, ndarray] = field(default_factory=dict)  # further trial columns
    truth: Truth = field(default_factory=dict)

    def marked(self, name: str, **facts: Any) -> "Draft":
        """The same draft with the truth about one flaw."""
        return replace(self, truth={**self.truth, name: facts})


Plant = Callable[[Draft, np.random.Generator], Draft]


def plant_clock_choice(task: Task, rng: np.random.Generator) -> Task:
    """Choices come in long runs that follow the clock, not the stimulus."""
    edges = np.cumsum(rng.integers(20, 40, len(task.start)))
    side = np.where(np.searchsorted(edges, np.arange(len(task.start)), side="right") % 2, 1, -1)
    return replace(task, choice=side, feedback=np.where(side == task.side, 1, -1))


def plant_overlap(task: Task, rng: np.random.Generator) -> Task:
    """A third of the trials begin soon after the one before, and every trial ends late."""
    gaps = np.diff(task.start)
    early = rng.random(len(gaps)) < 1 / 3
    gaps[early] = rng.uniform(1.0, 1.4, int(early.sum()))
    start = task.start[0] + np.concatenate([[0.0], np.cumsum(gaps)])
    moved = start - task.start
    return replace(
        task,
        start=start,
        stim_on=task.stim_on + moved,
        response=task.response + moved,
        feedback_time=task.feedback_time + moved,
        stop=task.stop + moved + 0.5,
    )


def drift(draft: Draft, rng: np.random.Generator) -> Draft:
    """Half of the units gain or lose up to a factor of four along the session."""
    units = _some(rng, draft, 0.5)
    change = rng.choice((-1.0, 1.0), len(units)) * rng.uniform(np.log(2), np.log(4), len(units))
    along = np.linspace(-0.5, 0.5, len(draft.rates))
    rates = draft.rates.copy()
    rates[:, units] *= np.exp(along[:, None] * change).astype(np.float32)
    return replace(draft, rates=rates).marked("drift", units=units.tolist(), log_change=change.tolist())


def vanishing(draft: Draft, rng: np.random.Generator) -> Draft:
    """A tenth of the units fall silent for good somewhere in the middle."""
    units = _some(rng, draft, 0.1)
    when = rng.uniform(0.35, 0.65, len(units)) * len(draft.rates)
    rates = draft.rates.copy()
    for unit, bin_ in zip(units, when.astype(int)):
        rates[bin_:, unit] = 0.0
    return replace(draft, rates=rates).marked("vanishing", units=units.tolist(), time=(when * STEP).tolist())


def laser(draft: Draft, rng: np.random.Generator) -> Draft:
    """A quarter of the trials have light on from the stimulus on, which silences most of one region."""
    on = rng.random(len(draft.task.start)) < 0.25
    region = int(rng.integers(len(REGIONS)))
    units = np.flatnonzero(draft.region == region)
    rates = draft.rates.copy()
    for time in draft.task.stim_on[on]:
        begin = int(round(time / STEP))
        rates[begin : begin + int(1.0 / STEP), units] *= np.float32(0.1)
    facts = {"trials": np.flatnonzero(on).tolist(), "region": REGIONS[region], "units": units.tolist()}
    return replace(draft, rates=rates, columns={**draft.columns, "laser": on}).marked("laser", **facts)


def split_units(draft: Draft, rng: np.random.Generator) -> Draft:
    """A tenth of the units are cut in two: every spike goes to one half or the other.

    Before that these units are given what all real units have, and simulated ones have not: a refractory period.
    """
    halves = _some(rng, draft, 0.1)
    trains, rates, partners = list(draft.trains), draft.rates.copy(), _new_rows(draft, halves)
    for unit in halves:
        whole = _refractory(trains[unit])
        rates[:, unit] *= np.float32(0.5 * len(whole) / max(1, len(trains[unit])))
        first = rng.random(len(whole)) < 0.5
        trains.append(whole[~first])
        trains[unit] = whole[first]
    return _grown(draft, halves, rates, trains).marked("split-units", pairs=_pairs(halves, partners))


def _refractory(train: Float[ndarray, " spike"]) -> Float[ndarray, " kept"]:
    """The spikes that come no sooner than 2.5 ms after the one kept before."""
    kept, last = [], -np.inf
    for time in train.tolist():
        if time - last >= REFRACTORY:
            kept.append(time)
            last = time
    return np.array(kept)


def duplicates(draft: Draft, rng: np.random.Generator) -> Draft:
    """A twentieth of the units are found twice, a fraction of a millisecond apart."""
    copied = _some(rng, draft, 0.05)
    trains = list(draft.trains)
    for unit in copied:
        trains.append(np.sort(trains[unit] + rng.uniform(0.0, 3e-4, len(trains[unit]))))
    grown = _grown(draft, copied, draft.rates, trains)
    return grown.marked("duplicates", pairs=_pairs(copied, _new_rows(draft, copied)))


def bleed(draft: Draft, rng: np.random.Generator) -> Draft:
    """A third of the spikes of some units are also found in a neighbour."""
    sources = _some(rng, draft, 0.1)
    trains, rates = list(draft.trains), draft.rates.copy()
    targets = []
    for unit in sources:
        near = np.argsort(np.abs(draft.electrode - draft.electrode[unit]), kind="stable")
        target = int(next(n for n in near if n != unit and draft.region[n] == draft.region[unit]))
        leaked = draft.trains[unit][rng.random(len(draft.trains[unit])) < 1 / 3]
        trains[target] = np.sort(np.concatenate([trains[target], leaked + 5e-5]))
        rates[:, target] += draft.rates[:, unit] / np.float32(3)
        targets.append(target)
    return replace(draft, rates=rates, trains=tuple(trains)).marked("bleed", pairs=_pairs(sources, np.array(targets)))


def common_noise(draft: Draft, rng: np.random.Generator) -> Draft:
    """Artefacts on one probe: at the same moments, many of its units seem to spike."""
    probe = PROBES[int(rng.integers(len(PROBES)))]
    units = np.flatnonzero(np.array(PROBES)[draft.region] == probe)
    length = len(draft.rates) * STEP
    moments = np.sort(rng.uniform(0, length, int(2.0 * length)))
    trains, rates = list(draft.trains), draft.rates.copy()
    for unit in units:
        hit = moments[rng.random(len(moments)) < 0.4]
        trains[unit] = np.sort(np.concatenate([trains[unit], hit + rng.uniform(0, 5e-4, len(hit))]))
    rates[:, units] += np.float32(2.0 * 0.4)
    facts = {"probe": probe, "units": units.tolist(), "times": moments.tolist()}
    return replace(draft, rates=rates, trains=tuple(trains)).marked("common-noise", **facts)


def unknown_probe(draft: Draft, rng: np.random.Generator) -> Draft:
    """Nobody knows where the second probe was, nor where every third unit of the first one is."""
    second = [PROBES[REGIONS.index(label)] == PROBES[-1] for label in draft.labels]
    hidden = [i for i, away in enumerate(second) if away or i % 3 == 0]
    true = [draft.labels[i] for i in hidden]
    labels = tuple("unknown" if i in set(hidden) else label for i, label in enumerate(draft.labels))
    return replace(draft, labels=labels).marked("unknown-probe", probe=PROBES[-1], units=hidden, regions=true)


def _some(rng: np.random.Generator, draft: Draft, share: float) -> Int[ndarray, " chosen"]:
    """A share of the units, above 1 Hz so that the flaw can matter."""
    able = np.flatnonzero(draft.rates.mean(axis=0) > 1.0)
    return np.sort(rng.choice(able, max(1, int(round(share * len(draft.region)))), replace=False))


def _new_rows(draft: Draft, units: Int[ndarray, " chosen"]) -> Int[ndarray, " chosen"]:
    return len(draft.region) + np.arange(len(units))


def _pairs(first: Int[ndarray, " pair"], second: Int[ndarray, " pair"]) -> list[list[int]]:
    return [[int(a), int(b)] for a, b in zip(first, second)]


def _grown(draft: Draft, copied: Int[ndarray, " new"], rates: Float32[ndarray, "bin unit"], trains: list[Any]) -> Draft:
    """New units at the end, at the place of the ones they come from."""
    return replace(
        draft,
        rates=np.concatenate([rates, rates[:, copied]], axis=1),
        region=np.concatenate([draft.region, draft.region[copied]]),
        electrode=np.concatenate([draft.electrode, draft.electrode[copied]]),
        labels=draft.labels + tuple(draft.labels[i] for i in copied),
        trains=tuple(trains),
    )


RATE_FLAWS: Mapping[str, Plant] = MappingProxyType({"drift": drift, "vanishing": vanishing, "laser": laser})
SPIKE_FLAWS: Mapping[str, Plant] = MappingProxyType(
    {
        "split-units": split_units,
        "duplicates": duplicates,
        "bleed": bleed,
        "common-noise": common_noise,
        "unknown-probe": unknown_probe,
    }
)
TASK_FLAWS: Mapping[str, Callable[[Task, np.random.Generator], Task]] = MappingProxyType(
    {"overlapping-trials": plant_overlap, "clock-confounded-choice": plant_clock_choice}
)
FLAWS = (*SPIKE_FLAWS, *RATE_FLAWS, *TASK_FLAWS, "two-files")
