"""A remote file as a file object: read through a page cache, with extents fetched ahead in parallel."""

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from nwb_mtm.archive.assets import Asset
from nwb_mtm.archive.extents import Extent, merge_pages, pages_of, split
from nwb_mtm.archive.locations import NowhereLocation, locate
from nwb_mtm.archive.pages import Pages
from nwb_mtm.archive.transfer import CONNECTIONS, Patience, RangeFetcher
from nwb_mtm.errors import NwbMtmError, SourceError

BLOCK = 512 * 1024  # fetched at once where nothing was announced
PAGE = 64 * 1024  # kept in memory
GAP = 256 * 1024  # fetched along rather than asked for twice
NEAR = 8  # blocks
MANY = 4  # blocks
WIDEST = 16  # blocks fetched around one read
LONGEST = 6 * 1024 * 1024  # one request
LIMIT = 1024**3  # bytes kept


class RemoteFile(io.RawIOBase):
    """Read one remote file as if it lay here; what was read once is not fetched again."""

    def __init__(
        self,
        fetcher: RangeFetcher,
        *,
        pages: Pages | None = None,
        block: int = BLOCK,
        connections: int = CONNECTIONS,
        limit: int = LIMIT,
    ) -> None:
        self._fetcher = fetcher
        self._block = max(block, PAGE)
        self._connections = connections
        self._limit = limit
        self._pages: dict[int, memoryview] = dict(pages.held) if pages and self._same(pages) else {}
        self._met = {0}
        self._at = 0
        self.failure: NwbMtmError | None = None
        self.expected = 0  # bytes that will have come when what was announced is here; 0 until something is
        if not self._pages:
            self._fetch_all(self._ends())

    @property
    def size(self) -> int:
        """Length of the whole file."""
        return self._fetcher.size or 0

    @property
    def etag(self) -> str:
        """Version of the content, as the server names it."""
        return self._fetcher.etag

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._fetcher.requests

    @property
    def bytes(self) -> int:
        """How many bytes came."""
        return self._fetcher.bytes

    def prefetch(self, extents: Iterable[tuple[int, int]]) -> None:
        """Fetch the (first byte, length) extents that are not here yet, over parallel connections."""
        wanted = pages_of(((start, start + length) for start, length in extents), PAGE, self.size)
        missing = [number for number in wanted if number not in self._pages][: self._limit // PAGE]
        self._make_room(len(missing), keep=set(wanted))
        extents = split(merge_pages(missing, PAGE, self.size, GAP), LONGEST, PAGE)
        self.expected = self.bytes + sum(stop - start for start, stop in extents)
        self._fetch_all(extents)

    def announce(self, places: Iterable[int]) -> None:
        """Fetch the blocks around places that will be read next, over parallel connections."""
        told = list(places)
        if all(place // PAGE in self._pages for place in told):
            return
        blocks = {place // self._block for place in told}
        beyond = len(blocks) > MANY  # what belongs to so many headers reaches further than they do
        spans = [(max(0, b - beyond) * self._block, (b + 1 + beyond) * self._block) for b in sorted(blocks)]
        missing = [number for number in pages_of(spans, PAGE, self.size) if number not in self._pages]
        self._met.update(blocks)
        self._make_room(len(missing), keep=set())
        # headers lie close together: what is between them will be asked for next
        self._fetch_all(split(merge_pages(missing, PAGE, self.size, 4 * self._block), LONGEST, PAGE))

    @property
    def held(self) -> int:
        """How many bytes are here."""
        return sum(len(page) for page in self._pages.values())

    def missing(self, extents: Iterable[tuple[int, int]]) -> int:
        """How many bytes a prefetch of the extents would move."""
        wanted = pages_of(((start, start + length) for start, length in extents), PAGE, self.size)
        absent = [number for number in wanted if number not in self._pages]
        return sum(stop - start for start, stop in merge_pages(absent, PAGE, self.size, GAP))

    def pages(self) -> Pages:
        """All that is here, to be used again."""
        return Pages(self.size, self.etag, PAGE, self._pages)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read anywhere."""
        return True

    def tell(self) -> int:
        """Where the next read starts."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Choose where the next read starts."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: object) -> int:
        """Fill the buffer, up to the end of the file."""
        target = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        start, stop = self._at, min(self._at + len(target), self.size)
        filled = 0
        while start + filled < stop:
            # no more at once than is kept, so that nothing is dropped before it is copied
            until = min(stop, start + filled + max(self._limit // 2, PAGE))
            self._require(start + filled, until)
            filled += self._copy(start + filled, until, target[filled:])
        self._at = start + filled
        return filled

    def close(self) -> None:
        """Forget the pages and let the connections go."""
        if not self.closed:
            self._pages.clear()
            self._fetcher.close()
        super().close()

    def _require(self, start: int, stop: int) -> None:
        missing = [n for n in pages_of([(start, stop)], PAGE, self.size) if n not in self._pages]
        if not missing:
            return
        if stop - start > self._block:
            self.prefetch([(start, stop - start)])
            return
        window = self._window(missing[0] * PAGE // self._block, missing[-1] * PAGE // self._block)
        around = [n for n in pages_of([window], PAGE, self.size) if n not in self._pages]
        self._make_room(len(around), keep=set(pages_of([(start, stop)], PAGE, self.size)))
        self._fetch_all(split(merge_pages(around, PAGE, self.size, GAP), LONGEST, PAGE))

    def _same(self, pages: Pages) -> bool:
        return (pages.size, pages.etag, pages.page) == (self._fetcher.size, self._fetcher.etag, PAGE)

    def _ends(self) -> list[Extent]:
        """Where to begin: the first block, and the last one, in which writers leave what came last."""
        size = self._fetcher.size or 0
        last = max(0, size - 1) // self._block * self._block
        return [(0, self._block)] + ([(last, size)] if last > 4 * self._block else [])

    def _window(self, first: int, last: int) -> Extent:
        """What to fetch for a read in these blocks: more, the more was read nearby without being announced.

        Headers written between the data of many small series are met one by one, in no order.
        """
        near = sum(abs(block - first) <= NEAR for block in self._met)
        width = min(WIDEST, 4**near, max(1, self._limit // (4 * self._block)))
        self._met.update(range(first, last + 1))
        return first // width * width * self._block, (last // width + 1) * width * self._block

    def _copy(self, start: int, stop: int, target: memoryview) -> int:
        at = start
        while at < stop:
            page = self._pages[at // PAGE]
            piece = page[at % PAGE : at % PAGE + stop - at]
            target[at - start : at - start + len(piece)] = piece
            at += len(piece)
        return at - start

    def _fetch_all(self, extents: list[Extent]) -> None:
        if len(extents) < 2:
            for extent in extents:
                self._keep(extent[0], self._fetch(extent))
            return
        with ThreadPoolExecutor(min(self._connections, len(extents))) as pool:
            for extent, body in zip(extents, pool.map(self._fetch, extents), strict=True):
                self._keep(extent[0], body)

    def _fetch(self, extent: Extent) -> "memoryview[int]":
        if self.failure is not None:
            raise self.failure
        try:
            return memoryview(self._fetcher.fetch(*extent))
        except NwbMtmError as failure:
            self.failure = failure
            raise

    def _keep(self, start: int, body: "memoryview[int]") -> None:
        for at in range(0, len(body), PAGE):
            self._pages.setdefault((start + at) // PAGE, body[at : at + PAGE])

    def _make_room(self, coming: int, keep: set[int]) -> None:
        """Drop the pages that came first, when more would be kept than allowed."""
        excess = len(self._pages) + coming - self._limit // PAGE
        for number in [n for n in self._pages if n not in keep][: max(0, excess)]:
            del self._pages[number]


def connect(place: Asset | str, *, key: str | None = None, patience: Patience | None = None) -> RangeFetcher:
    """Be ready to fetch byte ranges of a URL or an asset."""
    if isinstance(place, str):
        return RangeFetcher(locate(place), patience=patience)
    if place.size == 0:
        raise SourceError(f"{place.name} has no bytes.", kind="empty_file")
    location = locate(place, key=key, patience=patience)
    return RangeFetcher(location, size=place.size, etag=place.etag, patience=patience)


def open_remote(
    place: Asset | str, *, key: str | None = None, patience: Patience | None = None, pages: Pages | None = None
) -> RemoteFile:
    """Open a URL or an asset for reading piece by piece; pages that are given are not fetched again."""
    return _opened(connect(place, key=key, patience=patience), pages)


def open_kept(asset: Asset, pages: Pages | None) -> RemoteFile:
    """Open what is here of an asset, without any connection; the rest is refused when it is read."""
    return _opened(RangeFetcher(NowhereLocation(asset.name), size=asset.size, etag=asset.etag), pages)


def _opened(fetcher: RangeFetcher, pages: Pages | None) -> RemoteFile:
    try:
        return RemoteFile(fetcher, pages=pages)
    except BaseException:
        fetcher.close()
        raise
