"""A process that reads remote assets, one after another, as it is told on its standard input.

It is started as `python -m nwb_mtm.sources.worker`; every line in and out is one JSON object. HDF5 waits for the
network under a lock of its own, so that several assets at once need several processes.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from nwb_mtm.errors import NwbMtmError
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.sources.catalog import asset_from
from nwb_mtm.sources.store import Store
from nwb_mtm.sources.streaming import stream


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    answers = _private_output()
    for line in sys.stdin:
        _answer(json.loads(line), answers)


def selection_from(facts: Mapping[str, Any]) -> ReadOptions:
    """A selection from its facts as JSON gives them back."""
    chosen: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in facts.items()}
    return ReadOptions(**chosen)


def _answer(task: Mapping[str, Any], answers: TextIO) -> None:
    lock = threading.Lock()

    def say(**facts: Any) -> None:
        with lock, contextlib.suppress(BrokenPipeError):
            answers.write(json.dumps(facts) + "\n")
            answers.flush()

    try:
        traffic = stream(
            asset_from(task["asset"]),
            Store(Path(task["cache"]), task["limit"]),
            selection=selection_from(task["selection"]),
            largest_download=task["largest_download"],
            offline=task["offline"],
            report=lambda moved, expected: say(event="moved", bytes=moved, expected=expected),
        )
    except NwbMtmError as error:
        say(event="error", error=type(error).__name__, kind=error.kind, message=str(error))
    except Exception as error:  # noqa: BLE001 - a process boundary: the other assets go on
        traceback.print_exc()
        say(event="error", error="SourceError", kind="unreadable", message=f"{type(error).__name__}: {error}")
    else:
        say(event="done", requests=traffic.requests, bytes=traffic.bytes)


def _private_output() -> TextIO:
    """Keep standard output for answers; whatever else is printed goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


if __name__ == "__main__":
    main()
