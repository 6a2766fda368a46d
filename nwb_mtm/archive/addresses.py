"""What a source's text means: a path, a URL, an asset or a dandiset; nothing is opened or asked."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from nwb_mtm.errors import SourceError

DANDISET = r"(?P<dandiset>\d{6})"
VERSION = r"(?P<version>draft|\d+\.\d+\.\d+)"
ASSET = r"(?P<asset>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
KNOWN_HOSTS = {
    "dandiarchive.org": "dandi",
    "gui.dandiarchive.org": "dandi",
    "api.dandiarchive.org": "dandi",
    "identifiers.org": "dandi",
    "doi.org": "dandi",
    "sandbox.dandiarchive.org": "dandi-sandbox",
    "api.sandbox.dandiarchive.org": "dandi-sandbox",
}
_SECRETS = re.compile(r"(?i)^(x-amz-|x-goog-|awsaccesskeyid$|signature$|expires$|key-pair-id$|policy$|token$|sig$)")


@dataclass(frozen=True)
class LocalAddress:
    """A file, a folder or a pattern on this machine."""

    text: str
    path: Path


@dataclass(frozen=True)
class UrlAddress:
    """One file on any web server."""

    text: str
    url: str


@dataclass(frozen=True)
class AssetAddress:
    """One asset of an archive, by its identifier alone."""

    text: str
    instance: str | None
    asset_id: str


@dataclass(frozen=True)
class DandisetAddress:
    """A dandiset, or the part of one below a path or matching a pattern."""

    text: str
    instance: str | None
    dandiset: str
    version: str | None = None
    path: str = ""


Address = LocalAddress | UrlAddress | AssetAddress | DandisetAddress


def parse(text: str, *, instance: str | None = None, version: str | None = None) -> Address:
    """Say what `text` points at; `instance` and `version` fill in what it leaves open.

    >>> parse("000409").dandiset
    '000409'
    >>> parse("DANDI:000409/0.230101.1234/sub-1/").path
    'sub-1/'
    >>> parse("./000409").path
    PosixPath('000409')
    """
    if not text.strip():
        raise SourceError("An empty text is no source.", kind="bad_address")
    scheme = text.split(":", 1)[0].lower() if ":" in text else ""
    if scheme in _SCHEMES:
        return _SCHEMES[scheme](text, instance, version)
    if re.fullmatch(DANDISET, text):
        return DandisetAddress(text, instance, text, version)
    return LocalAddress(text, Path(text).expanduser())


def without_secrets(url: str) -> str:
    """Return a URL that may be shown and stored: no signature, no password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    kept = [pair for pair in parts.query.split("&") if pair and not _SECRETS.match(pair.split("=")[0])]
    return urlunsplit((parts.scheme, host, parts.path, "&".join(kept), ""))


def _parse_identifier(text: str, instance: str | None, version: str | None) -> Address:
    match = re.fullmatch(rf"(?i:dandi):{DANDISET}(?:/{VERSION})?(?:/(?P<path>.*))?", text)
    if match is None:
        raise _not_understood(text, "DANDI:, six digits and perhaps /VERSION or /PATH", "DANDI:000409/0.230101.1234")
    return DandisetAddress(text, instance, match["dandiset"], match["version"] or version, match["path"] or "")


def _parse_dandi(text: str, instance: str | None, version: str | None) -> Address:
    match = re.fullmatch(rf"(?i:dandi)://(?P<instance>[^/]+)/{DANDISET}(?:@{VERSION})?(?:/(?P<path>.*))?", text)
    if match is None:
        raise _not_understood(
            text,
            "dandi://INSTANCE/, six digits, perhaps @VERSION and /PATH",
            "dandi://dandi/000409@draft/sub-1/",
        )
    named = _instance_of_host(match["instance"]) if re.search(r"[.:]", match["instance"]) else match["instance"]
    return DandisetAddress(text, named, match["dandiset"], match["version"] or version, match["path"] or "")


def _instance_of_host(host: str) -> str:
    """Name the archive behind `host[:port]`; plain http only to this machine itself."""
    bare = host.rsplit(":", 1)[0] if not host.startswith("[") else host.split("]")[0][1:]
    local = bare in ("localhost", "::1") or bare.startswith("127.")
    return KNOWN_HOSTS.get(host.lower(), f"{'http' if local else 'https'}://{host}")


def _parse_web(text: str, instance: str | None, version: str | None) -> Address:
    parts = urlsplit(text)
    if not parts.hostname:
        raise _not_understood(text, "a host", "https://dandiarchive.org/dandiset/000409")
    route = (parts.path + parts.fragment) if parts.fragment.startswith("/") else parts.path
    route, _, tail = route.partition("?")
    asked = {name: values[0] for name, values in parse_qs(parts.query or tail).items()}
    found = KNOWN_HOSTS.get(parts.netloc.lower(), f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    for pattern in _ROUTES:
        if match := re.fullmatch(pattern, unquote(route)):
            return _from_route(text, found, match, asked, version)
    return UrlAddress(without_secrets(text), text)


def _from_route(text: str, instance: str, match: re.Match[str], asked: dict[str, str], version: str | None) -> Address:
    groups = match.groupdict()
    if groups.get("asset"):
        return AssetAddress(text, instance, groups["asset"].lower())
    path = asked.get("location") or asked.get("path") or asked.get("glob") or ""
    folder = "location" in asked and path and not path.endswith("/")
    return DandisetAddress(
        text,
        instance,
        groups["dandiset"],
        groups.get("version") or version,
        (path + "/" if folder else path).lstrip("/"),
    )


_ROUTES = (
    rf"/+(?:dandiset/)?(?:#/)?(?:dandiset/)?{DANDISET}(?:/{VERSION})?(?:/files)?/?",
    rf"/api/dandisets/{DANDISET}(?:/versions(?:/{VERSION}(?:/assets|/info)?)?)?/?",
    rf"/api/dandisets/{DANDISET}/versions/{VERSION}/assets/{ASSET}(?:/(?:download|info))?/?",
    rf"/api/assets/{ASSET}(?:/(?:download|info))?/?",
    rf"/(?i:dandi):{DANDISET}(?:/{VERSION})?/?",
    rf"/10\.(?:48324|80507)/(?i:dandi)\.{DANDISET}(?:/{VERSION})?/?",
)


def _parse_file(text: str, instance: str | None, version: str | None) -> Address:
    return LocalAddress(text, Path(unquote(urlsplit(text).path)))


def _parse_bucket(text: str, instance: str | None, version: str | None) -> Address:
    bucket, _, key = text[len("s3://") :].partition("/")
    return UrlAddress(text, f"https://{bucket}.s3.amazonaws.com/{key}")


def _not_understood(text: str, needed: str, example: str) -> SourceError:
    return SourceError(
        f"Cannot understand the address {text!r}: it needs {needed}, as in {example}.", kind="bad_address"
    )


def _parse_dandi_any(text: str, instance: str | None, version: str | None) -> Address:
    known = _parse_dandi if "://" in text else _parse_identifier
    return known(text, instance, version)


_SCHEMES: dict[str, Callable[[str, str | None, str | None], Address]] = {
    "dandi": _parse_dandi_any,
    "http": _parse_web,
    "https": _parse_web,
    "file": _parse_file,
    "s3": _parse_bucket,
}
