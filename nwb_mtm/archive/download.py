"""A whole file, for the few that cannot be read piece by piece."""

import errno
from pathlib import Path

import requests
from dandischema.digests.dandietag import DandiETag

from nwb_mtm.archive.addresses import without_secrets
from nwb_mtm.archive.assets import Asset
from nwb_mtm.archive.client import Archive
from nwb_mtm.archive.transfer import Patience
from nwb_mtm.errors import SourceError

CHUNK = 1024 * 1024
FAILURES = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


def download(asset: Asset, target: Path, *, patience: Patience | None = None) -> int:
    """Fetch an asset whole and compare it with its digest; return the bytes moved."""
    patient = patience or Patience()
    failing = ""
    for attempt in range(patient.attempts):
        try:
            _fetch(asset, target, patient)
            return _checked(asset, target)
        except FAILURES as error:
            failing = f"the connection failed ({type(error).__name__})"
        except requests.HTTPError as error:
            failing = f"the server answered {error.response.status_code}"
        except OSError as error:
            raise _no_room(asset, error) from error
        if attempt + 1 < patient.attempts:
            patient.wait(attempt, None)
    raise SourceError(f"{asset.name} could not be downloaded: {failing}.", kind="transfer_failed")


def _fetch(asset: Asset, target: Path, patience: Patience) -> None:
    if asset.dandiset is not None and asset.dandiset.dandiset:
        Archive(asset.dandiset.api).save(asset, target)
        return
    with (
        requests.get(asset.urls[-1], stream=True, timeout=patience.timeout) as answer,
        target.open("wb") as file,
    ):
        answer.raise_for_status()
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)


def _checked(asset: Asset, target: Path) -> int:
    """The size, after comparing it and the digest with what was listed."""
    size = target.stat().st_size
    same = size == asset.size
    if same and asset.dandiset is not None and asset.etag:
        same = DandiETag.from_file(target).as_str() == asset.etag
    if not same:
        raise SourceError(f"{asset.name} is not the file that was listed: it was replaced meanwhile.", kind="changed")
    return size


def _no_room(asset: Asset, error: OSError) -> SourceError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SourceError(f"The disk is full, so {asset.name} could not be downloaded.", kind="no_space")
    shown = without_secrets(str(error.strerror))
    return SourceError(f"{asset.name} could not be downloaded: {shown}.", kind="cannot_write")
