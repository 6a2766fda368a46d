"""What a reader has to tell about a file without stopping."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

WARNINGS: Mapping[str, str] = MappingProxyType(
    {
        "ambiguous_units": "Units list electrodes in several regions and name no peak.",
        "clock_mismatch": "Trials or behaviour are on another clock than the spikes.",
        "coarse_spike_times": "Spike times are stored as float32 and lose milliseconds.",
        "damaged_column": "The index of a column beside the spikes cannot be true.",
        "missing_namespace": "An extension is used whose definition is not in the file.",
        "period_for_rate": "A series stores its sampling period where its rate should be.",
        "repeated_spike_times": "Spikes have the same time as the one before.",
        "silent_group": "A probe has no spikes for over a minute at the beginning or end.",
        "spike_times_look_like_samples": "Spike times are whole numbers, beyond any session in seconds.",
        "spike_times_not_finite": "Spike times are NaN or infinite.",
        "spikes_of_no_unit": "Spike times lie behind the end of the index.",
        "target_follows_time": "A column of the trials changes so seldom that time alone tells it.",
        "unsorted_spike_times": "Spike times are out of order within a unit.",
        "vanishing_units": "Units are silent through a large part of the session.",
        "wrapped_index": "The index of the spike times is of a type too small for it, and was mended.",
    }
)


@dataclass(frozen=True)
class Warnings:
    """Warnings by kind, in the order they came; the same one is kept once."""

    found: list[tuple[str, str]] = field(default_factory=list)

    def add(self, kind: str, message: str) -> None:
        """Keep a warning."""
        if kind not in WARNINGS:
            raise ValueError(f"{kind!r} is no kind of warning; add it to nwb_mtm.nwb.warned.WARNINGS")
        if (kind, message) not in self.found:
            self.found.append((kind, message))
