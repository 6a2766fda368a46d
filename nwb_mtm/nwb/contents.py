"""What the reader and inspect start from: all that a file says of a session, its behaviour still unread."""

from collections.abc import Mapping
from dataclasses import dataclass

from numpy import ndarray

from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.electrodes import Electrodes
from nwb_mtm.nwb.opening import Opened
from nwb_mtm.nwb.placement import Placement
from nwb_mtm.nwb.series import Candidate
from nwb_mtm.nwb.targets import Target
from nwb_mtm.nwb.view import text_at
from nwb_mtm.nwb.warned import Warnings
from nwb_mtm.recording import Intervals, Observed, Spikes

MOST_BEHAVIORS = 5


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials, cleaned, with what can be decoded from them and why the rest cannot."""

    intervals: Intervals
    count: int
    targets: tuple[Target, ...]
    not_targets: Mapping[str, str]
    condition: str | None


@dataclass(frozen=True, eq=False)
class Contents:
    """One session as the file holds it."""

    opened: Opened
    table: Table
    spikes: Spikes
    span: tuple[float, float]
    columns: Mapping[str, ndarray]
    electrodes: Electrodes
    placement: Placement
    quality_rule: str
    quality: tuple[bool | None, ...]
    noise: ndarray
    observed: Observed | None
    watched: Observed | None  # the same, cut to the time that each group was there
    vanishing: ndarray
    intervals: Mapping[str, Intervals]
    interval_counts: Mapping[str, int]
    trials: Trials | None
    candidates: tuple[Candidate, ...]
    warnings: Warnings

    def text(self, path: str) -> str | None:
        """A string of the file, such as `general/session_id`."""
        return text_at(self.opened.root, path)


def time_range(spikes: Spikes) -> tuple[float, float] | None:
    """The first and the last spike."""
    held = spikes.offsets[:-1] < spikes.offsets[1:]  # trains are sorted: their ends are enough
    if not held.any():
        return None
    first, last = spikes.times[spikes.offsets[:-1][held]], spikes.times[spikes.offsets[1:][held] - 1]
    return float(first.min()), float(last.max())
