"""What this machine is to be used as: a device and a number of threads that a person prefers, whatever the project.

Both are environment variables, so that a shell, a cluster's job script and napari's Preferences can set them, and the
processes that trainings run in inherit them. A project whose `device` names one decides for itself.
"""

from __future__ import annotations

import os

from voidscope.errors import ConfigError

DEVICE, THREADS = "VOIDSCOPE_DEVICE", "VOIDSCOPE_THREADS"
"""Names of the variables: auto, cpu, cuda or mps; threads of the CPU, 0 or nothing for as many as torch takes."""


def preferred_device() -> str:
    """What ``device=auto`` means here; ``auto`` where nobody said."""
    return os.environ.get(DEVICE, "").strip() or "auto"


def preferred_threads() -> int:
    """How many threads torch is to use on the CPU; 0 where nobody said.

    Raises
    ------
    ConfigError : the variable is set to something that is no number of threads.
    """
    text = os.environ.get(THREADS, "").strip() or "0"
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(f"{THREADS}={text!r} is no number of threads; write e.g. 4, or 0 for all.")
    return int(text)
