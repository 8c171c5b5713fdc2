"""Grey PNG slices, 8 or 16 bits."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.errors import CannotReadFile
from voidscope.volume.guarding import guarded, refuse_bomb, require_memory
from voidscope.volume.planes import Planes
from voidscope.volume.volumes import Volume

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"IEND\xaeB`\x82"


def open_png(path: Path, name: str) -> Volume:
    """Open a grey PNG as a scan of one slice (1, h, w); it is unpacked when asked for.

    Raises `CannotReadFile` for colour, transparency, a truncated file or one declaring more than it can hold.
    """
    with guarded(path):
        height, width, dtype = _header(path)
        declared = height * width * dtype.itemsize
        refuse_bomb(path, (height, width), declared, path.stat().st_size)
        require_memory(path, declared)

        def read(_: int) -> npt.NDArray[Any]:
            import imagecodecs

            return np.asarray(imagecodecs.png_decode(path.read_bytes()))

        return Volume(Planes(path, (1, height, width), dtype, read), None, name, "png", path)


def _header(path: Path) -> tuple[int, int, np.dtype[Any]]:
    """Height, width and number type from the IHDR chunk (PNG specification 11.2.2)."""
    with path.open("rb") as file:
        head = file.read(26)
        file.seek(-min(64, path.stat().st_size), 2)
        complete = END in file.read()
    if len(head) < 26 or not head.startswith(SIGNATURE):
        raise CannotReadFile(path, "it is not a PNG file, whatever its ending says. Export it as TIFF.")
    if not complete:
        raise CannotReadFile(path, "it ends before its end mark; it was cut off. Copy or export it again.")
    width, height, bits, colour = struct.unpack(">IIBB", head[16:])
    if colour != 0:
        raise CannotReadFile(
            path,
            f"it is a colour PNG (colour type {colour}) of {height} x {width}; a scan is grey. Convert it to grey.",
        )
    return height, width, np.dtype(np.uint16 if bits == 16 else np.uint8)
