"""What the dock last looked like on each project: panel, open sections, slice; a person's own, beside napari's settings.

It is no part of a project, which several people may share and some may only read.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from napari.settings import get_settings

from voidscope.errors import VoidscopeError
from voidscope.project.atomic import write_json

log = logging.getLogger(__name__)

NAME = "voidscope-dock.json"
MOST = 50
"""Projects remembered; the one not opened for longest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Look:
    """Title of the panel in view, titles of the open sections, and the slice in view."""

    panel: str = ""
    opened: tuple[str, ...] = ()
    key: str = ""


def recall(project: Path) -> Look:
    """How the dock looked on this project; the default where that is not known."""
    found = _all().get(str(project.resolve()))
    try:
        panel, opened, key = found["panel"], found["opened"], found["key"]  # type: ignore[index]
        return Look(str(panel), tuple(map(str, opened)), str(key))
    except (TypeError, KeyError):
        return Look()


def last_project() -> Path | None:
    """The project opened or closed last, where it is still there."""
    path = next(reversed(_all()), None)
    return Path(path) if path is not None and (Path(path) / "project.json").exists() else None


def remember(project: Path, look: Look) -> None:
    """Keep how the dock looks; where that cannot be written, it is forgotten without a word to the person."""
    place, known, name = _place(), _all(), str(project.resolve())
    if place is None or (next(reversed(known), None) == name and recall(project) == look):
        return
    known.pop(name, None)
    known[name] = asdict(look)
    try:
        write_json(place, dict(list(known.items())[-MOST:]))
    except VoidscopeError as error:
        log.info("the dock's look is not kept: %s", error)


def _place() -> Path | None:
    """The file, in the folder of napari's settings; None where napari keeps none."""
    path = get_settings().config_path
    return Path(path).parent / NAME if path else None


def _all() -> dict[str, object]:
    """Looks by project, the one closed last at the end; a file that is damaged or gone knows none."""
    place = _place()
    try:
        found = json.loads(place.read_text("utf-8")) if place is not None else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
