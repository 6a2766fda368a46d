"""One simulated session after the other: a recording, and the rates its spikes were drawn from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from nwb_mtm.errors import ConfigError
from nwb_mtm.recording import Behavior, Intervals, Observed, Recording, Source, Spikes, Units, unit_keys
from nwb_mtm.synthetic import dynamics, task
from nwb_mtm.synthetic.flaws import FLAWS, RATE_FLAWS, SPIKE_FLAWS, TASK_FLAWS, Draft
from nwb_mtm.synthetic.task import STEP, Task

SPACING = 20.0  # between electrodes (micrometres)


@dataclass(frozen=True, eq=False)
class Simulated:
    """A recording, the rates (Hz, on a 10-ms grid from `t0`) behind its spikes, and what else was planted."""

    recording: Recording
    rates: Float32[ndarray, "bin unit"]
    t0: float
    truth: Mapping[str, Any]

    @property
    def stem(self) -> str:
        """The name of its files, without an ending."""
        return self.recording.source.name.removesuffix(".nwb")


def simulate(
    *, sessions: int = 3, units: int = 150, trials: int = 200, seed: int = 0, flaws: Sequence[str] = ()
) -> Iterator[Simulated]:
    """Sessions of one species: the same regions and dynamics, other units and trials in each.

    >>> first = next(simulate(sessions=1, units=30, trials=5))
    >>> first.recording.key, first.rates.shape[1], len(first.recording.trials)
    ('sim01/a', 30, 5)
    """
    _check(sessions, units, trials, flaws)
    world = dynamics.draw_world(np.random.default_rng([seed, 0]))
    for session in range(sessions):
        yield from _session(world, session, units, trials, seed, flaws)


def _check(sessions: int, units: int, trials: int, flaws: Sequence[str]) -> None:
    for name, value, least in (("sessions", sessions, 1), ("units", units, 10), ("trials", trials, 2)):
        if value < least:
            raise ConfigError(
                f"{name} is {value}; at least {least} are needed to simulate a session.", kind="bad_value"
            )
    for flaw in flaws:
        if flaw not in FLAWS:
            raise ConfigError(f"There is no flaw {flaw!r} to plant; choose among {', '.join(FLAWS)}.", kind="bad_value")


def _session(
    world: dynamics.World, session: int, units: int, trials: int, seed: int, flaws: Sequence[str]
) -> Iterator[Simulated]:
    rng = np.random.default_rng([seed, 1, session])
    chance = {flaw: np.random.default_rng([seed, 2, session, row]) for row, flaw in enumerate(FLAWS)}
    trial = task.draw_task(rng, trials)
    driven = task.inputs(trial)
    truth: dict[str, Any] = {}
    for flaw in (f for f in TASK_FLAWS if f in flaws):
        trial = TASK_FLAWS[flaw](trial, chance[flaw])
        driven = _without_choice(trial) if flaw == "clock-confounded-choice" else task.inputs(trial)
        truth[flaw] = {"trials": list(range(trials))}
    wheel, whisking = task.movement(rng, trial)
    states = dynamics.latents(world, driven, rng)
    population = dynamics.draw_population(rng, units)
    rates = dynamics.rates(population, states, wheel, whisking, rng)
    draft = Draft(trial, rates, population.region, _places(population.region, rng), truth=truth)
    draft = _planted(draft, flaws, chance, rng)
    whole = Simulated(_recording(draft, session, wheel, whisking, rng), draft.rates, 0.0, _truth(world, draft))
    yield from (_by_probe(whole) if "two-files" in flaws else (whole,))


def _without_choice(trial: Task) -> Float[ndarray, "bin input"]:
    """The regions know nothing of a choice that only follows the clock."""
    driven = task.inputs(trial)
    driven[:, 2:6] = 0.0
    return driven


def _planted(
    draft: Draft, flaws: Sequence[str], chance: Mapping[str, np.random.Generator], rng: np.random.Generator
) -> Draft:
    for flaw in (f for f in RATE_FLAWS if f in flaws):
        draft = RATE_FLAWS[flaw](draft, chance[flaw])
    trains = tuple(dynamics.draw_spikes(draft.rates, 0.0, rng))
    draft = replace(draft, trains=trains, labels=tuple(dynamics.REGIONS[r] for r in draft.region))
    for flaw in (f for f in SPIKE_FLAWS if f in flaws):
        draft = SPIKE_FLAWS[flaw](draft, chance[flaw])
    return draft


def _places(region: ndarray, rng: np.random.Generator) -> ndarray:
    """Peak electrodes: two units of a region share one, regions lie one after the other along the probes."""
    order = np.argsort(region + 0.999 * rng.random(len(region)))
    within = np.arange(len(region)) - np.searchsorted(region, region[order])
    fresh = within % 2 == 0
    place = np.empty(len(region), np.int64)
    place[order] = np.cumsum(fresh) - 1
    return place


def _truth(world: dynamics.World, draft: Draft) -> dict[str, Any]:
    couplings = [
        {"source": c.source, "target": c.target, "delay": c.delay, "strength": round(c.strength, 3)}
        for c in world.couplings
    ]
    return {
        "couplings": couplings,
        "regions": [dynamics.REGIONS[r] for r in draft.region],
        "flaws": dict(draft.truth),
    }


def _recording(draft: Draft, session: int, wheel: ndarray, whisking: ndarray, rng: np.random.Generator) -> Recording:
    subject, name = f"sim{session // 2 + 1:02d}", "ab"[session % 2]
    end = len(draft.rates) * STEP
    trials = _trials(draft)
    source = Source(
        f"sub-{subject}_ses-{name}_ecephys.nwb",
        identifier=f"nwb-mtm-simulated-{subject}-{name}",
        species="Mus musculus",
        sex="FM"[session // 2 % 2],
        age="P90D",
        session_start_time=f"2024-01-{1 + session:02d}T12:00:00+00:00",
    )
    return Recording(
        key=f"{subject}/{name}",
        session=name,
        subject=subject,
        units=_units(draft),
        spikes=Spikes.from_trains(draft.trains),
        trials=trials,
        intervals={trials.path: trials},
        behaviors={b.name: b for b in _behaviors(wheel, whisking, rng)},
        observed=Observed.everywhere(0.0, end, len(draft.trains)),
        source=source,
    )


def _units(draft: Draft) -> Units:
    count = len(draft.trains)
    probes = tuple(dynamics.PROBES[r] for r in draft.region)
    depth = draft.electrode * SPACING
    return Units(
        keys=unit_keys(tuple(range(count))),
        ids=tuple(range(count)),
        regions=draft.labels,
        raw_regions=draft.labels,
        region_rules=("electrodes",) * count,
        groups=probes,
        rows=np.arange(count),
        electrodes=draft.electrode,
        positions=np.stack([1000.0 * (np.array(probes) == "probe01"), np.zeros(count), depth], axis=1),
        quality=(True,) * count,
        inputs=np.ones(count, bool),
        columns={"quality": np.array(["good"] * count)},
    )


def _trials(draft: Draft) -> Intervals:
    trial = draft.task
    sides = np.array(["left", "right"])
    return Intervals(
        start=trial.start,
        stop=trial.stop,
        columns={
            "stim_on_time": trial.stim_on,
            "response_time": trial.response,
            "feedback_time": trial.feedback_time,
            "stim_side": sides[(trial.side > 0).astype(int)],
            "contrast": trial.contrast,
            "choice": sides[(trial.choice > 0).astype(int)],
            "feedback": trial.feedback,
            "probability_left": trial.probability_left,
            **draft.columns,
        },
        events=("stim_on_time", "response_time", "feedback_time"),
        targets=("stim_side", "contrast", "choice", "feedback", "probability_left", *draft.columns),
    )


def _behaviors(wheel: ndarray, whisking: ndarray, rng: np.random.Generator) -> tuple[Behavior, Behavior]:
    """The wheel at about 100 Hz, a little irregular; the camera at exactly 60 Hz and on its own clock."""
    grid = np.arange(len(wheel)) * STEP
    turned = grid + rng.uniform(0, 0.4 * STEP, len(grid))
    frames = np.arange(0.137, grid[-1], 1 / 60)
    speed = np.interp(turned, grid, wheel) + 0.05 * rng.standard_normal(len(turned))
    energy = np.interp(frames, grid, whisking) * (1 + 0.05 * rng.standard_normal(len(frames)))
    folder = "/processing/behavior/BehavioralTimeSeries"
    return (
        Behavior(f"{folder}/wheel_velocity", turned, speed[:, None], unit="rad/s", container="BehavioralTimeSeries"),
        Behavior(
            f"{folder}/whisker_motion_energy",
            frames,
            energy[:, None],
            unit="a.u.",
            container="BehavioralTimeSeries",
        ),
    )


def _by_probe(whole: Simulated) -> Iterator[Simulated]:
    """One file for every probe, with the same subject, session and clock."""
    groups = np.array(whole.recording.units.groups)
    stem = whole.stem.removesuffix("_ecephys")
    names = {probe: f"{stem}_probe-{probe}_ecephys.nwb" for probe in dict.fromkeys(groups.tolist())}
    for probe, name in names.items():
        chosen = np.flatnonzero(groups == probe)
        part = whole.recording.select(chosen)
        units = replace(part.units, rows=np.arange(len(chosen)))
        source = replace(part.source, name=name, identifier=f"{part.source.identifier}-{probe}")
        truth = {**whole.truth, "rows": chosen.tolist()}
        truth["flaws"] = {**truth["flaws"], "two-files": {"files": list(names.values())}}
        yield Simulated(replace(part, units=units, source=source), whole.rates[:, chosen], whole.t0, truth)
