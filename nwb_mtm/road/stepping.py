"""Training step after step: what is written down, when its state is saved, and how it ends early."""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwb_mtm.distributed import World
from nwb_mtm.errors import RunError
from nwb_mtm.road.events import Stopped
from nwb_mtm.road.gathering import Said
from nwb_mtm.runs import RunFolder
from nwb_mtm.training import Step, Training

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SAVE_SECONDS = 120.0  # between saves of the state that a stopped run goes on from


@dataclass(frozen=True)
class Stepping:
    """Where steps are written down (by the first rank), and what may stop them (on any)."""

    folder: RunFolder
    notes: Mapping[str, Any]  # for whoever goes on
    world: World
    stop: Callable[[], bool]
    spent: float = 0.0  # seconds trained before a stop
    tensorboard: bool = False

    def run(self, training: Training, log: RunFolder) -> Generator[Said | Step | Stopped, None, bool]:
        """Train, keep what is needed to go on, and log into `log`; whether it was stopped."""
        yield from (Said(note) for note in training.notes)
        board = self._board(log.path)
        try:
            stopped = yield from self._steps(training, log, board)
        except RunError as error:
            if error.kind != "diverged":
                raise
            raise _kept(training, log, error) from error
        finally:
            if board is not None:
                board.close()
        return stopped

    def _steps(
        self, training: Training, log: RunFolder, board: "SummaryWriter | None"
    ) -> Generator[Step | Stopped, None, bool]:
        started = saved = time.monotonic()
        for step in training:
            spent = self.spent + time.monotonic() - started
            if self.world.first:
                log.log_step(_line(step, spent))
            if board is not None:
                _draw(board, step)
            yield step
            if step.step != training.step:  # several steps at once: the state is that of the last
                continue
            asked = self.stop() and step.step < step.steps
            due = self.world.first and time.monotonic() - saved > SAVE_SECONDS
            stop, save = self.world.any(asked, due) if self.world.size > 1 else (asked, due)
            if stop or save:
                self.save(training, spent)
                saved = time.monotonic()
            if stop:
                yield Stopped(self.folder, step.step)
                return True
        return False

    def save(self, training: Training, spent: float) -> None:
        """Write the state that a stopped run goes on from; no rank leaves before it is whole."""
        training.save_resume(self.folder.resume, {**self.notes, "seconds": spent})
        self.world.wait()

    def _board(self, folder: Path) -> "SummaryWriter | None":
        if not self.tensorboard or not self.world.first:
            return None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise RunError(
                "--tensorboard needs the package tensorboard: pip install 'nwb-mtm[tensorboard]'. "
                "steps.jsonl holds the same numbers.",
                kind="missing_extra",
            ) from error
        return SummaryWriter(str(folder / "tensorboard"))  # type: ignore[no-untyped-call]


def _kept(training: Training, log: RunFolder, error: RunError) -> RunError:
    """The same error, with the best model of the time before it in the run folder."""
    checkpoint = training.checkpoint()
    if not training.best_step:
        return RunError(f"{error} No model had been validated by then; none is kept.", kind=error.kind)
    if training.world.first:
        training.config.save(log.config)
        checkpoint.save(log.model)
    return RunError(f"{error} The best model, of step {training.best_step}, is kept in {log.path}.", kind=error.kind)


def _line(step: Step, seconds: float) -> dict[str, Any]:
    line: dict[str, Any] = {"step": step.step, "seconds": round(seconds, 2), "loss": dict(step.loss)}
    if step.valid is not None:
        line["valid"] = dict(step.valid)
    return {**line, "windows_per_s": round(step.windows_per_s, 1)}


def _draw(board: "SummaryWriter", step: Step) -> None:
    for group, values in (("loss", step.loss), ("valid", step.valid or {})):
        for name, value in values.items():
            board.add_scalar(f"{group}/{name}", value, step.step)  # type: ignore[no-untyped-call]
    board.add_scalar("windows_per_s", step.windows_per_s, step.step)  # type: ignore[no-untyped-call]
