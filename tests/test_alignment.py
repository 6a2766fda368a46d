"""Windows are cut as asked; when nothing is asked, by a list of events, and the choice is told."""

from dataclasses import replace

import numpy as np
import pytest

from nwb_mtm.alignment import EVENTS, cut
from nwb_mtm.config import WindowConfig
from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import Intervals, Recording


def recording(columns: dict[str, np.ndarray] | None = None, *, trials: int = 40) -> Recording:
    start = np.arange(trials) * 5.0 + 1.0
    table = Intervals(start, start + 4, columns or {}) if trials else None
    trains = [np.arange(0, 220, 0.5)]
    return Recording.from_arrays(trains, session="s", trials=table, observed=[[0.0, 220.0]])


def times(offset: float, trials: int = 40) -> np.ndarray:
    return np.arange(trials) * 5.0 + 1.0 + offset


def test_the_first_event_of_the_list_is_taken() -> None:
    chosen = cut(recording({"go_cue_time": times(1.0), "stim_on_time": times(0.5)}), WindowConfig())
    assert "trials.stim_on_time" in chosen.reason
    assert "--align" in chosen.reason


def test_an_event_that_most_trials_lack_is_passed_over() -> None:
    mostly = np.where(np.arange(40) % 3 == 0, times(0.5), np.nan)
    chosen = cut(recording({"stim_on_time": mostly, "go_cue_time": times(1.0)}), WindowConfig())
    assert "trials.go_cue_time" in chosen.reason


def test_without_trials_windows_are_laid_end_to_end() -> None:
    chosen = cut(recording(trials=0), WindowConfig())
    assert "tiles of 2 s" in chosen.reason
    assert len(chosen.windows) == 110


def test_falling_back_to_tiles_although_there_are_trials_is_a_warning_that_says_why() -> None:
    few = cut(recording({"stim_on_time": times(0.5, 11)}, trials=11), WindowConfig())
    assert "tiles of 2 s" in few.reason
    assert few.warning is not None
    assert "only 11 trials are left, and 20 are needed" in few.warning
    assert cut(recording({"stim_on_time": times(0.5)}), WindowConfig()).warning is None


def test_without_trials_the_other_tables_of_intervals_are_named() -> None:
    start = np.arange(9) * 5.0
    other = Intervals(start, start + 1, {}, path="/intervals/recognition_table")
    chosen = cut(replace(recording(trials=0), intervals={other.path: other}), WindowConfig())
    assert "these tables: recognition_table; take one with --trials TABLE" in chosen.reason
    assert chosen.warning is None


def test_what_was_asked_is_done() -> None:
    r = recording({"stim_on_time": times(0.5), "choice_time": times(2.0)})
    assert "trials.choice_time" in cut(r, WindowConfig(align="choice_time")).reason
    assert "tiles of 1 s" in cut(r, WindowConfig(tile=1.0)).reason
    assert "tiles of 2 s" in cut(r, WindowConfig(align="none")).reason


def test_the_number_left_out_is_told() -> None:
    some = np.where(np.arange(40) < 36, times(0.5), np.nan)
    assert "36 windows" in cut(recording({"stim_on_time": some}), WindowConfig()).reason
    assert "4 left out" in cut(recording({"stim_on_time": some}), WindowConfig()).reason


def test_no_window_at_all_is_an_error_that_says_what_to_change() -> None:
    with pytest.raises(RecordingError, match="--before/--after or --tile") as raised:
        cut(recording(), WindowConfig(align="start_time", before=300, after=300))
    assert raised.value.kind == "no_windows"


def test_the_list_of_events_names_each_once_and_ends_with_the_start() -> None:
    assert len(set(EVENTS)) == len(EVENTS)
    assert EVENTS[-1] == "start_time"
