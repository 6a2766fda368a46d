"""What a run says has happened, beside what is said in words."""

from dataclasses import dataclass
from pathlib import Path

from nwb_mtm.runs import RunFolder
from nwb_mtm.scores import Scores


@dataclass(frozen=True)
class Scored:
    """The scores of a run."""

    scores: Scores


@dataclass(frozen=True)
class Written:
    """A file that is whole."""

    path: Path
    what: str


@dataclass(frozen=True)
class Stopped:
    """A run was asked to stop; its state is saved."""

    folder: RunFolder
    step: int
    evaluated: tuple[int, int] | None = None  # sessions that are done, of how many, when training was over

    def __str__(self) -> str:
        if self.evaluated is None:
            return f"Stopped after step {self.step} and saved."
        done, count = self.evaluated
        return f"Stopped after {done} of {count} sessions were evaluated; they are kept."
