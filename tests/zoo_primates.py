"""Monkeys: NLB, Perich and Miller, Jazayeri, Turner. Laid out as their real files are, the answers written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
from zoo_bricks import (
    Ragged,
    counts,
    electrode_groups,
    electrodes,
    intervals,
    series,
    start,
    text,
    trains,
    units,
    wander,
)

ELECTRODES = "/general/extracellular_ephys/electrodes"
Expected = dict[str, Any]


def nlb_000128_train(path: Path) -> Expected:
    made = trains(6, end=60.0)
    begin = np.arange(20) * 3.0
    with start(path, session="full", subject="Jenkins") as f:
        electrode_groups(f, {"electrode_group_M1": "M1", "electrode_group_PMd": "PMd"})
        electrodes(f, ["M1"] * 3 + ["PMd"] * 3, ["electrode_group_M1"] * 3 + ["electrode_group_PMd"] * 3)
        watched = np.stack([begin, begin + 2.5], axis=1)
        units(
            f,
            made,
            ids=np.arange(1001, 1007, dtype="int32"),
            electrodes=Ragged([[i] for i in (5, 4, 3, 2, 1, 0)], region=ELECTRODES),
            heldout=[False, True, False, False, True, False],
            obs_intervals=Ragged([watched] * 6),
        )
        intervals(
            f,
            "trials",
            begin,
            begin + 2.5,
            move_onset_time=begin + 1,
            split=["train"] * 12 + ["val"] * 4 + ["none"] * 4,
            success=np.ones(20, bool),
            trial_version=np.tile([0, 1], 10),
            rt=np.linspace(200.3, 411.7, 20),
            target_pos=Ragged([np.zeros((2, 2))] * 20),
        )
        inside = np.concatenate([b + np.arange(2500) / 1000 for b in begin])
        for name, kind in (("hand_pos", "SpatialSeries"), ("hand_vel", "TimeSeries")):
            series(
                f,
                f"processing/behavior/{name}",
                wander(len(inside), 2),
                timestamps=inside,
                kind=kind,
                comments="columns=[x,y]",
            )
    return {
        "session": "full",
        "subject": "Jenkins",
        "units": {
            "ids": list(range(1001, 1007)),
            "regions": ["PMd"] * 3 + ["M1"] * 3,
            "region_rule": ["electrodes"] * 6,
            "heldout": [False, True, False, False, True, False],
            "quality": [None] * 6,
        },
        "trials": {
            "valid": 20,
            "events": ["move_onset_time"],
            "targets": {"trial_version": {"classes": ["0", "1"], "counts": [10, 10]}},
            "not_targets": {
                "split": "says how trials were split",
                "success": "is constant (True)",
                "target_pos": "holds a list in every row",
            },
        },
        "behaviors": {
            "/processing/behavior/hand_pos": {"shape": [50_000, 2], "rate": None, "usable": True, "t_start": 0.0},
            "/processing/behavior/hand_vel": {"shape": [50_000, 2], "usable": True},
        },
        "observed": [[3.0 * i, 3.0 * i + 2.5] for i in range(20)],
    }


def nlb_000128_test(path: Path) -> Expected:
    made = trains(4, end=60.0)
    begin = np.arange(20) * 3.0
    with start(path, session="full", subject="Jenkins") as f:
        electrodes(f, ["M1", "PMd", "M1", "PMd"], ["a"] * 4)
        units(
            f,
            made,
            ids=[1001, 1003, 1004, 1006],
            electrodes=Ragged([[i] for i in range(4)], region=ELECTRODES),
            heldout=[False] * 4,
        )
        intervals(f, "trials", begin, begin + 2.5, move_onset_time=np.full(20, np.nan), split=["test"] * 20)
    return {
        "units": {"ids": [1001, 1003, 1004, 1006], "regions": ["M1", "PMd", "M1", "PMd"], "heldout": [False] * 4},
        "trials": {"valid": 20, "targets": {}, "events": []},
        "behaviors": {},
        "observed": None,
    }


def perich_000688(path: Path) -> Expected:
    made = trains(3, end=80.0)
    begin = np.arange(24) * 3.0 + 1
    result = ["R"] * 12 + ["A"] * 6 + ["F"] * 6
    bad = np.array(result) != "R"
    with start(path, session="CO-20131003", subject="C") as f:
        electrodes(f, ["M1", "PMd", "PMd"], ["array"] * 3, bank=["A", "B", "B"])
        units(f, made, electrodes=Ragged([[0], [1], [2]], region=ELECTRODES))
        intervals(
            f,
            "trials",
            begin,
            begin + 3,
            result=result,
            target_dir=np.where(bad, np.nan, np.tile([0.0, np.pi / 2], 12)),
            target_id=np.where(bad, np.nan, np.tile([1.0, 3.0], 12)),
            target_corners=np.zeros((24, 4)),
            go_cue_time=np.where(bad, np.nan, begin + 1),
        )
        stamps = np.arange(8000) / 100
        series(
            f,
            "processing/behavior/Position/cursor_pos",
            wander(8000, 2),
            timestamps=stamps,
            kind="SpatialSeries",
            unit="cm",
        )
        series(f, "processing/behavior/Velocity/cursor_vel", wander(8000, 2), timestamps=stamps)
    half_pi = str(np.pi / 2)
    return {
        "units": {"regions": ["M1", "PMd", "PMd"]},
        "trials": {
            "count": 24,
            "valid": 24,
            "dropped": [],
            "events": ["go_cue_time"],
            "targets": {
                "result": {"classes": ["A", "F", "R"], "counts": [6, 6, 12]},
                "target_dir": {"classes": ["0", half_pi], "counts": [6, 6]},
                "target_id": {"classes": ["1", "3"], "counts": [6, 6]},
            },
            "not_targets": {"target_corners": "has 2 dimensions", "go_cue_time": "is a time"},
        },
        "behaviors": {
            "/processing/behavior/Position/cursor_pos": {"shape": [8000, 2], "rate": 100.0, "usable": True},
            "/processing/behavior/Velocity/cursor_vel": {"shape": [8000, 2], "rate": 100.0, "usable": True},
        },
    }


def jazayeri_000897(path: Path) -> Expected:
    made = trains(3)
    with start(path) as f:
        electrodes(f, ["DMFC", "DMFC", "DMFC"], ["v1"] * 3)
        units(f, made, path="processing/ecephys/units", ids=[5, 6, 7], quality=["good", "mua", "unsorted"])
        begin = np.arange(12) * 8.0
        intervals(f, "trials", begin, begin + 6, stimulus=["a", "b"] * 6)
        stamps = np.sort(np.random.default_rng(2).uniform(0, 100, 7460))
        series(f, "processing/behavior/hand_position", wander(7460, 2), timestamps=stamps)
        series(
            f,
            "processing/behavior/eye_position",
            wander(10_000, 2),
            timestamps=np.arange(10_000) / 100,
            kind="SpatialSeries",
        )
    return {
        "units": {
            "path": "/processing/ecephys/units",
            "ids": [5, 6, 7],
            "regions": ["DMFC"] * 3,
            "region_rule": ["constant"] * 3,
            "quality": [True, False, False],
        },
        "trials": {"valid": 12, "targets": {"stimulus": {"classes": ["a", "b"], "counts": [6, 6]}}},
        "behaviors": {
            "/processing/behavior/hand_position": {"shape": [7460, 2], "rate": None, "usable": True},
            "/processing/behavior/eye_position": {"rate": 100.0, "usable": True},
        },
    }


def turner_000947(path: Path) -> Expected:
    made, everything = trains(2), trains(5, seed=4)
    with start(path) as f:
        electrode_groups(f, {"Group GPi": "unknown", "Group VLa": "unknown"})
        electrodes(f, ["unknown"] * 2, ["Group GPi", "Group VLa"])
        units(f, made, unit_name=["0", "1"], sort_label=[1, 4])
        units(f, everything, path="processing/ecephys/units")
        text(f, "general/lab", "a lab")
    return {
        "units": {
            "path": "/units",
            "count": 2,
            "spike_counts": counts(made),
            "regions": ["unknown"] * 2,
            "region_rule": ["none"] * 2,
        }
    }


ANIMALS = (nlb_000128_train, nlb_000128_test, perich_000688, jazayeri_000897, turner_000947)
