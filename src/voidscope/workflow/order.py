"""In which order slices are predicted: what the person looks at first, wherever they go meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from voidscope.vocabulary import SliceKey

Eye = Callable[[], SliceKey | None]
"""Says which slice is in view now; asked on the thread that predicts."""


class Nearest:
    """Slices one by one: the one in view, then its scan's by their distance from it, then the other scans in order.

    Where the person looks is asked anew before each slice, so that moving on leaves what was near before for later.
    """

    def __init__(self, keys: Sequence[SliceKey], eye: Eye) -> None:
        self._left: dict[str, list[int]] = {}
        for key in keys:
            self._left.setdefault(key.scan, []).append(key.index)
        self._count, self._eye = len(keys), eye

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[SliceKey]:
        while self._left:
            yield self._next(self._eye())

    def _next(self, seen: SliceKey | None) -> SliceKey:
        """Take out the slice that is wanted next."""
        here = seen is not None and seen.scan in self._left
        scan = seen.scan if seen is not None and here else next(iter(self._left))
        indices = self._left[scan]
        centre = seen.index if seen is not None and here else indices[0]
        index = min(indices, key=lambda i: (abs(i - centre), i))
        indices.remove(index)
        if not indices:
            del self._left[scan]
        return SliceKey(scan, index)
