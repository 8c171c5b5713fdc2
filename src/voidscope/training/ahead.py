"""The next batch, made while a GPU still works on the last one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Generic, TypeVar

import torch

Batch = TypeVar("Batch")


class Ahead(Generic[Batch]):
    """Batches in order, of which `prepare` makes the next one early, on a stream of its own beside what is being computed.

    Whoever takes a batch must have read a result that depends on it, as a step reads its loss, before it takes the next: the
    memory of a batch is used again from then on. Anywhere but on a CUDA device each batch is made when it is taken.
    """

    def __init__(self, batches: Iterator[Batch], device: torch.device) -> None:
        self._batches = batches
        self._made: list[Batch] = []
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            # What batches are cut out of was put there by the stream of now.
            self._stream.wait_stream(torch.cuda.current_stream(device))

    def prepare(self) -> None:
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
            with torch.cuda.stream(self._stream):
                self._made.extend(islice(self._batches, 1))
