"""Torch's errors in a person's words: one line instead of a stack of kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from voidscope.errors import NEEDS_LESS_MEMORY, JobFailed, is_out_of_memory


@contextmanager
def told_in_one_line(title: str, needs_less_memory: str = NEEDS_LESS_MEMORY) -> Iterator[None]:
    """Turn a RuntimeError, which superqt's workers swallow, or a MemoryError raised inside into `JobFailed`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        remedy = needs_less_memory if is_out_of_memory(error) else "see: voidscope doctor"
        raise JobFailed(f"{title} stopped: {one_line(error)}; {remedy}.") from error


def one_line(error: BaseException) -> str:
    """The first line an error says about itself, or its kind when it says nothing."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return said.rstrip(".") or type(error).__name__
