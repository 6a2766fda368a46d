"""The box of checks: what could make these scores mean less than they seem to."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from nwb_mtm.scores import Check, Scores
from nwb_mtm.windows import Windows

if TYPE_CHECKING:
    from nwb_mtm.evaluation import Trained

LEAST_WINDOWS = 30
LEAST_SPIKES = 1000


def check(scores: Scores, sessions: Mapping[str, Windows], trained: "Trained") -> tuple[Check, ...]:
    """All checks, in the order in which they should be read."""
    return tuple(_few(scores, sessions))


def _few(scores: Scores, sessions: Mapping[str, Windows]) -> Iterator[Check]:
    few = [
        f"{key} ({len(one.only('test'))} windows)"
        for key, one in sessions.items()
        if len(one.only("test")) < LEAST_WINDOWS
    ]
    message = f"fewer than {LEAST_WINDOWS} test windows: {', '.join(few)}" if few else "enough test windows everywhere"
    yield Check("too few windows", "warn" if few else "pass", message)
