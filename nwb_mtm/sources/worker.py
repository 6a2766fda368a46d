"""A process that reads remote assets, as it is told on its standard input.

It is started as `python -m nwb_mtm.sources.worker`; every line in and out is one JSON object. HDF5 waits for the
network under a lock of its own, so that several assets at once need several processes. With `fork` every task has
a fork of this one, which has loaded already what reading needs; without, tasks are done one after another.
"""

import contextlib
import json
import os
import select
import selectors
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nwb_mtm.errors import NwbMtmError
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.sources.catalog import asset_from
from nwb_mtm.sources.store import Store
from nwb_mtm.sources.streaming import stream

Say = Callable[..., None]
WHOLE = getattr(select, "PIPE_BUF", 512)  # bytes that a pipe takes at once


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    say = _private_output()
    if "fork" in sys.argv:
        _serve_in_forks(say)
        return
    for line in sys.stdin:
        _answer(json.loads(line), say)


def _serve_in_forks(say: Say) -> None:
    """Fork for every task, and tell of forks that did not end well."""
    told, rest = sys.stdin.fileno(), b""
    with selectors.DefaultSelector() as awaited:
        awaited.register(told, selectors.EVENT_READ)
        while awaited.get_map():
            for key, _ in awaited.select():
                if key.data is not None:
                    awaited.unregister(key.fd)
                    os.close(key.fd)
                    _reap(key.data, say)
                elif said := os.read(told, 1 << 16):
                    *lines, rest = (rest + said).split(b"\n")
                    for line in lines:
                        awaited.register(*_fork(json.loads(line), say))
                else:
                    awaited.unregister(told)


def _fork(task: Mapping[str, Any], say: Say) -> tuple[int, int, tuple[int, int]]:
    """Have a fork do a task; a pipe that closes when the fork is no more, its process and the task's number."""
    end, held = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(end)
        _answer(task, say)
        sys.stderr.flush()
        os._exit(0)
    os.close(held)
    return end, selectors.EVENT_READ, (process, task["number"])


def _reap(fork: tuple[int, int], say: Say) -> None:
    process, number = fork
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status:
        say(number=number, event="died", status=status)


def selection_from(facts: Mapping[str, Any]) -> ReadOptions:
    """A selection from its facts as JSON gives them back."""
    chosen: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in facts.items()}
    return ReadOptions(**chosen)


def _answer(task: Mapping[str, Any], say: Say) -> None:
    number = task["number"]
    try:
        traffic = stream(
            asset_from(task["asset"]),
            Store(Path(task["cache"]), task["limit"]),
            selection=selection_from(task["selection"]),
            largest_download=task["largest_download"],
            offline=task["offline"],
            report=lambda moved, expected: say(number=number, event="moved", bytes=moved, expected=expected),
        )
    except NwbMtmError as error:
        say(number=number, event="error", error=type(error).__name__, kind=error.kind, message=str(error))
    except Exception as error:  # noqa: BLE001 - a process boundary: the other assets go on
        traceback.print_exc()
        told = f"{type(error).__name__}: {error}"
        say(number=number, event="error", error="SourceError", kind="unreadable", message=told)
    else:
        say(number=number, event="done", requests=traffic.requests, bytes=traffic.bytes)


def _private_output() -> Say:
    """Keep standard output for answers; whatever else is printed goes to standard error.

    Forks write to it as well, so no line is longer than what stays whole.
    """
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(**facts: Any) -> None:
        line = json.dumps(facts).encode() + b"\n"
        while len(line) > WHOLE:
            facts["message"] = facts["message"][: len(facts["message"]) // 2]
            line = json.dumps(facts).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):
            os.write(answers, line)

    return say


if __name__ == "__main__":
    main()
