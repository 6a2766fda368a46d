"""What an archive has: dandisets, versions and assets, asked of its API through the dandi client."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import requests
from dandi.consts import known_instances, known_instances_rev
from dandi.dandiapi import DandiAPIClient
from dandi.exceptions import HTTP404Error, NotFoundError
from dandi.utils import get_instance
from requests.adapters import HTTPAdapter

from nwb_mtm.archive.assets import Asset, Dandiset, asset_of
from nwb_mtm.archive.keys import find_key, variable_for
from nwb_mtm.errors import SourceError

PAGE_SIZE = 1000
TIMEOUT = (10.0, 60.0)
NWB_GLOB = "*.nwb*"
Answer = TypeVar("Answer")


class Archive:
    """One archive, by name (`dandi`, `linc`, ...) or by the URL of any host."""

    def __init__(self, instance: str | None = None, *, key: str | None = None) -> None:
        # the dandi client would otherwise tell a third party about itself
        os.environ.setdefault("DANDI_NO_ET", "1")
        logging.getLogger("dandi").addFilter(_said_by_us)
        self._client = _connect(instance or os.environ.get("DANDI_INSTANCE") or "dandi")
        self._key = key
        self.name: str = self._client.dandi_instance.name
        self.api: str = self._client.api_url

    @property
    def key(self) -> str | None:
        """The key in use; None as long as nothing asked for one."""
        return self._key

    def dandiset(self, dandiset: str, version: str | None = None) -> Dandiset:
        """One version of a dandiset; the newest published one, else the draft, when none is named."""
        try:
            facts = self._get(f"/dandisets/{dandiset}/")
        except HTTP404Error:
            raise SourceError(f"The archive {self.name} has no dandiset {dandiset}.", kind="no_dandiset") from None
        newest = facts.get("most_recent_published_version") or facts["draft_version"]
        chosen = version or str(newest["version"])
        metadata = self._version_metadata(dandiset, chosen)
        return Dandiset(
            instance=self.name,
            api=self.api,
            dandiset=dandiset,
            version=chosen,
            name=str(metadata.get("name") or newest.get("name") or ""),
            doi=str(metadata.get("doi") or ""),
            licence=", ".join(str(one).removeprefix("spdx:") for one in metadata.get("license") or ()),
            embargoed=facts.get("embargo_status", "OPEN") != "OPEN",
        )

    def assets(self, dandiset: Dandiset, *, path: str = "", glob: str = NWB_GLOB) -> tuple[Asset, ...]:
        """Every asset of a version with what the archive knows of it, in order of path, from one listing."""
        base = f"/dandisets/{dandiset.dandiset}/versions/{dandiset.version}/assets/"
        asked = {"metadata": True, "order": "path", "glob": glob, "path": path}
        rows = self._listing(base, {name: value for name, value in asked.items() if value})
        found = (asset_of(row, self._metadata(base, row), dandiset) for row in rows)
        return tuple(sorted(found, key=lambda asset: asset.path))

    def asset(self, asset_id: str) -> Asset:
        """One asset by its identifier."""
        try:
            row = self._get(f"/assets/{asset_id}/info/")
        except HTTP404Error:
            raise SourceError(f"The archive {self.name} has no asset {asset_id}.", kind="no_asset") from None
        holder = Dandiset(self.name, self.api, "", "")
        return asset_of(row, row.get("metadata") or self._get(f"/assets/{asset_id}/"), holder)

    def save(self, asset: Asset, target: Path) -> None:
        """Download a whole asset with the dandi client."""
        try:
            remote = self._ask(lambda: self._client.get_asset(asset.asset_id))
        except NotFoundError:
            raise SourceError(f"{asset.name} is no longer in the archive.", kind="no_asset") from None
        remote.download(target)

    def _version_metadata(self, dandiset: str, version: str) -> Mapping[str, Any]:
        try:
            return self._get(f"/dandisets/{dandiset}/versions/{version}/")
        except HTTP404Error:
            known = [str(row["version"]) for row in self._listing(f"/dandisets/{dandiset}/versions/", {})]
            raise SourceError(
                f"Dandiset {dandiset} has no version {version}; it has {', '.join(known) or 'none'}.",
                kind="no_version",
            ) from None

    def _metadata(self, base: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the listing says of an asset; older servers must be asked for each."""
        metadata = row.get("metadata")
        return self._get(f"{base}{row['asset_id']}/") if metadata is None else metadata

    def _listing(self, path: str, params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """All pages, one after another: a server may send fewer rows a page than it was asked for."""
        rows: list[Mapping[str, Any]] = []
        asked: Mapping[str, Any] | None = {**params, "page_size": PAGE_SIZE}
        while asked is not None:
            page = self._get(path, asked)
            rows += page["results"]
            following = page.get("next") if page["results"] else None
            # of the next page's address only the query is used: the key must not go anywhere else
            asked = dict(parse_qsl(urlsplit(following).query)) if following else None
        return rows

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        answer = self._ask(lambda: self._client.get(path, params=params and dict(params)))
        if not isinstance(answer, dict):
            raise SourceError(f"{self.name} answered {path} with no table.", kind="bad_answer")
        return answer

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask; with a key when the archive wants one, and with our own words when it fails."""
        try:
            return question()
        except HTTP404Error:
            raise
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if status not in (401, 403):
                raise SourceError(f"The archive {self.name} answered {status}.", kind="server_failing") from error
            self._show_key(status)
            return self._ask(question)
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise _failed(self.name, error) from error

    def _show_key(self, status: int) -> None:
        """Present the key; refuse when there is none, or when it has been presented already."""
        shown = "Authorization" in self._client.session.headers
        found = None if shown else self._key or find_key(self.name)
        if found is None:
            reason = "does not accept the key in" if shown else "wants a key; none was found in"
            raise SourceError(
                f"The archive {self.name} {reason} {variable_for(self.name)} ({status}).", kind="key_needed"
            )
        self._key = found
        try:
            self._client.authenticate(found)
        except requests.HTTPError as error:
            raise SourceError(
                f"The archive {self.name} does not accept the key in {variable_for(self.name)}.",
                kind="key_needed",
            ) from error


def _connect(instance: str) -> DandiAPIClient:
    """Make sure that something answers, then let the dandi client find its way."""
    named = instance if instance in known_instances else known_instances_rev.get(instance.rstrip("/"))
    if named is None and not instance.startswith(("http://", "https://")):
        raise SourceError(
            f"Unknown archive {instance!r}; known are {', '.join(known_instances)}, or give a URL.",
            kind="bad_address",
        )
    probe = f"{known_instances[named].api}/info/" if named else instance
    try:
        requests.get(probe, timeout=TIMEOUT, allow_redirects=False, stream=True).close()
        client = DandiAPIClient(dandi_instance=get_instance(named or instance))
    except (requests.RequestException, RuntimeError, ValueError) as error:
        raise _failed(instance, error) from error
    for scheme in ("http://", "https://"):
        client.session.mount(scheme, _Patient())
    return client


def _said_by_us(record: logging.LogRecord) -> bool:
    """Let warnings (such as of a wait) through; errors are raised, and said once."""
    return record.levelno != logging.ERROR


def _failed(name: str, error: Exception) -> SourceError:
    if isinstance(error, requests.RequestException) and not isinstance(error, requests.JSONDecodeError):
        return SourceError(f"The archive {name} does not answer ({type(error).__name__}).", kind="unreachable")
    return SourceError(f"{name} does not answer as an archive does: {error}", kind="bad_answer")


class _Patient(HTTPAdapter):
    """Connections that give up in the end; the dandi client sets no limit of its own."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send with a time limit."""
        limit = TIMEOUT if timeout is None else timeout
        return super().send(request, stream=stream, timeout=limit, verify=verify, cert=cert, proxies=proxies)
