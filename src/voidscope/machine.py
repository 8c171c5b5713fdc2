"""What this machine is to be used as: a device and a number of threads that a person prefers, whatever the project.

Both are environment variables, so that a shell, a cluster's job script and napari's Preferences can set them, and the
processes that trainings run in inherit them. A project whose `device` names one decides for itself.
"""

from __future__ import annotations

import os

from voidscope.errors import ConfigError

DEVICE, THREADS = "VOIDSCOPE_DEVICE", "VOIDSCOPE_THREADS"
"""Names of the variables: auto, cpu, cuda or mps; threads of the CPU, 0 or nothing for as many as torch takes."""
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
"""CUDA's own variable for the GPUs that a process sees: numbers or UUIDs between commas; all where nobody said."""
GPU_SHARE = "VOIDSCOPE_GPU_SHARE"
"""Name of the variable for the share of a GPU's memory that a process may take, above 0 to 1; for processes side by side."""


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


def gpu_share() -> float:
    """The share of a GPU's memory that this process may take; 1 where nobody said.

    Raises
    ------
    ConfigError : the variable is set to something that is no share.
    """
    text = os.environ.get(GPU_SHARE, "").strip() or "1"
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ConfigError(
            f"{GPU_SHARE}={text!r} is no share of a GPU's memory; write e.g. 0.25, or 1 for all."
        )
    return share
