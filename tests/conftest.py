"""What all tests share: a home of their own, no network, and the same chance on every machine."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("house", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("house")

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def pytest_configure(config: pytest.Config) -> None:
    """One thread, no screen, and no trace of the user's own settings."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["MPLBACKEND"] = "Agg"
    os.environ["MPLCONFIGDIR"] = str(Path(tempfile.gettempdir()) / "nwb-mtm-tests-matplotlib")
    os.environ["COLUMNS"] = "80"
    os.environ["NO_COLOR"] = "1"
    for name in list(os.environ):
        if name.startswith(("NWB_MTM_", "DANDI_")) and name != "NWB_MTM_TEST_DATA":
            del os.environ[name]


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point everything that writes below the home folder to an empty one."""
    home = tmp_path_factory.getbasetemp() / "home"
    for name, folder in (("HOME", ""), ("XDG_CACHE_HOME", ".cache"), ("XDG_CONFIG_HOME", ".config")):
        (home / folder).mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(name, str(home / folder))


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse every connection that leaves the machine, except in tests marked `network`."""
    if request.node.get_closest_marker("network"):
        yield
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise OSError(f"This test tried to reach {address[0]}; mark it `network`.")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
