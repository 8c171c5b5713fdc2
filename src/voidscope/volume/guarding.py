"""One error for every way a foreign file can be wrong, and limits before memory is spent on what it declares."""

from __future__ import annotations

import struct
import tokenize
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from voidscope.errors import CannotReadFile

FOREIGN_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError, LookupError, MemoryError,
    OSError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error, tokenize.TokenError, zlib.error,
)  # fmt: skip
"""What tifffile, imagecodecs, olefile, numpy and zlib were seen to raise on damaged files (1,500 mutants each)."""

MOST_DECLARED_PER_BYTE = 10_000
"""Deflate cannot pack better than about 1,030:1; a file that declares more than this per byte is a bomb."""


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn whatever a format library raises on a damaged file into one `CannotReadFile` naming `path`."""
    try:
        yield
    except FOREIGN_ERRORS as error:
        raise CannotReadFile(path, _reason(error)) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}. Check that the file is there and that you may read it."
    said = f"{type(error).__name__}: {error}"[:200]
    return f"it is damaged or not what its ending says ({said}). Export or copy it again."


def free_memory() -> int:
    """Bytes of memory that can be taken without swapping."""
    import psutil  # type: ignore[import-untyped]

    return int(psutil.virtual_memory().available)


def require_memory(path: Path, declared: int) -> None:
    """Raise `CannotReadFile` when unpacking `declared` bytes would take more than half of the free memory."""
    if declared > (limit := free_memory() // 2):
        raise CannotReadFile(
            path,
            f"unpacking it needs {in_words(declared)} of memory at once, half of what is free is {in_words(limit)}. "
            f"Crop it, or save it uncompressed: then it is read piece by piece.",
        )


def refuse_bomb(path: Path, shape: Sequence[int], declared: int, actual: int) -> None:
    """Raise `CannotReadFile` when a file of `actual` bytes declares an impossible amount of voxels."""
    if declared > MOST_DECLARED_PER_BYTE * actual:
        raise CannotReadFile(
            path,
            f"it declares {' x '.join(map(str, shape))} voxels = {in_words(declared)}, but is {in_words(actual)} "
            f"long; no compression does that, so it is damaged or hostile. Export it again.",
        )


def in_words(n_bytes: int) -> str:
    """A number of bytes as a person reads it, e.g. ``149.0 GiB``."""
    size = float(n_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
