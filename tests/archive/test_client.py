"""What the archive is asked, by the dandi client itself, of an archive on this machine."""

from dataclasses import replace
from pathlib import Path

import pytest
from loopback import Fault, LoopbackArchive

from nwb_mtm.archive.assets import safe_path
from nwb_mtm.archive.client import Archive
from nwb_mtm.errors import SourceError

PUBLISHED = "0.240101.0000"


@pytest.fixture
def stocked(archive: LoopbackArchive, blob: Path) -> LoopbackArchive:
    for number in range(5):
        path = f"sub-{number}/sub-{number}.nwb"
        archive.add("000409", path, blob, subject=f"{number}", session=f"s{number}")
    archive.add("000409", "sub-0/video.mp4", blob)
    return archive


def test_one_listing_says_what_every_asset_is(stocked: LoopbackArchive) -> None:
    client = Archive(stocked.url)
    dandiset = client.dandiset("000409")
    stocked.log.clear()
    assets = client.assets(dandiset)
    assert len(stocked.log) == 1
    assert [a.path for a in assets] == [f"sub-{n}/sub-{n}.nwb" for n in range(5)]
    first = assets[0]
    assert (first.subject, first.session, first.species) == ("0", "s0", "Mus musculus")
    assert (first.size, first.measured) == (3_000_000, ("Units", "ElectricalSeries"))
    assert first.etag.endswith("-1")
    assert not stocked.data_log()


def test_pages_are_put_together(stocked: LoopbackArchive) -> None:
    stocked.page_limit = 2
    client = Archive(stocked.url)
    assert len(client.assets(client.dandiset("000409"))) == 5


def test_a_server_that_lists_no_metadata_is_asked_for_each_asset(stocked: LoopbackArchive) -> None:
    stocked.metadata_in_listing = False
    client = Archive(stocked.url)
    assert [a.subject for a in client.assets(client.dandiset("000409"))] == list("01234")


def test_the_newest_published_version_comes_before_the_draft(stocked: LoopbackArchive) -> None:
    client = Archive(stocked.url)
    assert client.dandiset("000409").version == "draft"
    stocked.publish("000409", PUBLISHED)
    newest = client.dandiset("000409")
    assert (newest.version, newest.licence) == (PUBLISHED, "CC-BY-4.0")
    assert newest.doi == f"10.80507/dandi.000409/{PUBLISHED}"
    assert client.dandiset("000409", "draft").version == "draft"


def test_a_missing_dandiset_is_said_plainly(stocked: LoopbackArchive) -> None:
    with pytest.raises(SourceError, match="has no dandiset 000999") as caught:
        Archive(stocked.url).dandiset("000999")
    assert caught.value.kind == "no_dandiset"


def test_a_missing_version_is_said_with_those_that_there_are(stocked: LoopbackArchive) -> None:
    stocked.publish("000409", PUBLISHED)
    with pytest.raises(SourceError, match=f"draft, {PUBLISHED}") as caught:
        Archive(stocked.url).dandiset("000409", "0.1.2")
    assert caught.value.kind == "no_version"


def test_an_embargoed_dandiset_names_the_variable_for_its_key(
    archive: LoopbackArchive, blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    archive.add("000123", "sub-1/a.nwb", blob, embargoed=True)
    with pytest.raises(SourceError) as caught:
        Archive(archive.url).dandiset("000123")
    assert caught.value.kind == "key_needed"
    assert archive.variable in str(caught.value)


def test_a_key_from_the_environment_opens_it_and_is_shown_only_when_asked_for(
    archive: LoopbackArchive, blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("000123", "sub-1/a.nwb", blob, embargoed=True)
    archive.add("000409", "sub-1/a.nwb", blob)
    monkeypatch.setenv(archive.variable, archive.key)
    client = Archive(archive.url)
    client.dandiset("000409")
    assert not any(exchange.authorized for exchange in archive.log)
    assert client.dandiset("000123").embargoed
    assert client.key == archive.key


def test_a_wrong_key_is_refused_without_being_shown(
    archive: LoopbackArchive, blob: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    archive.add("000123", "sub-1/a.nwb", blob, embargoed=True)
    monkeypatch.setenv(archive.variable, "not-the-key")
    with caplog.at_level("DEBUG"), pytest.raises(SourceError) as caught:
        Archive(archive.url).dandiset("000123")
    assert caught.value.kind == "key_needed"
    assert "not-the-key" not in str(caught.value) + caplog.text


def test_a_busy_archive_is_asked_again(stocked: LoopbackArchive) -> None:
    client = Archive(stocked.url)
    stocked.faults.append(Fault("assets", 1, status=429, headers={"Retry-After": "0"}))
    stocked.faults.append(Fault("assets", 2, status=503))
    assert len(client.assets(client.dandiset("000409"))) == 5


def test_an_archive_that_stays_broken_is_said_plainly(stocked: LoopbackArchive) -> None:
    client = Archive(stocked.url)
    stocked.faults.append(Fault("dandisets", 100, status=500))
    with pytest.raises(SourceError) as caught:
        client.dandiset("000409")
    assert caught.value.kind == "server_failing"


def test_no_archive_at_the_address_is_said_plainly(archive: LoopbackArchive) -> None:
    url = archive.url
    archive.__exit__()
    with pytest.raises(SourceError) as caught:
        Archive(url)
    assert caught.value.kind == "unreachable"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SourceError, match="dandi-sandbox") as caught:
        Archive("dandy")
    assert caught.value.kind == "bad_address"


@pytest.mark.parametrize("path", ["../../etc/x", "/etc/x", "a\\..\\b", "c:/a", "a\n", "", "a/../../b", "\x1b[2J"])
def test_a_path_that_leads_out_of_the_dandiset_is_refused(path: str) -> None:
    with pytest.raises(SourceError) as caught:
        safe_path(path)
    assert caught.value.kind == "unsafe_path"


def test_one_asset_is_found_by_its_identifier(archive: LoopbackArchive, blob: Path) -> None:
    identifier = archive.add("000409", "sub-1/a.nwb", blob, subject="1")
    asset = Archive(archive.url).asset(identifier)
    assert (asset.path, asset.subject) == ("sub-1/a.nwb", "1")
    with pytest.raises(SourceError) as caught:
        Archive(archive.url).asset(identifier.replace(identifier[0], "0" if identifier[0] != "0" else "1"))
    assert caught.value.kind == "no_asset"
    assert replace(asset, measured=()).says_no_units is False


def test_what_the_dandi_client_calls_an_error_is_said_once_by_us(
    stocked: LoopbackArchive, caplog: pytest.LogCaptureFixture
) -> None:
    client = Archive(stocked.url)
    stocked.faults.append(Fault("dandisets", 1, status=418))
    with caplog.at_level("DEBUG"), pytest.raises(SourceError):
        client.dandiset("000409")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
