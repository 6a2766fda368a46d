"""The HTTP side of the loopback archive: its routes, and the storage that answers ranges."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from loopback_state import NOW, Exchange, Fault, Held, Version

if TYPE_CHECKING:
    from loopback import LoopbackArchive


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, archive: "LoopbackArchive") -> None:
        self.archive = archive
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of our business."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:  # noqa: N802
        """Answer, after the latency, unless a fault is due."""
        self._started = time.monotonic()
        self._span: tuple[int, int] | None = None
        archive = self.server.archive
        self._fault = archive.next_fault(self.path) or Fault("")
        if self._fault.call:
            self._fault.call()
        time.sleep(archive.latency + self._fault.wait)
        if self._fault.status:
            self._send(self._fault.status, b"scripted", self._fault.headers)
            return
        parts = urlsplit(self.path)
        route = unquote(parts.path)
        for pattern, method in _ROUTES:
            if match := re.fullmatch(pattern, route):
                method(self, *match.groups())
                return
        self._send(404, b'{"detail": "Not found."}')

    do_HEAD = do_GET  # noqa: N815

    @property
    def _query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def _authorized(self) -> bool:
        return self.headers.get("Authorization") == f"token {self.server.archive.key}"

    def _info(self) -> None:
        archive = self.server.archive
        self._json(
            {
                "schema_version": "0.7.0",
                "schema_url": "",
                "allowed_schema_versions": ["0.7.0"],
                "version": "0.5.0",
                "instance_config": {},
                "services": {"api": {"url": archive.api}, "webui": {"url": archive.url}},
                "cli-minimal-version": "0.60.0",
                "cli-bad-versions": [],
                "cli-requires-python": ">=3.10",
            }
        )

    def _token(self) -> None:
        if self._authorized:
            self._json(self.server.archive.key)
        else:
            self._send(401, b'{"detail": "Invalid token."}')

    def _held(self, dandiset: str) -> Held | None:
        held = self.server.archive.dandisets.get(dandiset)
        if held is None:
            self._send(404, b'{"detail": "Not found."}')
        elif held.embargoed and not self._authorized:
            refused = 403 if self.headers.get("Authorization") else 401
            self._send(refused, b'{"detail": "Authentication credentials were not provided."}')
            held = None
        return held

    def _dandiset(self, dandiset: str) -> None:
        if (held := self._held(dandiset)) is None:
            return
        published = [version for name, version in held.versions.items() if name != "draft"]
        self._json(
            {
                "identifier": dandiset,
                "created": NOW,
                "modified": NOW,
                "contact_person": "Nobody",
                "embargo_status": "EMBARGOED" if held.embargoed else "OPEN",
                "most_recent_published_version": _version_row(published[-1]) if published else None,
                "draft_version": _version_row(held.versions["draft"]),
            }
        )

    def _version(self, dandiset: str, name: str) -> Version | None:
        held = self._held(dandiset)
        if held is not None and name not in held.versions:
            self._send(404, b'{"detail": "Not found."}')
        return None if held is None else held.versions.get(name)

    def _version_metadata(self, dandiset: str, name: str) -> None:
        if (version := self._version(dandiset, name)) is None:
            return
        doi = {} if name == "draft" else {"doi": f"10.80507/dandi.{dandiset}/{name}"}
        licence = [self.server.archive.dandisets[dandiset].licence]
        self._json({"name": f"Dandiset {dandiset}", "license": licence, "version": version.name, **doi})

    def _version_info(self, dandiset: str, name: str) -> None:
        if version := self._version(dandiset, name):
            self._json(_version_row(version))

    def _versions(self, dandiset: str) -> None:
        if held := self._held(dandiset):
            self._page([_version_row(version) for version in held.versions.values()])

    def _assets(self, dandiset: str, name: str) -> None:
        if (version := self._version(dandiset, name)) is None:
            return
        rows = [row for path, row in sorted(version.rows.items()) if self._asked(path)]
        kept = self._query.get("metadata") and self.server.archive.metadata_in_listing
        self._page([row if kept else {k: v for k, v in row.items() if k != "metadata"} for row in rows])

    def _asked(self, path: str) -> bool:
        glob, prefix = self._query.get("glob"), self._query.get("path", "")
        pattern = ".*".join(map(re.escape, glob.split("*"))) if glob else ".*"
        return bool(re.fullmatch(pattern, path, re.I | re.S)) and path.lower().startswith(prefix.lower())

    def _page(self, rows: list[Any]) -> None:
        size = min(int(self._query.get("page_size", 100)), self.server.archive.page_limit)
        number = int(self._query.get("page", 1))
        later = {**self._query, "page": str(number + 1)}
        more = number * size < len(rows)
        address = f"{self.server.archive.url}{urlsplit(self.path).path}?"
        following = address + "&".join(f"{quote(k)}={quote(v)}" for k, v in later.items())
        shown = rows[(number - 1) * size : number * size]
        count = len(rows) if number == 1 else None
        self._json({"count": count, "next": following if more else None, "previous": None, "results": shown})

    def _find(self, asset: str) -> tuple[Held, dict[str, Any]] | None:
        for held in self.server.archive.dandisets.values():
            for version in held.versions.values():
                for row in version.rows.values():
                    if row["asset_id"] == asset:
                        return held, row
        self._send(404, b'{"detail": "Not found."}')
        return None

    def _asset(self, *route: str) -> None:
        if (found := self._find(route[-1])) is not None:
            self._json(found[1]["metadata"])

    def _asset_info(self, asset: str) -> None:
        if (found := self._find(asset)) is not None:
            self._json(found[1])

    def _download(self, *route: str) -> None:
        if (found := self._find(route[-1])) is None:
            return
        held, row = found
        if held.embargoed and not self._authorized:
            self._send(401, b"{}")
        elif row["zarr"]:
            self._send(400, b"{}")
        else:
            self._send(302, b"", {"Location": self.server.archive.sign(row["blob"])})

    def _blob(self, name: str) -> None:
        blob = self.server.archive.blobs.get(name)
        signature = self._query.get("X-Amz-Signature")
        if blob is None:
            self._send(404, b"NoSuchKey")
        elif (signature and not self.server.archive.signatures.get(signature)) or (blob.embargoed and not signature):
            self._send(403, b"AccessDenied")
        elif signature and self.command == "HEAD":
            self._send(403, b"SignatureDoesNotMatch")
        else:
            self._stored(blob.place, blob.etag)

    def _zarr(self, name: str, key: str) -> None:
        blob = self.server.archive.blobs.get(name)
        file = blob.place / key if blob else Path("/nonexistent")
        if ".." in key or not file.is_file():
            self._send(404, b"NoSuchKey")
        else:
            self._stored(file, hashlib.md5(file.read_bytes()).hexdigest())

    def _stored(self, file: Path, etag: str) -> None:
        size = file.stat().st_size
        tag = f'"{self._fault.etag or etag}"'
        wanted = self.headers.get("If-Match")
        if wanted and wanted != tag:
            self._send(412, b"PreconditionFailed")
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked or self._fault.whole:
            self._send(200, _piece(file, 0, size), {"ETag": tag})
            return
        first = int(asked[1])
        last = min(int(asked[2] or size - 1), size - 1)
        if first >= size:
            self._send(416, b"", {"Content-Range": f"bytes */{size}"})
            return
        self._span = (first, last + 1)
        headers = {"ETag": tag, "Content-Range": f"bytes {first}-{last}/{size}"}
        self._send(206, _piece(file, first, last + 1), headers)

    def _json(self, answer: Any) -> None:
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        body = body[: len(body) - self._fault.short] if self._fault.short else body
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        sent = body if self._fault.cut is None else body[: self._fault.cut]
        if self.command == "HEAD":
            sent = b""
        # noted before the last byte leaves, so that whoever has all of it finds it in the log
        self.wfile.write(sent[:-1])
        self._note(status, len(sent))
        self.wfile.write(sent[-1:])
        self.wfile.flush()
        if self._fault.cut is not None:
            self.close_connection = True

    def _note(self, status: int, sent: int) -> None:
        self.server.archive.record(
            Exchange(
                self.command,
                self.path,
                self._span,
                status,
                sent,
                self._started,
                time.monotonic(),
                "Authorization" in self.headers,
            )
        )


def _piece(file: Path, start: int, stop: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read(stop - start)


def _version_row(version: Version) -> dict[str, Any]:
    return {
        "version": version.name,
        "name": "A dandiset",
        "asset_count": len(version.rows),
        "size": sum(row["size"] for row in version.rows.values()),
        "status": "Valid",
        "created": NOW,
        "modified": NOW,
    }


_DANDISET = r"/api/dandisets/(\d{6})"
_VERSION = rf"{_DANDISET}/versions/([^/]+)"
_ROUTES: tuple[tuple[str, Callable[..., None]], ...] = (
    (r"/api/info/?", Handler._info),
    (r"/api/auth/token/?", Handler._token),
    (rf"{_DANDISET}/?", Handler._dandiset),
    (rf"{_DANDISET}/versions/?", Handler._versions),
    (rf"{_VERSION}/?", Handler._version_metadata),
    (rf"{_VERSION}/info/?", Handler._version_info),
    (rf"{_VERSION}/assets/?", Handler._assets),
    (rf"{_VERSION}/assets/([^/]+)/?", Handler._asset),
    (rf"{_VERSION}/assets/([^/]+)/download/?", Handler._download),
    (r"/api/assets/([^/]+)/?", Handler._asset),
    (r"/api/assets/([^/]+)/info/?", Handler._asset_info),
    (r"/api/assets/([^/]+)/download/?", Handler._download),
    (r"/s3/blobs/([^/]+)", Handler._blob),
    (r"/s3/zarr/([^/]+)/(.+)", Handler._zarr),
)
