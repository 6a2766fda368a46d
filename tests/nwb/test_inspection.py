"""Every animal of the zoo is seen for what it is."""

import json
from pathlib import Path

import numpy as np
import pytest
from zoo import ANIMALS, build, mismatches

from nwb_mtm.expressions import evaluate
from nwb_mtm.nwb.inspection import inspect
from nwb_mtm.nwb.presence import warn_of_absence
from nwb_mtm.nwb.targets import Target, judge_column, perturbations, twins, unperturbed
from nwb_mtm.nwb.warned import Warnings
from nwb_mtm.recording import Intervals


@pytest.mark.parametrize("name", ANIMALS)
def test_inspect_answers_as_written_by_hand(name: str, tmp_path: Path) -> None:
    path, expected = build(name, tmp_path)
    answer = inspect(path).to_json()
    json.dumps(answer, allow_nan=False)
    assert mismatches(answer, expected) == []


def test_a_perturbation_is_left_out_by_a_condition_that_is_ready_to_paste() -> None:
    start = np.arange(6) * 5.0
    columns = {
        "photostim_type": np.array(["light"] * 6),
        "photostim_power": np.array([0.0, 1.5, 0.0, 1.5, 0.0, 0.0]),
        "laser period": np.array(["N/A", "delay", "N/A", "delay", "N/A", "N/A"]),
    }
    trials = Intervals(start, start + 1, columns)
    assert perturbations(trials) == {"photostim_power": 2, "laser period": 2}  # what is constant separates nothing
    condition = unperturbed(trials)
    assert condition == "photostim_power == 0 and isnull(column('laser period'))"
    assert evaluate(condition, columns, where="trials").tolist() == [True, False, True, False, True, True]


def test_a_column_that_says_the_same_as_another_is_no_target_of_its_own() -> None:
    start = np.arange(20) * 5.0
    columns = {"power": np.tile([0, 1.5], 10), "galvo": np.tile([7, 2.5], 10), "side": np.tile([0, 0, 1, 1], 5)}
    targets = [target for name, v in columns.items() if isinstance(target := judge_column(name, v), Target)]
    assert len(targets) == 3
    assert twins(targets, Intervals(start, start + 1, columns)) == {"galvo": "power"}


def test_units_that_fall_silent_are_named_up_to_five() -> None:
    warnings = Warnings()
    warn_of_absence({}, np.ones(7, bool), (0.0, 100.0), range(10, 17), warnings)
    assert "7 units have no spikes" in warnings.found[0][1]
    assert warnings.found[0][1].endswith("headline: 10, 11, 12, 13, 14 and 2 more.")
