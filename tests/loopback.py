"""A small archive on this machine: the API that the dandi client asks, and the storage behind it.

It keeps a log of every exchange and plays scripted faults, so that a test can say what was moved and when.
"""

import re
import threading
import uuid
from pathlib import Path
from typing import Any

from loopback_http import Server
from loopback_state import NOW, Blob, Exchange, Fault, Held, Version, dandi_etag, folder_digest

__all__ = ["Exchange", "Fault", "LoopbackArchive"]


class LoopbackArchive:
    """Serve dandisets from local files until closed."""

    def __init__(self, *, latency: float = 0.0, page_limit: int = 1000, key: str = "loopback-key") -> None:
        self.latency = latency
        self.page_limit = page_limit
        self.key = key
        self.metadata_in_listing = True
        self.faults: list[Fault] = []
        self.log: list[Exchange] = []
        self.dandisets: dict[str, Held] = {}
        self.blobs: dict[str, Blob] = {}
        self.signatures: dict[str, bool] = {}
        self._lock = threading.Lock()
        self._server = Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __enter__(self) -> "LoopbackArchive":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """What to pass as `--dandi-instance`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def api(self) -> str:
        """The base of the API."""
        return f"{self.url}/api"

    @property
    def variable(self) -> str:
        """The environment variable for this archive's key."""
        return f"127.0.0.1:{self._server.server_address[1]}_API_KEY"

    def add(
        self,
        dandiset: str,
        path: str,
        place: Path,
        *,
        subject: str = "",
        session: str = "",
        species: str = "Mus musculus",
        measured: tuple[str, ...] = ("Units", "ElectricalSeries"),
        embargoed: bool = False,
        version: str = "draft",
    ) -> str:
        """Put a file (or a Zarr folder) into a version of a dandiset; return its asset's identifier."""
        held = self.dandisets.setdefault(dandiset, Held(embargoed, {"draft": Version("draft")}))
        etag = folder_digest(place) if place.is_dir() else dandi_etag(place)
        blob = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{dandiset}{path}{etag}"))
        asset = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{dandiset}{path}{etag}"))
        self.blobs[blob] = Blob(place, etag, embargoed)
        metadata = self._metadata(asset, blob, path, (subject, session, species), measured)
        kind = "zarr" if place.is_dir() else "blob"
        row = {
            "asset_id": asset,
            "blob": None,
            "zarr": None,
            kind: blob,
            "path": path,
            "size": self.blobs[blob].size,
            "created": NOW,
            "modified": NOW,
            "metadata": metadata,
        }
        held.versions.setdefault(version, Version(version)).rows[path] = row
        return asset

    def publish(self, dandiset: str, version: str) -> None:
        """Freeze the draft's assets under a version's name."""
        held = self.dandisets[dandiset]
        held.versions[version] = Version(version, dict(held.versions["draft"].rows))

    def data_log(self) -> list[Exchange]:
        """The exchanges with the storage, without the API."""
        return [one for one in self.log if one.path.startswith("/s3/")]

    def longest_chain(self) -> int:
        """How many storage requests came one after another: none started before the one before had ended."""
        chain, free = 0, float("-inf")
        for one in sorted(self.data_log(), key=lambda one: one.ended):
            if one.started >= free:
                chain, free = chain + 1, one.ended
        return chain

    def sign(self, blob: str) -> str:
        """A signed address of a blob."""
        token = uuid.uuid4().hex
        self.signatures[token] = True
        return f"{self.url}/s3/blobs/{blob}?X-Amz-Expires=21600&X-Amz-Signature={token}"

    def expire_signatures(self) -> None:
        """No address signed so far is good any more."""
        self.signatures = dict.fromkeys(self.signatures, False)

    def next_fault(self, path: str) -> Fault | None:
        """The fault to play for this request, used up by one."""
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.where, path):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def record(self, exchange: Exchange) -> None:
        """Keep an exchange."""
        with self._lock:
            self.log.append(exchange)

    def _metadata(
        self, asset: str, blob: str, path: str, who: tuple[str, str, str], measured: tuple[str, ...]
    ) -> dict[str, Any]:
        subject, session, species = who
        stored = self.blobs[blob]
        zarr = stored.place.is_dir()
        digest = "dandi:dandi-zarr-checksum" if zarr else "dandi:dandi-etag"
        status = "dandi:EmbargoedAccess" if stored.embargoed else "dandi:OpenAccess"
        kind = "zarr" if zarr else "blobs"
        return {
            "schemaKey": "Asset",
            "id": f"dandiasset:{asset}",
            "identifier": asset,
            "path": path,
            "contentSize": stored.size,
            "encodingFormat": "application/x-zarr" if zarr else "application/x-nwb",
            "digest": {digest: stored.etag},
            "contentUrl": [f"{self.api}/assets/{asset}/download/", f"{self.url}/s3/{kind}/{blob}"],
            "access": [{"schemaKey": "AccessRequirements", "status": status}],
            "variableMeasured": [{"schemaKey": "PropertyValue", "value": value} for value in measured],
            "wasAttributedTo": [{"schemaKey": "Participant", "identifier": subject, "species": {"name": species}}],
            "wasGeneratedBy": [{"schemaKey": "Session", "identifier": session}],
        }
