"""What lies at an address of an archive: asked once, remembered for work without a network."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import requests

from nwb_mtm.archive.addresses import AssetAddress, DandisetAddress, UrlAddress, without_secrets
from nwb_mtm.archive.assets import Asset, Dandiset
from nwb_mtm.archive.transfer import Patience, new_session, strong_etag
from nwb_mtm.errors import SourceError
from nwb_mtm.sources.store import Store

if TYPE_CHECKING:
    from nwb_mtm.archive.client import Archive

DRAFT = "draft"


@dataclass(frozen=True)
class Listing:
    """One version of a dandiset and all its NWB assets."""

    dandiset: Dandiset
    assets: tuple[Asset, ...]


class Catalog:
    """Listings from archives; offline, those that were seen before."""

    def __init__(self, kept: Store, *, offline: bool = False) -> None:
        self.offline = offline
        self._kept = kept
        self._archives: dict[str, Archive] = {}

    def listing(self, address: DandisetAddress) -> Listing:
        """The assets of a dandiset's version; published ones are asked for once only, ever."""
        instance = _instance(address.instance)
        asked = f"{instance}/{address.dandiset}/{address.version or 'newest'}"
        known = self._remembered(asked)
        if known is not None and (self.offline or address.version not in (None, DRAFT)):
            return known
        if self.offline:
            raise _offline(address.text, f"dandiset {address.dandiset}")
        dandiset = self._archive(instance).dandiset(address.dandiset, address.version)
        found = self._assets(instance, dandiset)
        for name in {asked, f"{instance}/{dandiset.dandiset}/{dandiset.version}"}:
            self._kept.put_listing(name, asdict(found))
        return found

    def asset(self, address: AssetAddress) -> Asset:
        """One asset by its identifier."""
        instance = _instance(address.instance)
        return self._one(address.text, f"{instance}/asset/{address.asset_id}", lambda: self._ask(instance, address))

    def url(self, address: UrlAddress) -> Asset:
        """A file on any server, as if it were an asset."""
        shown = without_secrets(address.url)
        found = self._one(address.text, f"url/{shown}", lambda: probe(address.url))
        return found if found.urls == (address.url,) else Asset(**{**asdict(found), "urls": (address.url,)})

    def _assets(self, instance: str, dandiset: Dandiset) -> Listing:
        known = self._remembered(f"{instance}/{dandiset.dandiset}/{dandiset.version}")
        if known is not None and dandiset.version != DRAFT:
            return known
        return Listing(dandiset, self._archive(instance).assets(dandiset))

    def _one(self, text: str, name: str, ask: Any) -> Asset:
        known = self._kept.get_listing(name) if self.offline else None
        if known is not None:
            return asset_from(known)
        if self.offline:
            raise _offline(text, "it")
        found: Asset = ask()
        self._kept.put_listing(name, asdict(found) | {"urls": [without_secrets(url) for url in found.urls]})
        return found

    def _ask(self, instance: str, address: AssetAddress) -> Asset:
        return self._archive(instance).asset(address.asset_id)

    def _archive(self, instance: str) -> "Archive":
        if instance not in self._archives:
            from nwb_mtm.archive.client import Archive

            self._archives[instance] = Archive(instance)
        return self._archives[instance]

    def _remembered(self, name: str) -> Listing | None:
        facts = self._kept.get_listing(name)
        if facts is None:
            return None
        try:
            return Listing(Dandiset(**facts["dandiset"]), tuple(asset_from(a) for a in facts["assets"]))
        except (KeyError, TypeError):
            return None


def asset_from(facts: Mapping[str, Any]) -> Asset:
    """An asset from its facts as JSON gives them back."""
    dandiset = facts.get("dandiset")
    lists = {name: tuple(facts[name]) for name in ("urls", "measured")}
    return Asset(**{**facts, **lists, "dandiset": Dandiset(**dandiset) if dandiset else None})


def probe(url: str, patience: Patience | None = None) -> Asset:
    """Ask a server for a file's size and version, moving one byte of it."""
    shown, limit = without_secrets(url), (patience or Patience()).timeout
    session = new_session(1)
    try:
        with session.get(url, headers={"Range": "bytes=0-0"}, stream=True, timeout=limit) as answer:
            if answer.status_code not in (200, 206):
                kind = "key_needed" if answer.status_code in (401, 403) else "not_found"
                raise SourceError(f"{shown} cannot be read: the server answered {answer.status_code}.", kind=kind)
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            size = total if total.isdigit() else answer.headers.get("Content-Length", "0")
            name = PurePosixPath(unquote(urlsplit(url).path)).name or "file"
            return Asset(name, int(size), "", strong_etag(answer), (url,))
    except requests.RequestException as error:
        raise SourceError(f"{shown} does not answer ({type(error).__name__}).", kind="unreachable") from error
    finally:
        session.close()


def _instance(named: str | None) -> str:
    return named or os.environ.get("DANDI_INSTANCE") or "dandi"


def _offline(text: str, what: str) -> SourceError:
    return SourceError(
        f"{text} needs the network: {what} is not in the cache, and --offline was asked for.", kind="offline"
    )
