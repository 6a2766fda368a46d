"""Which event to align windows to when nobody said, and what that costs."""

from dataclasses import dataclass, replace

import numpy as np

from nwb_mtm.config import WindowConfig
from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import Recording
from nwb_mtm.windows import Windows

# Columns that mark what a trial is about, best first; the first one that most trials have is taken.
EVENTS = (
    "stim_on_time",
    "stimOn_times",
    "gabor_stimulus_onset_time",
    "visual_stimulus_time",
    "stimulus_onset_time",
    "stim_onset_time",
    "stimulus_time",
    "change_time",
    "target_on_time",
    "sample_start_time",
    "cue_start_time",
    "go_cue_time",
    "gocue_time",
    "go_cue",
    "move_onset_time",
    "timestamps_Encoding1",
    "start_time",
)
LEAST_TRIALS = 20
LEAST_SHARE = 0.5  # of trials must have the event


@dataclass(frozen=True)
class Choice:
    """Windows of one recording, and the sentence that tells how they were chosen."""

    windows: Windows
    reason: str
    warning: str | None = None  # windows that are not what somebody with trials expects


def cut(recording: Recording, config: WindowConfig) -> Choice:
    """Cut windows as the settings say; `auto` chooses an event by the list above, else tiles."""
    if config.tile > 0:
        return _told(Windows.tile(recording, config.tile, bin_size=config.bin), "as asked")
    if config.align == "none":
        width = config.before + config.after
        return _told(Windows.tile(recording, width, bin_size=config.bin), "as asked")
    if config.align != "auto":
        return _told(_around(recording, config.align, config), "as asked")
    column = _first_event(recording)
    around = None
    if column is not None:
        around = _around(recording, f"trials.{column}", config)
        if len(around) >= LEAST_TRIALS:
            return _told(around, "chosen from the list of event names; change it with --align or --tile")
    why = _why_tiles(recording, around)
    tiles = Windows.tile(recording, config.before + config.after, bin_size=config.bin)
    if recording.trials is None:
        return _told(tiles, why)
    said = f"windows are laid end to end and not around trials: {why}"
    return replace(_told(tiles, "not around trials, see the warning"), warning=said)


def _why_tiles(recording: Recording, around: Windows | None) -> str:
    """Why no event was taken, and how to take one."""
    trials = recording.trials
    if trials is None:
        tables = ", ".join(path.rsplit("/", 1)[-1] for path in recording.intervals)
        other = f" but these tables: {tables}; take one with --trials TABLE" if tables else "; or name an event"
        return f"no table of trials{other} or --align TABLE.COLUMN"
    if len(trials) < LEAST_TRIALS:
        return f"only {len(trials)} trials are left, and {LEAST_TRIALS} are needed; --align COLUMN takes fewer"
    if around is None:
        return f"no event has a time in {LEAST_SHARE:.0%} of the trials; name one with --align COLUMN"
    return f"only {len(around)} windows at {around.alignment} lie in observed time; name an event with --align COLUMN"


def _around(recording: Recording, events: str, config: WindowConfig) -> Windows:
    return Windows.around(recording, events, before=config.before, after=config.after, bin_size=config.bin)


def _first_event(recording: Recording) -> str | None:
    trials = recording.trials
    if trials is None or len(trials) < LEAST_TRIALS:
        return None
    for name in EVENTS:
        if name == "start_time" or (name in trials.columns and trials.columns[name].dtype.kind == "f"):
            times = trials.times(name)
            if np.isfinite(times).mean() >= LEAST_SHARE:
                return name
    return None


def _told(windows: Windows, how: str) -> Choice:
    if not len(windows):
        raise RecordingError(
            f"{windows.session}: no window of {windows.alignment} lies in observed time ({windows.left_out} left out). "
            "Choose another event with --align, or shorter windows with --before/--after or --tile.",
            kind="no_windows",
        )
    lost = f", {windows.left_out} left out" if windows.left_out else ""
    return Choice(windows, f"{windows.session}: {len(windows)} windows, {windows.alignment}{lost} ({how})")
