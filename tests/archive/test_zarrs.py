"""A Zarr asset read where it lies, piece by piece."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from loopback import Fault, LoopbackArchive

from nwb_mtm.archive.transfer import Patience
from nwb_mtm.errors import SourceError
from nwb_mtm.recording import Recording
from nwb_mtm.sources.reading import SourceOptions, read_all, resolve

hdmf_zarr = pytest.importorskip("hdmf_zarr", reason="needs the zarr extra")

from nwb_mtm.archive.zarrs import RemoteZarr, open_zarr  # noqa: E402


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One session as a Zarr store, written by hdmf-zarr from the same session in HDF5."""
    from hdmf_zarr.nwb import NWBZarrIO
    from pynwb import NWBHDF5IO

    folder = tmp_path_factory.mktemp("zarr")
    trains = [np.sort(np.random.default_rng(i).uniform(0, 60, 300)) for i in range(6)]
    recording = Recording.from_arrays(trains, session="1", subject="z", regions=["CA1"] * 6)
    path = recording.to_nwb(folder / "z.nwb")
    with NWBHDF5IO(path, "r") as read, NWBZarrIO(str(folder / "z.nwb.zarr"), "w") as write:
        write.export(src_io=read, write_args={"link_data": False})
    return folder / "z.nwb.zarr"


@pytest.fixture
def served(store: Path) -> Iterator[LoopbackArchive]:
    with LoopbackArchive() as archive:
        archive.add("000409", "sub-z/sub-z_ses-1.nwb.zarr", store, subject="z")
        yield archive


def test_a_zarr_asset_is_read_in_pieces_and_kept(served: LoopbackArchive, store: Path, tmp_path: Path) -> None:
    options = SourceOptions(instance=served.url, cache_dir=tmp_path)
    items = resolve(["000409"], options)
    ((_, found),) = read_all(items, options=options)
    assert isinstance(found, Recording), found
    assert (found.key, len(found.units), len(found.spikes.times)) == ("z/1", 6, 1800)
    files = sum(path.is_file() for path in store.rglob("*"))
    assert len(served.data_log()) < files
    served.log.clear()
    list(read_all(items, options=options))
    assert not served.data_log()


def test_faults_are_lived_through(served: LoopbackArchive, tmp_path: Path) -> None:
    served.faults += [Fault("s3/zarr", 2, status=503), Fault("s3/zarr", 1, cut=3)]
    options = SourceOptions(instance=served.url, cache_dir=tmp_path)
    ((_, found),) = read_all(resolve(["000409"], options), options=options)
    assert isinstance(found, Recording), found


def test_pieces_that_are_not_there_are_not_there_and_each_is_asked_for_once(
    served: LoopbackArchive, patience: Patience, tmp_path: Path
) -> None:
    (item,) = resolve(["000409"], SourceOptions(instance=served.url, cache_dir=tmp_path))
    pieces, root = open_zarr(item.place, patience)  # type: ignore[arg-type]
    assert "units" in root
    asked = pieces.requests
    assert "none" not in pieces
    assert "none" not in pieces
    assert set(pieces.getitems(["none", ".zmetadata"])) == {".zmetadata"}
    assert pieces.requests == asked + 1
    pieces.close()


def test_a_store_without_consolidated_metadata_is_said(
    served: LoopbackArchive, patience: Patience, tmp_path: Path
) -> None:
    served.faults.append(Fault("zmetadata", 1, status=404))
    (item,) = resolve(["000409"], SourceOptions(instance=served.url, cache_dir=tmp_path))
    with pytest.raises(SourceError) as caught:
        open_zarr(item.place, patience)  # type: ignore[arg-type]
    assert caught.value.kind == "needs_download"


@pytest.mark.parametrize(("status", "kind"), [(403, "needs_download"), (503, "transfer_failed")])
def test_a_store_that_cannot_be_read_is_said(
    served: LoopbackArchive, patience: Patience, status: int, kind: str
) -> None:
    served.faults.append(Fault("s3/zarr", 100, status=status))
    with pytest.raises(SourceError) as caught:
        RemoteZarr(f"{served.url}/s3/zarr/x", "x", replace(patience, attempts=2))["a"]
    assert caught.value.kind == kind
