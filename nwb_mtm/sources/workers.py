"""Several reading processes at once: tasks go in, what happens comes out as it happens."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nwb_mtm import errors
from nwb_mtm.errors import NwbMtmError, SourceError


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


@dataclass
class _Reader:
    """One process, started when it is needed and again when it died."""

    process: "subprocess.Popen[str] | None" = None
    events: "queue.Queue[Moved | Done]" = field(default_factory=queue.Queue)

    def run(self, number: int, task: Mapping[str, Any]) -> Done:
        """Have one task done."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                answer = json.loads(line)
                if answer["event"] != "moved":
                    return _done(number, answer)
                self.events.put(Moved(number, answer["bytes"], answer["expected"]))
        except (BrokenPipeError, ValueError):
            pass
        return Done(number, error=self._died())

    def stop(self) -> None:
        """End the process; what it was reading is dropped."""
        process = self.process
        if process is not None:
            process.kill()

    def release(self) -> None:
        """Let go of a process that has ended."""
        if self.process is not None:
            self._died()

    def _started(self) -> "subprocess.Popen[str]":
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nwb_mtm.sources.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        return self.process

    def _died(self) -> SourceError:
        assert self.process is not None
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        code = self.process.wait()
        self.process = None
        return SourceError(f"The process that read it ended with status {code}.", kind="reader_died")


def run_all(tasks: Sequence[Mapping[str, Any]], jobs: int) -> Generator[Moved | Done, None, None]:
    """Do all tasks in up to `jobs` processes; the end of the iteration is the end of them all."""
    events: queue.Queue[Moved | Done] = queue.Queue()
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(tasks)):
        waiting.put(number)
    readers = [_Reader(events=events) for _ in range(min(jobs, len(tasks)))]
    threads = [threading.Thread(target=_serve, args=(reader, tasks, waiting), daemon=True) for reader in readers]
    for thread in threads:
        thread.start()
    left = len(tasks)
    try:
        while left:
            event = events.get()
            left -= isinstance(event, Done)
            yield event
    finally:
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.get_nowait()
        for reader in readers:
            reader.stop()
        for thread in threads:
            thread.join()
        for reader in readers:
            reader.release()


def _serve(reader: _Reader, tasks: Sequence[Mapping[str, Any]], waiting: "queue.SimpleQueue[int]") -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            number = waiting.get_nowait()
            reader.events.put(reader.run(number, tasks[number]))


def _done(number: int, answer: Mapping[str, Any]) -> Done:
    if answer["event"] == "done":
        return Done(number, answer["requests"], answer["bytes"])
    kind: type[NwbMtmError] = getattr(errors, answer["error"])
    return Done(number, error=kind(answer["message"], kind=answer["kind"]))
