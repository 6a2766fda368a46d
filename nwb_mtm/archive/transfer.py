"""Byte ranges of one remote file: retried, renewed when a signature expires, refused when it changed."""

import email.utils
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import requests
from requests.adapters import HTTPAdapter

from nwb_mtm.archive.addresses import without_secrets
from nwb_mtm.errors import SourceError

CONNECTIONS = 8
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Patience:
    """How often, and after which waits, a request is tried again."""

    attempts: int = 8
    first_wait: float = 0.5
    longest_wait: float = 30.0
    timeout: tuple[float, float] = (10.0, 60.0)  # connect, read
    sleep: Callable[[float], None] = time.sleep
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def wait(self, attempt: int, asked: float | None) -> None:
        """Wait longer each time, with jitter; at least as long as the server asked."""
        backoff = min(self.longest_wait, self.first_wait * 2.0**attempt) * self.rng.uniform(0.5, 1.0)
        self.sleep(max(backoff, min(asked or 0.0, 2 * self.longest_wait)))


@runtime_checkable
class Location(Protocol):
    """Where a file can be fetched at this moment."""

    @property
    def name(self) -> str:
        """What to call it in messages."""

    def url(self) -> str:
        """The address to use now."""

    def renew(self) -> bool:
        """Find another address after this one was refused; False when there is none."""


@dataclass
class FixedLocation:
    """A URL that is what it is."""

    address: str

    @property
    def name(self) -> str:
        """The URL without its secrets."""
        return without_secrets(self.address)

    def url(self) -> str:
        """The URL."""
        return self.address

    def renew(self) -> bool:
        """There is no other."""
        return False


@dataclass(frozen=True)
class Setback:
    """Why a request is worth trying again."""

    message: str
    wait: float | None = None
    at_once: bool = False


def new_session(connections: int = CONNECTIONS) -> requests.Session:
    """An HTTP session whose connections are kept and shared between threads."""
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": "nwb-mtm"})
    return session


class RangeFetcher:
    """Fetch byte ranges of one file, and be sure that they all come from the same version of it."""

    def __init__(
        self,
        location: Location,
        *,
        size: int | None = None,
        etag: str = "",
        patience: Patience | None = None,
        session: requests.Session | None = None,
    ) -> None:
        self.location = location
        self.size = size
        self.etag = etag
        self.requests = 0
        self.bytes = 0
        self._patience = patience or Patience()
        self._session = session or new_session()
        self._lock = threading.Lock()
        self._unproven = False

    def fetch(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop` (or the end of the file, when it is not known yet)."""
        setback = Setback("")
        for attempt in range(self._patience.attempts):
            outcome = self._try(start, stop)
            if isinstance(outcome, bytes):
                return outcome
            setback = outcome
            if attempt + 1 < self._patience.attempts and not setback.at_once:
                self._patience.wait(attempt, setback.wait)
        raise SourceError(
            f"{self.location.name} could not be read: {setback.message}, {self._patience.attempts} times.",
            kind="transfer_failed",
        )

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()

    def _try(self, start: int, stop: int) -> bytes | Setback:
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        if self.etag:
            headers["If-Match"] = f'"{self.etag}"'
        with self._lock:
            self.requests += 1
            used = self.location.url()
        try:
            with self._session.get(used, headers=headers, stream=True, timeout=self._patience.timeout) as response:
                if response.status_code != 206:
                    return self._refused(response, used)
                return self._body(response, start, stop)
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            return Setback(f"the connection failed ({type(error).__name__})")

    def _refused(self, response: requests.Response, used: str) -> Setback:
        """Say whether to try again; raise when that is no use."""
        status, name = response.status_code, self.location.name
        if status in TRANSIENT:
            return Setback(f"the server answered {status}", retry_after(response))
        if status in (401, 403, 404) and self._renewed(used):
            return Setback(f"the address was refused ({status})", at_once=True)
        if status == 416 and self.size is None:
            raise SourceError(f"{name} has no bytes.", kind="empty_file")
        if status in (412, 416):
            raise self._changed()
        if status in (200, 301, 302, 307):
            raise SourceError(f"{name}: the server sends the whole file only (status {status}).", kind="no_ranges")
        if status in (401, 403):
            raise SourceError(f"{name} may not be read without a key ({status}).", kind="key_needed")
        kind = "not_found" if status in (404, 410) else "transfer_failed"
        raise SourceError(f"{name} cannot be read: the server answered {status}.", kind=kind)

    def _renewed(self, used: str) -> bool:
        """There is another address to try: a new one is asked for only when the last one has worked."""
        with self._lock:
            if self.location.url() != used:
                return True
            if self._unproven:
                return False
            self._unproven = self.location.renew()
            return self._unproven

    def _body(self, response: requests.Response, start: int, stop: int) -> bytes | Setback:
        first, last, total = _content_range(response, self.location.name)
        self._check_version(response, total)
        expected = min(stop, total) - start
        if first != start or last + 1 - first != expected:
            return Setback("the server sent another range than was asked")
        body = response.content
        with self._lock:
            self.bytes += len(body)
            self._unproven = False
        if len(body) != expected:
            return Setback(f"{len(body)} of {expected} bytes came")
        return body

    def _check_version(self, response: requests.Response, total: int) -> None:
        etag = strong_etag(response)
        with self._lock:
            self.size = total if self.size is None else self.size
            self.etag = self.etag or etag
            same = total == self.size and (not etag or etag == self.etag)
        if not same:
            raise self._changed()

    def _changed(self) -> SourceError:
        return SourceError(
            f"{self.location.name} is not the file that was listed: it was replaced meanwhile.",
            kind="changed",
        )


def retry_after(response: requests.Response) -> float | None:
    """How many seconds the server asks to wait, if it says."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    moment = email.utils.parsedate_tz(text)
    return max(0.0, email.utils.mktime_tz(moment) - time.time()) if moment else None


def strong_etag(response: requests.Response) -> str:
    """The answer's ETag without quotes; empty when it has none, or only a weak one."""
    etag = response.headers.get("ETag", "")
    return "" if etag.startswith("W/") else etag.strip('"')


def _content_range(response: requests.Response, name: str) -> tuple[int, int, int]:
    text = response.headers.get("Content-Range", "")
    try:
        span, total = text.removeprefix("bytes ").split("/")
        first, last = span.split("-")
        return int(first), int(last), int(total)
    except ValueError:
        raise SourceError(f"{name}: the server answers ranges with {text or 'nothing'!r}.", kind="bad_answer") from None
