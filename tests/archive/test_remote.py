"""Reading a remote file piece by piece: what is moved, and what happens on bad days."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import Fault, LoopbackArchive

from nwb_mtm.archive.assets import Asset
from nwb_mtm.archive.client import Archive
from nwb_mtm.archive.extents import merge_pages, pages_of, split
from nwb_mtm.archive.remote import PAGE, RemoteFile, open_remote
from nwb_mtm.archive.transfer import Patience
from nwb_mtm.errors import SourceError

KIB = 1024


@pytest.fixture
def asset(archive: LoopbackArchive, blob: Path) -> Asset:
    archive.add("000409", "sub-1/a.nwb", blob, subject="1")
    client = Archive(archive.url)
    return client.assets(client.dandiset("000409"))[0]


def test_every_byte_is_the_files_own(asset: Asset, blob: Path, patience: Patience) -> None:
    content = blob.read_bytes()
    with open_remote(asset, patience=patience) as file:
        for start, length in (
            (0, 10),
            (PAGE - 3, 7),
            (2_999_990, 10),
            (511 * KIB, 3 * KIB),
            (100, 2_000_000),
        ):
            file.seek(start)
            assert file.read(length) == content[start : start + length]
        file.seek(-4, 2)
        assert file.read() == content[-4:]
        assert file.read() == b""


def test_what_is_announced_comes_in_one_round(asset: Asset, archive: LoopbackArchive, patience: Patience) -> None:
    archive.latency = 0.05
    with open_remote(asset, patience=patience) as file:
        archive.log.clear()
        file.announce([600 * KIB, asset.size - 600 * KIB])
        assert archive.longest_chain() <= 1
        moved = file.bytes
        file.seek(600 * KIB)
        file.read(10)
        file.announce([600 * KIB])
        assert file.bytes == moved
        assert file.expected == 0


def test_nothing_is_fetched_twice(asset: Asset, archive: LoopbackArchive, patience: Patience) -> None:
    with open_remote(asset, patience=patience) as file:
        file.prefetch([(0, asset.size)])
        moved = file.bytes
        file.read()
        file.seek(1_000_000)
        file.read(1_000_000)
        assert file.bytes == moved == asset.size
    assert sum(exchange.sent for exchange in archive.data_log()) == asset.size


def test_long_extents_are_cut_and_put_together(
    asset: Asset, archive: LoopbackArchive, blob: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nwb_mtm.archive.remote.LONGEST", 700 * KIB)
    with open_remote(asset, patience=patience) as file:
        file.prefetch([(100, asset.size - 200)])
        asked = len(archive.log)
        assert file.read() == blob.read_bytes()
        assert len(archive.log) == asked


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    extents=st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 3000)), max_size=8),
    longest=st.integers(1, 40).map(lambda pages: pages * 64),
    gap=st.integers(0, 500),
)
def test_what_is_fetched_covers_every_extent_in_whole_pages(
    extents: list[tuple[int, int]], longest: int, gap: int
) -> None:
    size, page = 6001, 64
    pages = pages_of([(start, start + length) for start, length in extents], page, size)
    pieces = split(merge_pages(pages, page, size, gap), longest, page)
    fetched = {n for start, stop in pieces for n in range(start, stop)}
    assert all(n in fetched for start, length in extents for n in range(start, min(start + length, size)))
    assert all(start % page == 0 and (stop % page == 0 or stop == size) for start, stop in pieces)
    assert all(stop - start <= longest for start, stop in pieces)
    assert sum(stop - start for start, stop in pieces) == len(fetched)


def test_close_extents_share_a_request_and_far_ones_do_not(
    asset: Asset, archive: LoopbackArchive, patience: Patience
) -> None:
    with open_remote(asset, patience=patience) as file:
        archive.log.clear()
        file.prefetch([(1024 * KIB, 10), (1280 * KIB, 10), (2048 * KIB, 10)])
    spans = sorted(exchange.span for exchange in archive.data_log() if exchange.span)
    assert spans == [(1024 * KIB, 1344 * KIB), (2048 * KIB, 2112 * KIB)]


def test_what_was_announced_comes_over_parallel_connections(
    asset: Asset, archive: LoopbackArchive, patience: Patience
) -> None:
    with open_remote(asset, patience=patience) as file:
        archive.log.clear()
        archive.latency = 0.1
        file.prefetch([(600 * KIB, 1), (1200 * KIB, 1), (1800 * KIB, 1), (2400 * KIB, 1)])
    assert len(archive.data_log()) == 4
    assert archive.longest_chain() == 1


def test_memory_stays_within_its_limit(asset: Asset, blob: Path, patience: Patience) -> None:
    with open_remote(asset, patience=patience) as file:
        file._limit = 8 * PAGE
        assert file.read() == blob.read_bytes()
        assert len(file._pages) <= 2 * 8


BURSTS: dict[str, Callable[[], list[Fault]]] = {
    "429": lambda: [Fault("s3", 2, status=429, headers={"Retry-After": "7"})],
    "500": lambda: [Fault("s3", 2, status=500)],
    "503": lambda: [Fault("s3", 3, status=503)],
    "cut": lambda: [Fault("s3", 2, cut=1000)],
    "short": lambda: [Fault("s3", 2, short=100)],
    "mixed": lambda: [Fault("s3", 1, status=502), Fault("s3", 1, cut=0), Fault("s3", 1, short=1)],
}


@pytest.mark.parametrize("name", BURSTS)
def test_a_burst_of_faults_is_lived_through(
    name: str, asset: Asset, archive: LoopbackArchive, blob: Path, patience: Patience, waits: list[float]
) -> None:
    archive.faults += BURSTS[name]()
    with open_remote(asset, patience=patience) as file:
        assert file.read() == blob.read_bytes()
    assert waits
    if name == "429":
        assert min(waits) >= 7


def test_waits_grow_and_last_at_least_as_long_as_the_server_asks(patience: Patience, waits: list[float]) -> None:
    for attempt in range(4):
        patience.wait(attempt, None)
    assert waits == sorted(waits)
    patience.wait(0, 20.0)
    assert waits[-1] == 20.0


def test_a_server_that_stays_broken_is_given_up(
    asset: Asset, archive: LoopbackArchive, patience: Patience, waits: list[float]
) -> None:
    archive.faults.append(Fault("s3", 100, status=503))
    with pytest.raises(SourceError, match="503, 4 times") as caught:
        open_remote(asset, patience=patience)
    assert caught.value.kind == "transfer_failed"
    assert len(waits) >= 3


@pytest.mark.parametrize("fault", [Fault("s3", 1, whole=True), Fault("s3", 1, whole=True, skip=1)])
def test_a_server_that_sends_whole_files_is_refused(
    asset: Asset, archive: LoopbackArchive, patience: Patience, fault: Fault
) -> None:
    archive.faults.append(fault)
    with pytest.raises(SourceError) as caught, open_remote(asset, patience=patience) as file:
        file.read()
    assert caught.value.kind == "no_ranges"


def test_a_file_replaced_half_way_is_said(
    asset: Asset, archive: LoopbackArchive, blob: Path, patience: Patience
) -> None:
    with open_remote(asset, patience=patience) as file:
        for stored in archive.blobs.values():
            stored.etag = "another-1"
        with pytest.raises(SourceError) as caught:
            file.read()
        assert caught.value.kind == "changed"
        assert file.failure is caught.value


def test_another_version_than_was_listed_is_said(asset: Asset, archive: LoopbackArchive, patience: Patience) -> None:
    archive.faults.append(Fault("s3", 1, etag="another-1"))
    with pytest.raises(SourceError) as caught:
        open_remote(asset, patience=patience)
    assert caught.value.kind == "changed"


def test_a_url_is_held_to_the_version_it_had_first(archive: LoopbackArchive, asset: Asset, patience: Patience) -> None:
    with open_remote(asset.urls[-1], patience=patience) as file:
        assert file.etag == asset.etag
        for stored in archive.blobs.values():
            stored.etag = "another-1"
        with pytest.raises(SourceError) as caught:
            file.read()
    assert caught.value.kind == "changed"


@pytest.fixture
def embargoed(archive: LoopbackArchive, blob: Path, monkeypatch: pytest.MonkeyPatch) -> Asset:
    archive.add("000123", "sub-1/a.nwb", blob, embargoed=True)
    monkeypatch.setenv(archive.variable, archive.key)
    client = Archive(archive.url)
    found = client.assets(client.dandiset("000123"))[0]
    archive.log.clear()
    return found


def test_an_embargoed_asset_is_read_by_one_signed_address(
    embargoed: Asset, archive: LoopbackArchive, blob: Path, patience: Patience
) -> None:
    with open_remote(embargoed, key=archive.key, patience=patience) as file:
        assert file.read() == blob.read_bytes()
    assert len([e for e in archive.log if "download" in e.path]) == 1
    assert not any(exchange.authorized for exchange in archive.data_log())


def test_an_expired_signature_is_renewed(
    embargoed: Asset, archive: LoopbackArchive, blob: Path, patience: Patience
) -> None:
    with open_remote(embargoed, key=archive.key, patience=patience) as file:
        archive.expire_signatures()
        assert file.read() == blob.read_bytes()
    assert len([e for e in archive.log if "download" in e.path]) == 2


def test_an_open_asset_whose_plain_address_is_refused_is_read_by_a_signed_one(
    asset: Asset, archive: LoopbackArchive, blob: Path, patience: Patience
) -> None:
    next(iter(archive.blobs.values())).embargoed = True
    with open_remote(asset, patience=patience) as file:
        assert file.read() == blob.read_bytes()


@pytest.mark.parametrize("key", [None, "wrong"])
def test_an_embargoed_asset_without_a_good_key_names_the_variable(
    embargoed: Asset,
    archive: LoopbackArchive,
    patience: Patience,
    key: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(archive.variable)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with pytest.raises(SourceError) as caught:
        open_remote(embargoed, key=key, patience=patience)
    assert caught.value.kind == "key_needed"
    assert archive.variable in str(caught.value)


def test_signatures_are_in_no_message(archive: LoopbackArchive, asset: Asset, patience: Patience) -> None:
    signed = archive.sign(next(iter(archive.blobs)))
    archive.expire_signatures()
    with pytest.raises(SourceError) as caught:
        open_remote(signed, patience=patience)
    assert caught.value.kind == "key_needed"
    assert "Signature" not in str(caught.value)


def test_a_url_that_leads_nowhere_is_said(archive: LoopbackArchive, patience: Patience) -> None:
    with pytest.raises(SourceError) as caught:
        open_remote(f"{archive.url}/s3/blobs/none", patience=patience)
    assert caught.value.kind == "not_found"


def test_a_failed_file_does_not_ask_again(asset: Asset, archive: LoopbackArchive, patience: Patience) -> None:
    file: RemoteFile = open_remote(asset, patience=patience)
    archive.faults.append(Fault("s3", 100, status=404))
    with pytest.raises(SourceError):
        file.read()
    asked = len(archive.log)
    with pytest.raises(SourceError):
        file.read()
    assert len(archive.log) == asked
    file.close()
