"""What is shown while files are being read: nothing when piped, and an honest estimate on a terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from nwb_mtm_cli import reading
from nwb_mtm_cli.reading import Bars, watch

from nwb_mtm.archive.assets import Asset
from nwb_mtm.sources.reading import Progress
from nwb_mtm.sources.resolution import SourceItem

FIRST, SECOND = (SourceItem(name, Asset(name, 9, name, name, ())) for name in ("sub-1/a.nwb", "sub-2/b.nwb"))
MB = 1_000_000


def events() -> Iterator[Progress | str]:
    yield Progress(FIRST, MB, 0, 2)
    yield Progress(FIRST, 2 * MB, 0, 2, expected=4 * MB)
    yield "said"
    yield Progress(FIRST, 4 * MB, 1, 2, finished=True, expected=4 * MB)


def test_piped_reading_is_quiet_unless_lines_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(watch(events())) == ["said"]
    assert capsys.readouterr().err == ""
    assert list(watch(events(), lines=True)) == ["said"]
    assert capsys.readouterr().err == "read 1/2  sub-1/a.nwb  4.0 MB\n"


def test_the_estimate_follows_from_files_and_bytes_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(reading.time, "monotonic", lambda: now[0])
    bars = Bars()
    bars.show(Progress(FIRST, MB, 0, 2))
    now[0] = 110.0
    unknown = Progress(FIRST, 2 * MB, 0, 2)
    bars.show(unknown)
    assert bars.summary(unknown) == "0 of 2 files, 2.0 MB"
    half = Progress(FIRST, 2 * MB, 0, 2, expected=4 * MB)
    bars.show(half)
    assert bars.summary(half) == "0 of 2 files, 2.0 MB, about 30 s left"
    done = Progress(FIRST, 4 * MB, 1, 2, finished=True, expected=4 * MB)
    bars.show(done)
    assert bars.summary(done) == "1 of 2 files, 4.0 MB, about 10 s left"
    bars.pause()


def test_the_screen_is_given_back_and_taken_again() -> None:
    bars = Bars()
    bars.show(Progress(FIRST, MB, 0, 2))
    bars.pause()
    assert bars.view is None
    bars.show(Progress(SECOND, MB, 0, 2))
    assert set(bars.lines) == {"", FIRST.name, SECOND.name}
    bars.pause()


def test_local_files_show_nothing(tmp_path: Path) -> None:
    assert list(watch(iter([tmp_path]))) == [tmp_path]
