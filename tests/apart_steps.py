"""Steps that another process can find by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from voidscope.errors import NotReady
from voidscope.jobs import Progress, Steps


def counting(n: int) -> Steps[tuple[int, int, int]]:
    """Counts to n; returns n, the process's number and its niceness."""
    os.write(1, b"a library that prints disturbs nothing")
    for k in range(n):
        yield Progress(k + 1, n, f"at {k + 1}", partial=k)
    return n, os.getpid(), os.nice(0) if hasattr(os, "nice") else 0


def many(n: int) -> Steps[int]:
    """Progress faster than anybody can draw it."""
    for k in range(n):
        yield Progress(k + 1, n)
    return n


def refusing() -> Steps[int]:
    """Refuses."""
    yield Progress(0, 1)
    raise NotReady("label some slices first")


def breaking() -> Steps[int]:
    """What nobody foresaw."""
    yield Progress(0, 1)
    raise KeyError("oops")


def struck(signal_number: int) -> Steps[int]:
    """Ends itself as the system would."""
    yield Progress(1, 2, "half way")
    sys.stderr.write("the last words of a driver\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal_number)
    time.sleep(30)
    return 0


def struck_on(signal_number: int) -> Steps[str]:
    """Goes on though it was told to end."""
    yield Progress(0, 1)
    os.kill(os.getpid(), signal_number)
    time.sleep(0.1)
    return "went on"


def killed() -> Steps[int]:
    """Ends as the kernel ends a process when memory runs out."""
    return (yield from struck(signal.SIGKILL))


def endless(sign: Path) -> Steps[int]:
    """One progress with the process's number, then a batch that never ends; the sign is written until it is stopped."""
    yield Progress(1, 2, str(os.getpid()))
    while True:
        sign.write_text(str(time.monotonic()))
        time.sleep(0.02)
