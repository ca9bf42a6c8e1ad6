"""A heat map as an image inside the page: one colour, more of it where the map is higher, clear where it is zero."""

import base64
import struct
import zlib

import numpy as np

from agv2.core.arrays import FloatArray

__all__ = ["heat_image"]

_COLOUR = bytes((142, 68, 173))  # seen on white and on black, and unlike both kinds of candle
_STRONGEST = 200  # of 255 that would hide the candles


def heat_image(values: FloatArray, highest: float) -> str:
    """An address that holds the image itself, for SVG to stretch: one pixel a value.

    Args:
        values: (height, width) the top row first, >= 0; NaN is clear.
        highest: value of the fullest colour, > 0.

    Returns:
        `data:image/png;base64,…`

    Source: PNG specification, third edition, sections 5 and 11: an image of indices into a palette with transparency.
    """
    shares = np.clip(np.nan_to_num(values) / highest, 0.0, 1.0)
    height, width = values.shape
    rows = np.zeros((height, width + 1), dtype=np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = np.round(255.0 * shares)
    alphas = bytes(round(_STRONGEST * index / 255) for index in range(256))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", _COLOUR * 256),
        (b"tRNS", alphas),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
    )
    packed = b"".join(_chunk(kind, content) for kind, content in (*chunks, (b"IEND", b"")))
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + packed).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
