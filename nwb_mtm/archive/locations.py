"""Where an asset's bytes are: the open address, or a signed one that is renewed when it expires."""

from dataclasses import dataclass, field
from urllib.parse import urljoin

import requests

from nwb_mtm.archive.assets import Asset
from nwb_mtm.archive.keys import find_key, variable_for
from nwb_mtm.archive.transfer import TRANSIENT, FixedLocation, Location, Patience, retry_after
from nwb_mtm.errors import SourceError


@dataclass
class AssetLocation:
    """An asset's plain address as long as it is accepted, then signed ones from the archive."""

    name: str
    plain: str | None
    download: str
    instance: str
    key: str | None = field(repr=False)
    patience: Patience
    _signed: str | None = field(default=None, repr=False)

    def url(self) -> str:
        """The plain address, or the last signed one."""
        if self._signed is None and self.plain is None:
            self._signed = self._sign()
        return self._signed or str(self.plain)

    def renew(self) -> bool:
        """Ask the archive for a signed address."""
        self._signed = self._sign()
        return True

    def _sign(self) -> str:
        """Follow the archive's redirect by hand, so that the key goes to the archive alone."""
        self.key = self.key or find_key(self.instance)
        headers = {"Authorization": f"token {self.key}"} if self.key else {}
        failing = ""
        for attempt in range(self.patience.attempts):
            try:
                with requests.get(
                    self.download,
                    headers=headers,
                    allow_redirects=False,
                    stream=True,
                    timeout=self.patience.timeout,
                ) as answer:
                    if answer.is_redirect:
                        return urljoin(self.download, answer.headers["Location"])
                    if answer.status_code not in TRANSIENT:
                        raise self._refused(answer.status_code)
                    failing, asked = f"the archive answered {answer.status_code}", retry_after(answer)
            except (requests.ConnectionError, requests.Timeout) as error:
                failing, asked = f"the connection failed ({type(error).__name__})", None
            self.patience.wait(attempt, asked)
        raise SourceError(f"{self.name} has no address: {failing}.", kind="transfer_failed")

    def _refused(self, status: int) -> SourceError:
        if status in (401, 403):
            wanted = f"a key is wanted in {variable_for(self.instance)}"
            return SourceError(f"{self.name} may not be read ({status}): {wanted}.", kind="key_needed")
        return SourceError(f"{self.name} is no longer in the archive ({status}).", kind="no_asset")


@dataclass(frozen=True)
class NowhereLocation:
    """No address at all: what is not here already cannot be had."""

    name: str

    def url(self) -> str:
        """Say so."""
        raise SourceError(f"Not all of {self.name} is in the cache, and --offline was asked for.", kind="offline")

    def renew(self) -> bool:
        """There is no other."""
        return False


def locate(place: Asset | str, *, key: str | None = None, patience: Patience | None = None) -> Location:
    """Where to fetch a URL, or an asset: open ones directly, embargoed ones by signed addresses."""
    if isinstance(place, str):
        return FixedLocation(place)
    if place.dandiset is None:
        return FixedLocation(place.urls[-1])
    api = place.dandiset.api
    plain = next((url for url in place.urls if not url.startswith(api)), None)
    return AssetLocation(
        name=place.name,
        plain=None if place.embargoed or place.dandiset.embargoed else plain,
        download=f"{api}/assets/{place.asset_id}/download/",
        instance=place.dandiset.instance,
        key=key,
        patience=patience or Patience(),
    )
