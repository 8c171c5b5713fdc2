"""The next batch, made while a GPU still works on the last one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import islice
from typing import Generic, TypeVar

import torch

Batch = TypeVar("Batch")


class Prefetcher(Generic[Batch]):
    """Batches in order, of which `prefetch` makes the next one early, on a stream of its own beside what is being computed.

    Whoever takes a batch must have read a result that depends on it, as a step reads its loss, before it takes the next: the
    memory of a batch is used again from then on. Anywhere but on a CUDA device, and where `early` is false, each batch is made
    when it is taken.
    """

    def __init__(self, batches: Iterator[Batch], device: torch.device, *, early: bool = True) -> None:
        self._batches = batches
        self._made: list[Batch] = []
        self._stream = _stream_beside(device) if early and device.type == "cuda" else None
        if self._stream is not None:  # what batches are cut out of was put there by the stream of now
            self._stream.wait_stream(torch.cuda.current_stream(device))

    def prefetch(self) -> None:
        """Make the next batch now, where that gains time."""
        if self._stream is not None:
            self._make()

    def __iter__(self) -> Iterator[Batch]:
        """The batches, one after the other."""
        while True:
            self._make()
            if not self._made:
                return
            if self._stream is not None:
                torch.cuda.current_stream(self._stream.device).wait_stream(self._stream)
            yield self._made.pop()

    def _make(self) -> None:
        if not self._made:
            with self._beside():
                self._made.extend(islice(self._batches, 1))

    def _beside(self) -> AbstractContextManager[object]:
        # Without a stream torch is not asked at all: it would start CUDA, and fails on Apple's GPU.
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)


@cache
def _stream_beside(device: torch.device) -> torch.cuda.Stream:
    """The one stream of this process on which batches of a device are made: memory and workspaces are kept for each stream."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
