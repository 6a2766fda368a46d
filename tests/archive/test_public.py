"""The same against the public archive; only with `-m network`."""

from pathlib import Path

import pytest

from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.recording import Recording
from nwb_mtm.sources.discovery import find
from nwb_mtm.sources.reading import SourceOptions, follow, read_all, resolve

pytestmark = pytest.mark.network


@pytest.fixture
def options(tmp_path: Path) -> SourceOptions:
    return SourceOptions(cache_dir=tmp_path, max_sessions=1)


def test_a_large_public_dandiset_is_listed(options: SourceOptions) -> None:
    findings = find(["000409"], options)
    assert len(findings.files) > 50
    assert len(findings.usable) == 1


def test_one_session_is_streamed_and_kept(options: SourceOptions) -> None:
    items = resolve(["000017"], options)
    wanted = ReadOptions(behaviors="none")
    ((_, found),) = read_all(items, options=options, selection=wanted)
    assert isinstance(found, Recording), found
    assert len(found.units) > 100
    again = list(follow(items, options=options, selection=wanted))
    assert [event.bytes for event in again] == [0]
