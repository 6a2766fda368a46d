"""People, and the FALCON files. Laid out as real files are, the answers written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
from zoo_bricks import (
    Ragged,
    Region,
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
Expected = dict[str, Any]


def human_000004(path: Path) -> Expected:
    clock = 1.2e9
    made = trains(4, begin=clock, end=clock + 300)
    begin = clock + np.arange(20) * 10.0
    with start(path, session="P9HMH", subject="P9HMH") as f:
        names = ["Right Hippocampus", "Left Hippocampus", "Right Amygdala", "Left Amygdala"]
        electrodes(f, names, [f"w{i}" for i in range(4)], ids=[1, 1, 2, 2], origChannel=np.array([1.0, 1, 2, 2]))
        units(f, made, electrodes=Ragged([[0], [1], [2], [3]], region=ELECTRODES), SNR=[1.0, np.nan, 3.0, 2.0])
        intervals(
            f,
            "trials",
            begin,
            begin + 8,
            stim_phase=["learn"] * 10 + ["recog"] * 10,
            stimCategory=np.tile([1, 2, 3, 4, 5], 4),
            new_old_labels_recog=["NA"] * 10 + ["0", "1"] * 5,
            response_value=[0.0, 1.0] * 5 + list(range(31, 36)) * 2,
            response_time=begin + 2,
            external_image_file=[f"C:/images/{i}.jpg" for i in range(20)],
        )
        series(
            f,
            "acquisition/events",
            np.tile([1, 2, 61], 20),
            timestamps=np.sort(clock + np.random.default_rng(0).uniform(0, 300, 60)),
        )
    return {
        "time_range": [clock, clock + 300],
        "units": {"spike_counts": counts(made), "regions": names, "region_rule": ["electrodes"] * 4},
        "trials": {
            "valid": 20,
            "events": ["response_time"],
            "targets": {
                "stim_phase": {"classes": ["learn", "recog"], "counts": [10, 10]},
                "stimCategory": {"classes": ["1", "2", "3", "4", "5"], "counts": [4] * 5},
                "new_old_labels_recog": {"classes": ["0", "1"], "counts": [5, 5]},
                "response_value": {"classes": ["0", "1", "31", "32", "33", "34", "35"], "counts": [5, 5, *[2] * 5]},
            },
            "not_targets": {
                "external_image_file": "has another value in every trial",
            },
        },
        "behaviors": {"/acquisition/events": {"usable": False}},
    }


def human_000207(path: Path) -> Expected:
    made = trains(5)
    with start(path, session="4", subject="4") as f:
        electrodes(f, [b"hippocampus_right", b"hippocampus_right", b"amygdala_right"], ["micros"] * 3)
        made_units = units(f, made, ids=np.arange(5, dtype="int8"), electrodes=Region([0, 1, 2, 2, 0], dtype="int8"))
        made_units.attrs["colnames"] = np.array([b"spike_times", b"electrodes"])
        for name, rows in (("encoding_table", 9), ("recognition_table", 18)):
            intervals(f, name, np.arange(rows) * 5.0, np.arange(rows) * 5.0 + 2, boundary1_time=np.zeros(rows))
    return {
        "units": {
            "ids": [0, 1, 2, 3, 4],
            "region_rule": ["electrodes"] * 5,
            "regions": [
                "hippocampus_right",
                "hippocampus_right",
                "amygdala_right",
                "amygdala_right",
                "hippocampus_right",
            ],
        },
        "trials": None,
        "intervals": {"/intervals/encoding_table": 9, "/intervals/recognition_table": 18},
        "behaviors": {},
    }


def falcon_m1_000941(path: Path) -> Expected:
    made = trains(4, end=50.0)
    with start(path, session="L-20120924-held-in-calib", subject="MonkeyL-held-in-calib") as f:
        electrode_groups(f, {"M1_array": "Motor Cortex"})
        electrodes(f, ["M1"] * 4, ["M1_array"] * 4)
        units(
            f,
            made,
            electrodes=Ragged([[0], [1], [2], [3]], region=ELECTRODES),
            obs_intervals=Ragged([[[0.0, 50.0]]] * 4),
        )
        stamps = np.concatenate([np.arange(1, 1001) * 0.02, 25 + np.arange(1, 1001) * 0.02])
        for muscle in ("APL", "Thenar"):
            series(f, f"acquisition/preprocessed_emg/{muscle}", wander(2000), timestamps=stamps)
        f["acquisition/preprocessed_emg"].attrs["neurodata_type"] = "BehavioralTimeSeries"
        series(f, "acquisition/eval_mask", np.ones(2000, bool), timestamps=stamps)
        begin = np.arange(12) * 4.0
        intervals(
            f,
            "trials",
            begin,
            begin + 3,
            result=["success"] * 6 + ["failure"] * 6,
            contact_time=np.full(12, np.nan),
            gocue_time=begin + 1,
            tgt_loc=np.zeros((12, 2)),
        )
    return {
        "units": {"regions": ["M1"] * 4, "region_rule": ["electrodes"] * 4},
        "trials": {
            "valid": 12,
            "events": ["gocue_time"],
            "targets": {"result": {"classes": ["failure", "success"], "counts": [6, 6]}},
        },
        "behaviors": {
            "/acquisition/preprocessed_emg/APL": {"shape": [2000], "rate": None, "usable": True},
            "/acquisition/preprocessed_emg/Thenar": {"usable": True},
            "/acquisition/eval_mask": {"usable": False},
        },
        "observed": [[0.0, 50.0]],
    }


def falcon_h1_000954(path: Path) -> Expected:
    made = trains(12, begin=30.0, end=130.0)
    with start(path) as f:
        units(f, made)
        intervals(f, "epochs", [30.0, 80.0], [80.0, 130.0], tags=Ragged([["a"], ["b"]]))
        for name in ("OpenLoopKinematics", "OpenLoopKinematicsVelocity"):
            series(f, f"acquisition/{name}", wander(5000, 7), rate=0.02, offset=30.0)
        series(f, "acquisition/TrialNum", np.repeat(np.arange(10.0), 500), rate=0.02, offset=30.0)
        series(f, "acquisition/eval_mask", np.tile([True, False], 2500), rate=0.02, offset=30.0)
    return {
        "units": {"count": 12, "regions": ["unknown"] * 12},
        "trials": None,
        "intervals": {"/intervals/epochs": 2},
        "behaviors": {
            "/acquisition/OpenLoopKinematics": {
                "shape": [5000, 7],
                "rate": 50.0,
                "t_start": 30.0,
                "t_stop": 129.98,
                "usable": True,
            },
            "/acquisition/OpenLoopKinematicsVelocity": {"rate": 50.0, "usable": True},
            "/acquisition/TrialNum": {"usable": False},
            "/acquisition/eval_mask": {"usable": False},
        },
    }


ANIMALS = (human_000004, human_000207, falcon_m1_000941, falcon_h1_000954)
