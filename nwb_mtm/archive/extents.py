"""Arithmetic of byte extents: which pieces of a file to fetch, in how many requests."""

from collections.abc import Iterable

Extent = tuple[int, int]  # first byte, byte after the last


def pages_of(extents: Iterable[Extent], page: int, size: int) -> list[int]:
    """The pages that the extents touch, each once, in order.

    >>> pages_of([(0, 10), (95, 130)], 64, 120)
    [0, 1]
    """
    touched: set[int] = set()
    for start, stop in extents:
        stop = min(stop, size)
        if max(start, 0) < stop:
            touched.update(range(max(start, 0) // page, (stop - 1) // page + 1))
    return sorted(touched)


def merge_pages(pages: list[int], page: int, size: int, gap: int) -> list[Extent]:
    """Runs of pages as extents; pages closer than `gap` bytes share one.

    >>> merge_pages([0, 1, 3, 9], 10, 95, 10)
    [(0, 40), (90, 95)]
    """
    merged: list[Extent] = []
    for number in pages:
        start, stop = number * page, min((number + 1) * page, size)
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return merged


def split(extents: Iterable[Extent], longest: int, page: int) -> list[Extent]:
    """Cut long extents into nearly equal pieces of at most `longest` bytes, each of whole pages.

    >>> split([(0, 10), (20, 45)], 10, 5)
    [(0, 10), (20, 30), (30, 40), (40, 45)]
    """
    pieces: list[Extent] = []
    for start, stop in extents:
        count = -(-(stop - start) // longest)
        step = -(-(stop - start) // (count * page)) * page
        pieces += [(at, min(at + step, stop)) for at in range(start, stop, step)]
    return pieces
