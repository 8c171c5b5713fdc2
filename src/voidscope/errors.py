"""Errors a person can act on: each names the thing, the value and the way out, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable


def named(things: Iterable[object], most: int = 8) -> str:
    """Things in a sentence: all of them, or the first `most` and how many more there are."""
    words = [str(t) for t in things]
    more = len(words) - most
    return ", ".join(words) if more <= 0 else f"{', '.join(words[:most])} and {more} more"


def counted(n: int, thing: str) -> str:
    """So many of a thing in a sentence: 1 slice, 2 slices, 1,200 labelled slices."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def error_line(error: BaseException) -> str:
    """What went wrong, in one line; what is no error of ours is named by its type."""
    if isinstance(error, VoidscopeError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


_OUT_OF_MEMORY = re.compile(
    "out of memory|can't allocate memory|not enough memory|std::bad_alloc|could not create a primitive(?! descriptor)",
    re.IGNORECASE,
)
"""What CUDA, Metal, torch's CPU allocator, C++ and oneDNN say; the last names no reason, and of a descriptor it is another."""
NEEDS_LESS_MEMORY = "choose smaller batches or device=cpu"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether something failed for want of memory, this machine's or a GPU's (torch has a class of its own for CUDA's only)."""
    return isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)) is not None


class VoidscopeError(Exception):
    """Base of every problem voidscope tells a person about; its text is one line, ready to be shown."""


class CannotReadFile(VoidscopeError):
    """A file could not be read as a scan or a label mask; names the path, the reason and the way out."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"Cannot read {path}: {' '.join(reason.split())}")
        self.path = path
        self.reason = reason


class VolumeError(VoidscopeError):
    """An array is not a usable scan (wrong number of axes, constant, only NaN, impossible spacing)."""


class LabelError(VoidscopeError):
    """A label mask does not fit its scan or holds ids the class map does not know."""


class UnknownIds(LabelError):
    """Ids in a label file that no class has; `found` says which, without the way out, which is another in the window."""

    def __init__(self, found: str) -> None:
        super().__init__(f"{found} Name them with --map ID=CLASS in a terminal.")
        self.found = found


class ProjectError(VoidscopeError):
    """The project folder cannot be opened, read or written, or lacks what was asked for."""


class ConfigError(VoidscopeError):
    """A setting is unknown, of the wrong type or out of its bounds."""


class NotReady(VoidscopeError):
    """A step was asked for before the step it needs; the text says which step comes first."""


class JobFailed(VoidscopeError):
    """A running job stopped with an error; carries the reason in one line."""


class StaleResult(VoidscopeError):
    """A finished job's result belongs to a model or labelled set that is no longer current; it was not kept."""


class Refused(VoidscopeError):
    """An act that would make things worse; the text says how a person who means it insists."""
