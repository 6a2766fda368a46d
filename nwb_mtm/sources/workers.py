"""Several reading processes at once: tasks go in, what happens comes out as it happens."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nwb_mtm import errors
from nwb_mtm.errors import NwbMtmError, SourceError

FORKS = sys.platform == "linux"  # elsewhere a forked process may not use the system's libraries


@dataclass(frozen=True)
class Moved:
    """So many bytes of a task's asset have come; of how many, once that is known."""

    task: int
    bytes: int
    expected: int = 0


@dataclass(frozen=True)
class Done:
    """A task has ended: well, or with an error."""

    task: int
    requests: int = 0
    bytes: int = 0
    error: NwbMtmError | None = None


@dataclass(frozen=True, eq=False)
class _Ended:
    """A process is no more."""

    crew: "_Crew"
    code: int


@dataclass(eq=False)
class _Crew:
    """A process that reads: by itself, or by a fork for each of several tasks at once. Started when it is needed."""

    room: int  # tasks at once
    events: "queue.Queue[Moved | Done | _Ended]"
    doing: set[int] = field(default_factory=set)
    process: "subprocess.Popen[str] | None" = None
    listener: threading.Thread | None = None

    def give(self, number: int, task: Mapping[str, Any]) -> None:
        """Have a task done; what becomes of it is told among the events."""
        if self.process is None:
            self._start()
        assert self.process is not None
        assert self.process.stdin is not None
        self.doing.add(number)
        with contextlib.suppress(BrokenPipeError):  # its end will be told
            self.process.stdin.write(json.dumps({"number": number, **task}) + "\n")
            self.process.stdin.flush()

    def stop(self) -> None:
        """End the process and its forks; what they were reading is dropped."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if FORKS:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.release()

    def release(self) -> None:
        """Let go of a process that has ended."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.listener is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.listener.join()
        self.process = None

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nwb_mtm.sources.worker", *(["fork"] if FORKS else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=FORKS,
        )
        self.listener = threading.Thread(target=self._listen, args=(self.process,), daemon=True)
        self.listener.start()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout as answers, contextlib.suppress(ValueError):  # half a line, of a process that was killed
            for line in answers:
                self.events.put(_event(json.loads(line)))
        self.events.put(_Ended(self, process.wait()))


def run_all(tasks: Sequence[Mapping[str, Any]], jobs: int) -> Generator[Moved | Done, None, None]:
    """Do all tasks in up to `jobs` processes; the end of the iteration is the end of them all."""
    events: queue.Queue[Moved | Done | _Ended] = queue.Queue()
    jobs = max(1, min(jobs, len(tasks)))
    crews = [_Crew(jobs, events)] if FORKS else [_Crew(1, events) for _ in range(jobs)]
    waiting = list(range(len(tasks)))[::-1]
    try:
        while waiting or any(crew.doing for crew in crews):
            for crew in crews:
                while waiting and len(crew.doing) < crew.room:
                    crew.give(number := waiting.pop(), tasks[number])
            event = events.get()
            if isinstance(event, _Ended):
                yield from _lost(event.crew, event.code)
                continue
            if isinstance(event, Done):
                for crew in crews:
                    crew.doing.discard(event.task)
            yield event
    finally:
        for crew in crews:
            crew.stop()


def _lost(crew: _Crew, code: int) -> list[Done]:
    """What a process that ended was doing."""
    crew.release()
    lost = [Done(number, error=_died(code)) for number in sorted(crew.doing)]
    crew.doing.clear()
    return lost


def _event(answer: Mapping[str, Any]) -> Moved | Done:
    number = answer["number"]
    match answer["event"]:
        case "moved":
            return Moved(number, answer["bytes"], answer["expected"])
        case "done":
            return Done(number, answer["requests"], answer["bytes"])
        case "died":
            return Done(number, error=_died(answer["status"]))
    kind: type[NwbMtmError] = getattr(errors, answer["error"])
    return Done(number, error=kind(answer["message"], kind=answer["kind"]))


def _died(code: int) -> SourceError:
    return SourceError(f"The process that read it ended with status {code}.", kind="reader_died")
