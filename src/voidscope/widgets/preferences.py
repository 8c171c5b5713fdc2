"""What a person prefers in every project, from napari's Preferences; declared in napari.yaml under `configurations`.

napari makes settings of them since 0.9 and keeps them in a file of its own; before that, and where the plugin is not
installed as one, the defaults hold. Device and threads go on as environment variables (see `voidscope.machine`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voidscope.machine import DEVICE, THREADS

AS_DRAWN, SAFE = "of the project", "colour-blind safe"
"""Choices of class colours."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences of this person on this machine; the defaults are those of napari.yaml."""

    device: str = "auto"
    threads: int = 0
    class_colours: str = AS_DRAWN
    quick_looks: bool = True
    reopen: bool = False


_SHELL = {name: os.environ.get(name) for name in (DEVICE, THREADS)}
"""What the variables said when the program was started: it holds wherever nothing else is preferred."""


def preferences() -> Preferences:
    """What is preferred now."""
    settings = _settings()
    if settings is None:
        return Preferences()
    machine, window = settings.machine, settings.window
    return Preferences(
        machine.device, machine.threads, window.class_colours, window.quick_looks, window.reopen
    )


def listen(listener: Callable[..., None], on: bool = True) -> None:
    """Tell `listener` of every change of a preference, or no longer."""
    settings = _settings()
    for section in (settings.machine, settings.window) if settings is not None else ():
        (section.events.connect if on else section.events.disconnect)(listener)


def put_in_force(preferred: Preferences) -> None:
    """Let this process, and those it starts, use the device and the threads preferred."""
    wanted = {
        DEVICE: preferred.device if preferred.device != "auto" else None,
        THREADS: str(preferred.threads) if preferred.threads else None,
    }
    for name, value in wanted.items():
        said = _SHELL[name] if value is None else value
        if said is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = said


def _settings() -> Any:
    try:
        from napari.settings import get_plugin_settings
    except ImportError:  # napari < 0.9 shows no preferences of plugins
        return None
    return get_plugin_settings().get("voidscope")
