"""Rodents in mazes, asleep, and in the MAP project. Laid out as real files are, the answers written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
from zoo_bricks import (
    Ragged,
    Refs,
    counts,
    electrode_groups,
    electrodes,
    intervals,
    series,
    start,
    trains,
    units,
    wander,
)

ELECTRODES = "/general/extracellular_ephys/electrodes"
GROUPS = "/general/extracellular_ephys/"
Expected = dict[str, Any]


def giocomo_000053(path: Path) -> Expected:
    made = trains(3)
    with start(path) as f:
        del f["intervals"]
        units(f, made, cell_id=[101, 105, 109])
        stamps = np.arange(5000) / 50
        series(
            f,
            "processing/behavior/Position/position",
            wander(5000, 2),
            timestamps=stamps,
            kind="SpatialSeries",
            conversion=0.01,
        )
        link = "/processing/behavior/Position/position/timestamps"
        series(f, "processing/behavior/body_speed", wander(5000), timestamps=link)
        series(f, "processing/behavior/head_direction", wander(5000, 2) % 6.28, timestamps=link, unit="radians")
    return {
        "units": {"regions": ["unknown"] * 3, "region_rule": ["none"] * 3, "spike_counts": counts(made)},
        "trials": None,
        "intervals": {},
        "observed": None,
        "behaviors": {
            "/processing/behavior/Position/position": {"shape": [5000, 2], "rate": 50.0, "usable": True},
            "/processing/behavior/body_speed": {"shape": [5000], "rate": 50.0, "t_stop": 99.98, "usable": True},
            "/processing/behavior/head_direction": {"shape": [5000, 2], "rate": 50.0, "usable": True},
        },
    }


def buzsaki_000044(path: Path) -> Expected:
    made = trains(4, end=20_000.0, each=200)
    with start(path) as f:
        electrode_groups(f, {"shank1": "unknown", "shank2": "unknown"})
        electrodes(f, ["unknown"] * 4, ["shank1", "shank1", "shank2", "shank2"])
        units(f, made, shank_id=[0, 0, 1, 1], location=["CA1", "CA1", "EC", ""], cell_type=["pyr", "int", "pyr", "int"])
        place = wander(40_000, 2) + 500
        place[100:200] = -1
        place = np.abs(place)
        place[100:200] = -1
        series(
            f,
            "processing/behavior/Position/1.6mLinearMazeSpatialSeries",
            place,
            rate=1 / 39.0625,
            begin=5000.0,
            kind="SpatialSeries",
            conversion=np.nan,
        )
        states = {"label": ["Awake", "Non-REM", "REM"]}
        intervals(
            f, "processing/behavior/states", np.float32([0, 6000, 9000]), np.float32([6000, 9000, 20_000]), **states
        )
    return {
        "units": {"regions": ["CA1", "CA1", "EC", "unknown"], "region_rule": ["unit_column"] * 3 + ["none"]},
        "trials": None,
        "intervals": {"/processing/behavior/states": 3},
        "behaviors": {
            "/processing/behavior/Position/1.6mLinearMazeSpatialSeries": {
                "shape": [40_000, 2],
                "rate": 39.0625,
                "t_start": 5000.0,
                "t_stop": 6023.9744,
                "nan_fraction": 0.0,
                "usable": True,
            },
        },
    }


def buzsaki_000056(path: Path) -> Expected:
    made = trains(3)
    with start(path) as f:
        electrodes(f, ["unknown"] * 3, ["shank1", "shank1", "shank2"])
        units(f, made, quality=[1, 2, 1])
        series(f, "acquisition/position_sensor0", wander(3900, 2), rate=39.0, conversion=np.nan)
    return {
        "units": {"regions": ["unknown"] * 3, "region_rule": ["none"] * 3, "quality": [None] * 3},
        "trials": None,
        "behaviors": {"/acquisition/position_sensor0": {"shape": [3900, 2], "rate": 39.0, "usable": True}},
    }


def peyrache_000939(path: Path) -> Expected:
    made = trains(3)
    with start(path) as f:
        electrode_groups(f, {"shank1": "ADN", "shank2": "Postsubiculum"})
        electrodes(f, ["unknown"] * 4, ["shank1", "shank1", "shank2", "shank2"])
        units(
            f,
            made,
            electrode_group=Refs([GROUPS + "shank1", GROUPS + "shank2", GROUPS + "shank2"]),
            electrode_index=[1, 2, 3],
            is_head_direction=[1, 0, 1],
        )
        intervals(f, "epochs", [0.0, 50.0], [50.0, 100.0], tags=Ragged([["sleep"], ["wake"]]))
        series(
            f,
            "processing/behavior/CompassDirection/head-direction",
            wander(5000) % 6.28,
            timestamps=np.arange(5000) / 50,
            kind="SpatialSeries",
            unit="radians",
        )
    return {
        "units": {"regions": ["ADN", "Postsubiculum", "Postsubiculum"], "region_rule": ["electrode_group"] * 3},
        "trials": None,
        "intervals": {"/intervals/epochs": 2},
        "behaviors": {
            "/processing/behavior/CompassDirection/head-direction": {"shape": [5000], "rate": 50.0, "usable": True}
        },
    }


def map_000363(path: Path) -> Expected:
    begin = np.arange(20) * 5.0
    rng = np.random.default_rng(0)
    made = [np.concatenate([b + rng.uniform(-0.3, 4.0, 5) for b in begin]) for _ in range(5)]
    probe = '{"skull_reference":"Bregma","ap_location":"2500.00","depth":"-4900.00","brain_regions":"left ALM"}'
    two = '{"skull_reference":"Bregma","brain_regions":"left ALM, left Striatum"}'
    with start(path, subject="440956") as f:
        electrode_groups(f, {"p1": probe, "p2": two, "p3": "N/A"})
        electrodes(
            f,
            [probe] * 2 + [two] * 2 + ["N/A"],
            ["p1", "p1", "p2", "p2", "p3"],
            x=[np.nan] * 5,
            y=[np.nan] * 5,
            z=[np.nan] * 5,
        )
        units(
            f,
            made,
            unit=[0, 1, 0, 1, 0],
            ids=[0, 1, 0, 1, 0],
            electrodes=Ragged([[0], [1], [2], [3], [4]], region=ELECTRODES),
            electrode_group=Refs([GROUPS + g for g in ("p1", "p1", "p2", "p2", "p3")]),
            anno_name=["Secondary motor area layer 5", "", "Caudoputamen", "", ""],
            unit_quality=["good", "multi", "good", "multi", "multi"],
            classification=["good", "unlabelled", "good", "unlabelled", "unlabelled"],
            obs_intervals=Ragged([np.stack([begin, begin + 4.5], axis=1)] * 5),
        )
        intervals(
            f,
            "trials",
            begin,
            begin + 4.5,
            trial=np.arange(1, 21),
            trial_instruction=["left", "right"] * 10,
            early_lick=["no early"] * 15 + ["early"] * 5,
            outcome=["hit"] * 10 + ["miss"] * 5 + ["ignore"] * 5,
            photostim_onset=["N/A"] * 10 + ["1.891"] * 10,
            photostim_power=["N/A"] * 10 + ["1.5"] * 5 + ["3.0"] * 5,
        )
        series(f, "acquisition/BehavioralEvents/go_start_times", np.ones(20), timestamps=begin + 2)
        stamps = np.concatenate([b + np.arange(400) / 100 for b in begin])
        jaw = np.column_stack([100 + wander(8000), 200 + wander(8000, seed=2), np.full(8000, 0.99)])
        jaw[:100, 2] = 0.2
        series(f, "acquisition/BehavioralTimeSeries/Camera0_side_JawTracking", jaw, timestamps=stamps)
    return {
        "units": {
            "ids": [0, 1, 0, 1, 0],
            "spike_counts": [100] * 5,
            "regions": ["Secondary motor area layer 5", "left ALM", "Caudoputamen", "unknown", "unknown"],
            "region_rule": ["unit_column", "electrodes", "unit_column", "none", "none"],
            "quality": [True, False, True, False, False],
        },
        "trials": {
            "valid": 20,
            "targets": {
                "trial_instruction": {"classes": ["left", "right"], "counts": [10, 10]},
                "early_lick": {"classes": ["early", "no early"], "counts": [5, 15]},
                "outcome": {"classes": ["hit", "ignore", "miss"], "counts": [10, 5, 5]},
                "photostim_power": {"classes": ["1.5", "3"], "counts": [5, 5]},
            },
            "not_targets": {"trial": "is a counter", "photostim_onset": "is named as a time"},
        },
        "behaviors": {
            "/acquisition/BehavioralTimeSeries/Camera0_side_JawTracking": {
                "shape": [8000, 3],
                "rate": None,
                "usable": True,
            },
            "/acquisition/BehavioralEvents/go_start_times": {"usable": False},
        },
        "observed": [[5.0 * i, 5.0 * i + 4.5] for i in range(20)],
        "warnings": ["unsorted_spike_times"],
    }


ANIMALS = (giocomo_000053, buzsaki_000044, buzsaki_000056, peyrache_000939, map_000363)
