"""Pages of a remote file on disk, so that the same bytes are not asked for again for another purpose."""

import hashlib
import json
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

MAGIC = b"mtmpages"
DIGEST_BYTES = 32


class DamagedPagesError(ValueError):
    """The file is not what was written."""


@dataclass(frozen=True)
class Pages:
    """Some pages of one version of a file."""

    size: int  # of the whole file
    etag: str
    page: int
    held: Mapping[int, "memoryview[int]"]


def write_pages(file: BinaryIO, pages: Pages) -> None:
    """Write pages as runs of neighbours, with a digest at the end."""
    numbers = sorted(pages.held)
    groups = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    runs = [[pair[1] for pair in group] for _, group in groups]
    head = {"size": pages.size, "etag": pages.etag, "page": pages.page, "runs": [[r[0], len(r)] for r in runs]}
    text = json.dumps(head).encode()
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    pieces: list[bytes | memoryview[int]] = [MAGIC, len(text).to_bytes(8, "little"), text]
    for piece in pieces + [pages.held[n] for n in numbers]:
        digest.update(piece)
        file.write(piece)
    file.write(digest.digest())


def open_pages(path: Path) -> Pages:
    """Map the pages of a file, after comparing them with their digest."""
    try:
        with path.open("rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        body = mapped[:-DIGEST_BYTES]
        if hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() != bytes(mapped[-DIGEST_BYTES:]):
            raise DamagedPagesError(f"{path.name} does not match its digest")
        length = int.from_bytes(body[8:16], "little")
        head = json.loads(bytes(body[16 : 16 + length]))
        return Pages(head["size"], head["etag"], head["page"], _cut(body[16 + length :], head))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DamagedPagesError(f"{path.name} holds no pages") from error


def _cut(body: "memoryview[int]", head: Mapping[str, int]) -> dict[int, "memoryview[int]"]:
    held, at = {}, 0
    for first, count in head["runs"]:  # type: ignore[attr-defined]
        for number in range(first, first + count):
            length = min(head["page"], head["size"] - number * head["page"])
            held[number] = body[at : at + length]
            at += length
    return held
