"""Mice on a task: IBL, Allen, Steinmetz. Laid out as their real files are, the answers written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
from zoo_bricks import (
    Ragged,
    Refs,
    Region,
    counts,
    electrode_groups,
    electrodes,
    intervals,
    series,
    start,
    table,
    trains,
    units,
    wander,
)

ELECTRODES = "/general/extracellular_ephys/electrodes"
GROUPS = "/general/extracellular_ephys/"
Expected = dict[str, Any]


def ibl_000409(path: Path) -> Expected:
    made = trains(5)
    labels = ["Field CA3", "Field CA3", "root", "Cortical amygdalar area posterior part lateral zone", "void"]
    with start(path, session="ks-1", subject="KS091") as f:
        electrodes(f, labels, ["Probe00"] * 3 + ["Probe01"] * 2, ids=[0, 1, 2, 384, 385])
        near = [[0, 1, 2], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4]]
        units(
            f,
            made,
            ids=[11, 12, 13, 11000, 11001],
            electrodes=Ragged(near, region=ELECTRODES),
            max_electrode=Region([0, 1, 2, 3, 4]),
            ibl_quality_score=[1.0, 0.67, 1.0, 0.0, np.nan],
            kilosort2_label=["good", "mua", "good", "noise", "good"],
            probe_name=["Probe00"] * 3 + ["Probe01"] * 2,
            spike_amplitudes_uV=Ragged([np.ones(len(t)) for t in made], "uint32"),
        )
        begin = np.arange(20) * 4.0 + 1
        onset = begin + 0.5
        onset[0] = np.nan
        intervals(
            f,
            "trials",
            begin,
            begin + 3,
            gabor_stimulus_onset_time=onset,
            mouse_wheel_choice=["clockwise", "counter_clockwise"] * 8 + ["none"] * 4,
            is_mouse_rewarded=np.arange(20) % 4 != 0,
            probability_left=np.repeat([0.5, 0.2, 0.8, 0.2], 5),
            block_index=np.repeat([0.0, 1.0, 2.0, 3.0], 5),
        )
        intervals(f, "epochs", [0.0, 85.0], [85.0, 100.0], protocol_type=["task", "passive"])
        stamps = np.sort(np.random.default_rng(3).uniform(0, 100, 400))
        series(
            f, "processing/wheel/WheelPosition", wander(400), timestamps=stamps, kind="SpatialSeries", unit="radians"
        )
        series(f, "processing/wheel/WheelVelocitySmoothed", wander(100_000), rate=1000.0, begin=0.5, unit="rad/s")
        pupil = wander(3000)
        pupil[300:600] = np.nan
        series(f, "processing/pupil/LeftPupilDiameter", pupil, timestamps=np.arange(3000) / 30 + 0.01, unit="px")
    return {
        "session": "ks-1",
        "subject": "KS091",
        "backend": "hdf5",
        "time_range": [0.0, 100.0],
        "units": {
            "path": "/units",
            "count": 5,
            "ids": [11, 12, 13, 11000, 11001],
            "spike_counts": counts(made),
            "regions": [
                "Field CA3",
                "Field CA3",
                "root",
                "Cortical amygdalar area posterior part lateral zone",
                "unknown",
            ],
            "region_rule": ["peak_electrode"] * 4 + ["none"],
            "quality": [True, False, True, False, None],
            "heldout": None,
        },
        "trials": {
            "path": "/intervals/trials",
            "count": 20,
            "valid": 20,
            "dropped": [],
            "events": ["gabor_stimulus_onset_time"],
            "targets": {
                "mouse_wheel_choice": {"classes": ["clockwise", "counter_clockwise", "none"], "counts": [8, 8, 4]},
                "is_mouse_rewarded": {"classes": ["False", "True"], "counts": [5, 15]},
                "probability_left": {"classes": ["0.2", "0.5", "0.8"], "counts": [10, 5, 5]},
            },
            "not_targets": {"block_index": "is a counter", "gabor_stimulus_onset_time": "is a time"},
        },
        "intervals": {"/intervals/trials": 20, "/intervals/epochs": 2},
        "behaviors": {
            "/processing/wheel/WheelPosition": {"shape": [400], "rate": None, "usable": True, "nan_fraction": 0.0},
            "/processing/wheel/WheelVelocitySmoothed": {
                "shape": [100_000],
                "rate": 1000.0,
                "t_start": 0.5,
                "t_stop": 100.499,
                "usable": True,
            },
            "/processing/pupil/LeftPupilDiameter": {"shape": [3000], "rate": 30.0, "nan_fraction": 0.1, "usable": True},
        },
        "observed": None,
    }


def allen_000021(path: Path) -> Expected:
    made = trains(6, each=40)
    with start(path) as f:
        electrode_groups(f, {"probeA": "See electrode locations", "probeB": "See electrode locations"})
        labels = ["VISp", "", "grey", "CA1", "None", "nan", "LGd", "VISp"]
        channels = 850_000_000 + np.array([3, 1, 7, 5, 9, 11, 2, 4])
        electrodes(
            f,
            labels,
            ["probeA"] * 4 + ["probeB"] * 4,
            ids=channels,
            x=np.arange(8.0),
            y=np.arange(8.0),
            z=np.arange(8.0),
        )
        units(
            f,
            made,
            ids=950_907_200 + np.arange(6),
            peak_channel_id=850_000_000 + np.array([3, 1, 7, 5, 9, 2]),
            quality=["good", "good", "noise", "good", "good", "good"],
            amplitude_cutoff=[0.05, 0.05, 0.05, 0.2, np.nan, 0.0],
            presence_ratio=[0.99] * 6,
            isi_violations=[0.1] * 6,
            waveform_mean=Ragged([np.zeros((2, 5))] * 6),
        )
        begin = np.arange(30) * 2.0
        shown = {"orientation": np.where(np.arange(30) % 5 == 0, np.nan, 45.0), "phase": ["[0.1, 0.2]"] * 30}
        intervals(f, "drifting_gratings_presentations", begin, begin + 1.5, **shown)
        intervals(f, "spontaneous_presentations", [60.0], [90.0])
        intervals(f, "invalid_times", [20.0], [25.0])
        intervals(f, "processing/optotagging/optogenetic_stimulation", [91.0, 92.0], [91.5, 92.5])
        series(f, "processing/running/running_speed", wander(1000), timestamps=np.arange(1000) * 0.1, unit="cm/s")
        series(
            f, "acquisition/raw_running_wheel_supply_voltage", wander(1000), timestamps=np.arange(1000) * 0.1, unit="V"
        )
        stamps = np.arange(500) / 5
        ellipse = {
            "timestamps": stamps,
            "center_x": wander(500),
            "center_y": wander(500, seed=5),
            "area": wander(500, seed=6),
        }
        table(f, "processing/eye_tracking/pupil_ellipse_fits", "DynamicTable", ellipse, np.arange(500))
    return {
        "units": {
            "ids": [950_907_200 + i for i in range(6)],
            "spike_counts": counts(made),
            "regions": ["VISp", "unknown", "grey", "CA1", "unknown", "LGd"],
            "region_rule": ["peak_channel_id", "none", "peak_channel_id", "peak_channel_id", "none", "peak_channel_id"],
            "quality": [True, True, False, False, False, True],
        },
        "trials": None,
        "intervals": {
            "/intervals/drifting_gratings_presentations": 30,
            "/intervals/spontaneous_presentations": 1,
            "/intervals/invalid_times": 1,
            "/processing/optotagging/optogenetic_stimulation": 2,
        },
        "behaviors": {
            "/processing/running/running_speed": {"shape": [1000], "rate": 10.0, "usable": True},
            "/processing/eye_tracking/pupil_ellipse_fits": {"shape": [500, 3], "rate": 5.0, "usable": True},
            "/acquisition/raw_running_wheel_supply_voltage": {"usable": False},
        },
        "observed": [[0.0, 20.0], [25.0, 100.0]],
    }


def steinmetz_000017(path: Path) -> Expected:
    made = trains(4, end=200.0)
    labels = ["VISp"] * 30 + ["CA1"] * 30 + ["root"] * 20
    peaks = [26, 36, 5, 75]  # counted from 1, the first electrode listed
    with start(path) as f:
        electrodes(f, labels, ["Probe1"] * 80)
        lists = [[p - 1, *(r for r in range(80) if r != p - 1)][:50] for p in peaks]
        units(
            f,
            made,
            electrodes=Ragged(lists, "uint16", ELECTRODES),
            peak_channel=np.array(peaks)[:, None],
            phy_annotations=[2.0, 1.0, 3.0, 2.0],
            spike_depths=Ragged([np.ones((len(t), 1), "float32") for t in made], "uint32"),
            electrode_group=Refs([GROUPS + "Probe1"] * 4),
        )
        begin = np.arange(40) * 4.5 + 1
        choice, reward = np.tile([-1, 0, 1, 1], 10), np.tile([-1, 1], 20)
        intervals(
            f,
            "trials",
            begin,
            begin + 3,
            response_choice=choice,
            feedback_type=reward,
            feedback_time=begin + 1.5,
            visual_stimulus_left_contrast=np.tile([0.0, 0.25, 0.5, 1.0], 10),
            included=np.ones(40, bool),
        )
        # the period stands where the rate should
        series(f, "acquisition/wheel_position", wander(500_000), rate=0.0004, kind="TimeSeries")
        series(f, "processing/behavior/PupilTracking/eye_area", wander(7000), timestamps=[1.0, 199.0])
        series(
            f,
            "processing/behavior/BehavioralTimeSeries/face_motion_energy",
            wander(7000),
            timestamps=np.arange(6999) / 35,
        )
        series(f, "processing/behavior/BehavioralEvents/lick_times", np.ones(30), timestamps=np.arange(30) * 3.0)
        moves = series(
            f, "processing/behavior/BehavioralEpochs/wheel_moves", np.tile([1, -1], 20), timestamps=np.arange(40.0)
        )
        moves.attrs["neurodata_type"] = "IntervalSeries"
    return {
        "units": {
            "spike_counts": counts(made),
            "regions": ["VISp", "CA1", "VISp", "root"],
            "region_rule": ["peak_channel"] * 4,
            "quality": [True, False, True, True],
        },
        "trials": {
            "count": 40,
            "valid": 40,
            "targets": {
                "response_choice": {"classes": ["-1", "0", "1"], "counts": [10, 10, 20]},
                "feedback_type": {"classes": ["-1", "1"], "counts": [20, 20]},
                "visual_stimulus_left_contrast": {"classes": ["0", "0.25", "0.5", "1"], "counts": [10] * 4},
            },
            "not_targets": {"included": "is constant (True)", "feedback_time": "is a time"},
        },
        "behaviors": {
            "/acquisition/wheel_position": {
                "shape": [500_000],
                "rate": 2500.0,
                "t_start": 0.0,
                "t_stop": 199.9996,
                "usable": True,
            },
            "/processing/behavior/PupilTracking/eye_area": {
                "shape": [7000],
                "rate": 6999 / 198,
                "t_start": 1.0,
                "t_stop": 199.0,
                "usable": True,
            },
            "/processing/behavior/BehavioralTimeSeries/face_motion_energy": {"usable": False},
            "/processing/behavior/BehavioralEvents/lick_times": {"usable": False},
        },
        "warnings": ["period_for_rate"],
    }


ANIMALS = (ibl_000409, allen_000021, steinmetz_000017)
