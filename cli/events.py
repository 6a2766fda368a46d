"""Show what a run tells as it goes, and stop it gently when asked."""

import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from .progress import TrainingView
from .reading import watch
from .show import console, show_warning, table

if TYPE_CHECKING:
    from nwb_mtm.road.finetuning import Compared
    from nwb_mtm.road.fitting import Event
    from nwb_mtm.scores import Scores

STOPPED = 75  # exit code of a run that was stopped and can go on


class Stop:
    """Turns Ctrl-C, SIGTERM and SIGUSR1 into a question that training asks between steps."""

    def __init__(self) -> None:
        self.asked = False
        self.before: dict[int, Any] = {}

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> "Stop":
        for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
            number = getattr(signal, name, None)
            if number is not None:
                self.before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True


def follow(events: "Iterator[Event]") -> "Scores | None":
    """Show every event; the scores, when there are any."""
    from nwb_mtm.road.events import Scored, Stopped, Written
    from nwb_mtm.road.finetuning import Compared
    from nwb_mtm.road.gathering import Said
    from nwb_mtm.training import Step

    out = console(stderr=True)
    scores = None
    compared: list[Compared] = []
    with TrainingView() as view:
        for event in watch(events):
            if isinstance(event, Step):
                view.show(event)
                continue
            view.pause()
            if isinstance(event, Said) and event.warning:
                show_warning(event.text)
            elif isinstance(event, Said):
                out.print(event.text, markup=False)
            elif isinstance(event, Written):
                out.print(f"{event.what}: {event.path}", markup=False)
            elif isinstance(event, Compared):
                compared.append(event)
            elif isinstance(event, Scored):
                scores = event.scores
                show_scores(scores)
            elif isinstance(event, Stopped):
                out.print(f"{event} Go on with:", markup=False)
                out.print(f"  nwb-mtm fit --resume {event.folder.path}", markup=False)
                sys.exit(STOPPED)
    if compared:
        show_compared(compared)
    return scores


def follow_in_silence(events: "Iterator[Event]") -> None:
    """What a rank does that is not the first: work, and show nothing."""
    from nwb_mtm.road.events import Stopped

    for event in events:
        if isinstance(event, Stopped):
            sys.exit(STOPPED)


def show_compared(found: "Sequence[Compared]") -> None:
    """Before training, finetuned and from scratch side by side."""
    columns = (
        "session",
        "score",
        "windows",
        "mean row",
        "zero-shot",
        "aligned",
        "finetuned",
        "scratch",
        "pooled gain over scratch",
    )
    rows = [
        (
            one.session,
            one.score,
            one.trials,
            *(
                f"{getattr(one, way):+.3f} ({one.share(way):.0%})".replace(" (nan%)", "")
                for way in ("mean_row", "zero_shot", "aligned")
            ),
            f"{one.finetuned:+.3f}",
            f"{one.scratch:+.3f}",
            str(one.gain),
        )
        for one in found
    ]
    console().print(
        table(
            "Was it worth starting from another model? (bits per spike; in brackets, of finetuned)",
            columns,
            rows,
        )
    )
    for told in dict.fromkeys(one.basis for one in found):
        console().print(told, markup=False)


def show_scores(scores: "Scores") -> None:
    """The answers in words, the checks and one table, on stdout."""
    from .evaluate import show_brief

    show_brief(scores)
