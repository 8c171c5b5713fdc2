"""Torch's errors in a person's words: what is memory, what is not, and one line instead of a stack of kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from voidscope.errors import JobFailed

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed for want of memory, on any device (only CUDA has a class of its own for it)."""
    return isinstance(error, torch.OutOfMemoryError) or any(w in str(error).lower() for w in _OUT_OF_MEMORY)


@contextmanager
def told_in_one_line(title: str) -> Iterator[None]:
    """Turn a RuntimeError raised inside into `JobFailed`, because superqt's workers swallow RuntimeErrors."""
    try:
        yield
    except RuntimeError as error:
        remedy = (
            "choose smaller batches or device=cpu" if is_out_of_memory(error) else "see: voidscope doctor"
        )
        raise JobFailed(f"{title} stopped: {one_line(error)}; {remedy}.") from error


def one_line(error: BaseException) -> str:
    """The first line an error says about itself, or its kind when it says nothing."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return said.rstrip(".") or type(error).__name__
