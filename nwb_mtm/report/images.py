"""Maps of levels as tiny PNG images, with one palette for all of them."""

import base64
import struct
import zlib

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

# From paper to deep blue; lightness falls steadily, so that it reads without colour and prints in grey.
ANCHORS = ("fdfcfa", "dbe8ea", "9cc8d3", "4c9abd", "1f6399", "12306a", "0b1640")
NOTHING = 255


def palette() -> UInt8[ndarray, "256 3"]:
    """256 colours; the last one is transparent in every image."""
    anchors = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in ANCHORS], float)
    at = np.linspace(0, len(ANCHORS) - 1, NOTHING)
    colors = np.stack([np.interp(at, np.arange(len(ANCHORS)), anchors[:, c]) for c in range(3)], axis=1)
    return np.concatenate([np.round(colors), [[0, 0, 0]]]).astype(np.uint8)


def png(levels: UInt8[ndarray, "row column"]) -> bytes:
    """An indexed PNG in which level 255 is transparent."""
    height, width = levels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), levels], axis=1)
    alpha = bytes([255] * NOTHING + [0])
    chunks = [
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        _chunk(b"PLTE", palette().tobytes()),
        _chunk(b"tRNS", alpha),
        _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
        _chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def image(levels: UInt8[ndarray, "row column"], x: float, y: float, width: float, height: float) -> str:
    """A map as an SVG image, every value a sharp rectangle."""
    code = base64.b64encode(png(coarser(levels))).decode("ascii")
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<image {place} preserveAspectRatio="none" class="map" href="data:image/png;base64,{code}"/>'


def coarser(levels: UInt8[ndarray, "row column"], steps: int = 64) -> UInt8[ndarray, "row column"]:
    """Fewer distinct levels: the eye sees no difference, the file is half as long."""
    width = NOTHING / steps
    rounded = np.minimum(np.round(np.floor(levels / width) * (NOTHING - 1) / (steps - 1)), NOTHING - 1)
    return np.where(levels == NOTHING, NOTHING, rounded).astype(np.uint8)
