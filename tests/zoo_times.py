"""Traps in spikes, trials, clocks and behaviour; the answers a careful reader gives."""

from pathlib import Path
from typing import Any

import numpy as np
from zoo_bricks import Ragged, counts, electrodes, intervals, series, start, trains, units, wander

ELECTRODES = "/general/extracellular_ephys/electrodes"
Expected = dict[str, Any]


def one_each(rows: list[int]) -> Ragged:
    return Ragged([[row] for row in rows], region=ELECTRODES)


def unsorted_spikes(path: Path) -> Expected:
    made = trains(3)
    shuffled = [np.random.default_rng(9).permutation(t) for t in made]
    with start(path) as f:
        units(f, shuffled)
    return {"units": {"spike_counts": counts(made)}, "time_range": [0.0, 100.0], "warnings": ["unsorted_spike_times"]}


def odd_spikes(path: Path) -> Expected:
    """NaN is dropped, repeats are kept, negative times are times, and a unit may have no spike."""
    with start(path) as f:
        units(f, [[-1.5, 0.0, 0.0, np.nan, 3.0], np.zeros(0), [np.nan], [2.0]])
    return {
        "units": {"count": 4, "spike_counts": [4, 0, 0, 1]},
        "time_range": [-1.5, 3.0],
        "warnings": ["spike_times_not_finite", "repeated_spike_times"],
    }


def float32_spikes(path: Path) -> Expected:
    made = [np.sort(np.random.default_rng(u).uniform(40_000, 40_001, 300)).astype("float32") for u in range(2)]
    with start(path) as f:
        units(f, made)
    return {"units": {"spike_counts": [300, 300]}, "warnings": ["coarse_spike_times"]}


def wrapped_index(path: Path) -> Expected:
    """An index of bytes that began again at 0 past 255; it still ends where the spikes end."""
    made = trains(8, each=60)
    with start(path) as f:
        units(f, made, index_dtype="uint8")
    return {"units": {"spike_counts": counts(made)}, "time_range": [0.0, 100.0], "warnings": ["wrapped_index"]}


def far_clock(path: Path) -> Expected:
    made = trains(2, begin=1.5e9, end=1.5e9 + 100)
    begin = 1.5e9 + np.arange(12) * 8.0
    with start(path) as f:
        units(f, made)
        intervals(f, "trials", begin, begin + 4, side=["l", "r"] * 6, go_time=begin + 1)
    return {"time_range": [1.5e9, 1.5e9 + 100], "trials": {"valid": 12, "events": ["go_time"]}}


def other_clock(path: Path) -> Expected:
    """Spikes and trials on clocks that never meet."""
    begin = 5e5 + np.arange(12) * 8.0
    with start(path) as f:
        units(f, trains(2))
        intervals(f, "trials", begin, begin + 4, side=["l", "r"] * 6)
    return {
        "trials": {"count": 12, "valid": 0, "dropped": [{"row": r, "reason": "outside_recording"} for r in range(12)]},
        "warnings": ["clock_mismatch"],
    }


def samples_for_seconds(path: Path) -> Expected:
    made = [np.round(t * 30_000).astype("int64") for t in trains(2)]
    with start(path) as f:
        units(f, made)
    return {"units": {"spike_counts": counts(made)}, "warnings": ["spike_times_look_like_samples"]}


def duplicate_ids(path: Path) -> Expected:
    made = trains(4)
    with start(path) as f:
        units(f, made, ids=[0, 1, 0, 1])
    return {"units": {"ids": [0, 1, 0, 1], "spike_counts": counts(made)}}


def bad_trials(path: Path) -> Expected:
    """Dropped with the reason by row: NaN, zero length, backwards, outside; overlapping and unsorted ones stay."""
    begin = [50.0, 10.0, np.nan, 20.0, 30.0, 12.0, 500.0, 60.0]
    end = [55.0, 15.0, 5.0, 20.0, 25.0, 18.0, 505.0, np.nan]
    with start(path) as f:
        units(f, trains(2))
        intervals(f, "trials", begin, end, cue_time=[51.0, np.nan, 1.0, 20.5, 30.0, 13.0, 501.0, 61.0])
    reasons = ["nan_time", "stop_not_after_start", "stop_not_after_start", "outside_recording", "nan_time"]
    dropped = [{"row": row, "reason": reason} for row, reason in zip([2, 3, 4, 6, 7], reasons)]
    return {"trials": {"count": 8, "valid": 3, "dropped": dropped, "events": ["cue_time"]}}


def trial_columns(path: Path) -> Expected:
    rows = np.arange(40)
    with start(path) as f:
        units(f, trains(2, end=400.0))
        intervals(
            f,
            "trials",
            rows * 10.0,
            rows * 10.0 + 5,
            padded=["left ", "right"] * 20,
            numbers=["1", "2.0"] * 20,
            with_missing=["hit", "miss", "N/A", "hit"] * 10,
            code=np.tile([-1, 1, 2, 3], 10),
            floats=np.tile([0.25, np.nan, 0.5, 0.25], 10),
            trial=rows,
            uuid=[f"u{r}" for r in rows],
            constant=["x"] * 40,
            pairs=np.zeros((40, 2)),
            lists=Ragged([[1, 2]] * 40),
            rt=np.random.default_rng(0).uniform(0, 1, 40),
            stim_onset=np.full(40, 0.5),
            empty=[""] * 40,
            squeezed=np.tile([[0], [1]], (20, 1)),
            flags=np.tile(np.array([0, 1], "uint8"), 20),
            phase=["a"] * 20 + ["b"] * 20,
        )
    return {
        "trials": {
            "targets": {
                "padded": {"classes": ["left", "right"], "counts": [20, 20]},
                "numbers": {"classes": ["1", "2"], "counts": [20, 20]},
                "with_missing": {"classes": ["hit", "miss"], "counts": [20, 10]},
                "code": {"classes": ["1", "2", "3"], "counts": [10, 10, 10]},
                "floats": {"classes": ["0.25", "0.5"], "counts": [20, 10]},
                "squeezed": {"classes": ["0", "1"], "counts": [20, 20]},
                "flags": {"classes": ["0", "1"], "counts": [20, 20]},
                "phase": {"classes": ["a", "b"], "counts": [20, 20]},
            },
            "not_targets": {
                "trial": "is a counter",
                "uuid": "has another value in every trial",
                "constant": "is constant (x)",
                "pairs": "has 2 dimensions",
                "lists": "holds a list in every row",
                "rt": "has another value in every trial",
                "stim_onset": "is named as a time",
                "empty": "has no values",
            },
        },
        "warnings": ["target_follows_time"],
    }


def watched_in_parts(path: Path) -> Expected:
    """Two sets of observed intervals, overlapping and unsorted; a third unit says nothing; some time is invalid."""
    with start(path) as f:
        watched = Ragged([[[50.0, 90.0], [0.0, 30.0], [20.0, 40.0]], [[0.0, 100.0]], np.zeros((0, 2))])
        units(f, trains(3), obs_intervals=watched)
        intervals(f, "invalid_times", [10.0], [12.0])
    return {"observed": [[0.0, 10.0], [12.0, 40.0], [50.0, 90.0]]}


def behaviour_gaps(path: Path) -> Expected:
    stamps = np.concatenate([np.arange(500), np.arange(1500, 2000)]) / 20
    holes = wander(1000)
    holes[:250] = np.nan
    with start(path) as f:
        units(f, trains(12))
        series(f, "processing/any/jumps", wander(1000), timestamps=stamps)
        series(f, "processing/any/holes", holes, rate=10.0)
        series(f, "processing/any/nothing", np.full(1000, np.nan), rate=10.0)
        series(f, "processing/any/still", np.full(1000, 3.0), rate=10.0)
        series(f, "processing/any/sideways", wander(1000)[None], timestamps=np.arange(1000) / 10)
        series(f, "processing/any/clock", np.arange(1000) / 10 + 5, timestamps=np.arange(1000) / 10)
        series(f, "processing/any/short", wander(1000), timestamps=np.arange(990) / 10)
        series(f, "processing/any/elsewhen", wander(1000), rate=10.0, begin=9e6)
        series(f, "processing/any/flags", np.tile([True, False], 500), rate=10.0)
        series(f, "processing/ecephys/binned_spikes", wander(1000, 12), rate=10.0)
        series(f, "processing/any/per_unit", wander(1000, 12), rate=10.0)
        series(f, "processing/behavior/DecodedBehavior/hand", wander(1000), rate=10.0)
        series(f, "acquisition/ElectricalSeries", wander(1000, 4), rate=10.0, kind="ElectricalSeries")
    usable = {f"/processing/any/{name}": {"shape": [1000], "usable": True} for name in ("jumps", "holes")}
    usable["/processing/any/jumps"] |= {"rate": None, "t_start": 0.0, "t_stop": 99.95}
    usable["/processing/any/holes"] |= {"rate": 10.0, "nan_fraction": 0.25, "t_stop": 99.9}
    refused = ("nothing", "still", "sideways", "clock", "short", "elsewhen", "flags", "per_unit")
    made = {f"/processing/any/{name}": {"usable": False} for name in refused}
    made["/processing/behavior/DecodedBehavior/hand"] = {"usable": False}
    made["/processing/ecephys/binned_spikes"] = {"usable": False}
    return {"behaviors": usable | made, "warnings": ["clock_mismatch"]}


def unknown_extension(path: Path) -> Expected:
    """Types of an extension that the file does not carry: decided by what they hold."""
    with start(path) as f:
        f.create_group("specifications/core")
        f.attrs[".specloc"] = f["specifications"].ref
        electrodes(f, ["V1", "V2"], ["g"] * 2)
        units(f, trains(2), electrodes=one_each([0, 1]))
        series(f, "processing/m/gaze", wander(1000, 2), rate=10.0, kind="GazeSeries", namespace="ndx-mtm-fictional")
    return {
        "units": {"regions": ["V1", "V2"]},
        "warnings": ["missing_namespace"],
        "behaviors": {"/processing/m/gaze": {"shape": [1000, 2], "rate": 10.0, "usable": True}},
    }


ANIMALS = (
    unsorted_spikes,
    odd_spikes,
    float32_spikes,
    wrapped_index,
    far_clock,
    other_clock,
    samples_for_seconds,
    duplicate_ids,
    bad_trials,
    trial_columns,
    watched_in_parts,
    behaviour_gaps,
    unknown_extension,
)
