"""A Zarr asset read where it lies: one request for each piece, none for what is not read."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import requests
import zarr
from zarr.storage import Store

from nwb_mtm.archive.assets import Asset
from nwb_mtm.archive.transfer import CONNECTIONS, TRANSIENT, Patience, new_session, retry_after
from nwb_mtm.errors import SourceError


class RemoteZarr(Store):  # type: ignore[misc]
    """The pieces of one store by name, each fetched once and kept."""

    def __init__(self, url: str, name: str, patience: Patience | None = None) -> None:
        self.name = name
        self.requests = 0
        self.bytes = 0
        self._url = url.rstrip("/")
        self._patience = patience or Patience()
        self._session = new_session()
        self._kept: dict[str, bytes | None] = {}

    def __getitem__(self, key: str) -> bytes:
        if key not in self._kept:
            self._kept[key] = self._fetch(key)
        body = self._kept[key]
        if body is None:
            raise KeyError(key)
        return body

    def __contains__(self, key: object) -> bool:
        try:
            self[str(key)]
        except KeyError:
            return False
        return True

    def getitems(self, keys: Sequence[str], *, contexts: Mapping[str, Any] | None = None) -> Mapping[str, bytes]:
        """Several pieces over parallel connections; those that are not there are left out."""
        missing = [key for key in keys if key not in self._kept]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            self._kept.update(zip(missing, pool.map(self._fetch, missing), strict=True))
        return {key: body for key in keys if (body := self._kept[key]) is not None}

    def __setitem__(self, key: str, value: bytes) -> None:
        raise TypeError("A remote store is for reading only.")

    def __delitem__(self, key: str) -> None:
        raise TypeError("A remote store is for reading only.")

    def __iter__(self) -> Iterator[str]:
        return iter(key for key, body in self._kept.items() if body is not None)

    def __len__(self) -> int:
        return sum(body is not None for body in self._kept.values())

    def close(self) -> None:
        """Forget the pieces and let the connections go."""
        self._kept.clear()
        self._session.close()

    def _fetch(self, key: str) -> bytes | None:
        """One piece; None when the store does not have it."""
        failing, asked = "", None
        for attempt in range(self._patience.attempts):
            self.requests += 1
            try:
                answer = self._session.get(f"{self._url}/{quote(key)}", timeout=self._patience.timeout)
                if answer.status_code == 200:
                    self.bytes += len(answer.content)
                    return answer.content
                if answer.status_code == 404:
                    return None
                if answer.status_code not in TRANSIENT:
                    raise self._refused(answer.status_code)
                failing, asked = f"the server answered {answer.status_code}", retry_after(answer)
            except (
                requests.ConnectionError,
                requests.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                failing, asked = f"the connection failed ({type(error).__name__})", None
            if attempt + 1 < self._patience.attempts:
                self._patience.wait(attempt, asked)
        raise SourceError(f"{self.name} could not be read: {failing}.", kind="transfer_failed")

    def _refused(self, status: int) -> SourceError:
        if status in (401, 403):
            text = f"{self.name} is a Zarr store under embargo ({status}), which cannot be read piece by piece."
            return SourceError(text, kind="needs_download")
        return SourceError(f"{self.name} cannot be read: the server answered {status}.", kind="transfer_failed")


def open_zarr(asset: Asset, patience: Patience | None = None) -> tuple[RemoteZarr, "zarr.Group"]:
    """Open a Zarr asset by its consolidated metadata, in one request."""
    pieces = RemoteZarr(asset.urls[-1], asset.name, patience)
    try:
        return pieces, zarr.open_consolidated(pieces, mode="r")
    except KeyError:
        pieces.close()
        raise SourceError(
            f"{asset.name} is a Zarr store without consolidated metadata; it cannot be read piece by piece.",
            kind="needs_download",
        ) from None
    except ValueError as error:
        pieces.close()
        raise SourceError(f"{asset.name} is no readable Zarr store: {error}.", kind="not_nwb") from error
