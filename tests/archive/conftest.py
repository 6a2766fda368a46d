"""An archive on this machine, and files to put into it."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from loopback import LoopbackArchive

from nwb_mtm.archive.transfer import Patience


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackArchive]:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    with LoopbackArchive() as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """The waits between attempts, in seconds; nobody really waits."""
    return []


@pytest.fixture
def patience(waits: list[float]) -> Patience:
    return Patience(attempts=4, sleep=waits.append, rng=np.random.default_rng(0), timeout=(5.0, 5.0))


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    """Three million bytes, each telling where it is."""
    path = tmp_path / "blob.bin"
    path.write_bytes(np.arange(750_000, dtype="<u4").tobytes())
    return path
