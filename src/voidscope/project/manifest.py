"""``project.json``: what a project is made of, readable by people, with a schema version."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voidscope.config import Config
from voidscope.errors import ProjectError, named
from voidscope.project.atomic import explained, read_json, write_json
from voidscope.project.label_files import now
from voidscope.project.scans import ScanRecord

SCHEMA = 1
"""Version of the project folder's layout that this voidscope writes."""
MOST_NAMED = 3
"""So many projects beneath a folder are named."""


class Manifest(BaseModel):
    """Contents of ``project.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA
    created: str = Field(default_factory=now)
    voidscope: str = Field(default_factory=lambda: package_version("voidscope"))
    classes: list[dict[str, Any]]
    config: Config = Config()
    scans: tuple[ScanRecord, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a project's manifest; raises `ProjectError` for none, a damaged or a newer one."""
        path = folder / "project.json"
        if not path.is_file():
            raise ProjectError(no_project(folder, f"Make one with: voidscope create {folder}"))
        tree = read_json(path)
        found = tree.get("schema_version")
        if isinstance(found, int) and found > SCHEMA:
            raise ProjectError(
                f"{folder} was written by a newer voidscope (layout {found}, this one knows {SCHEMA}). Update voidscope."
            )
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(p) for p in first["loc"])
            raise ProjectError(
                f"{path} is damaged at {where}: {first['msg']}. Restore it from a backup."
            ) from error

    def write(self, folder: Path) -> None:
        """Replace ``project.json`` in one step."""
        write_json(folder / "project.json", self.model_dump(mode="json"))


def still_there(folder: Path) -> Path:
    """A project's folder that something is about to be written into; raises `ProjectError` where it was moved, renamed or deleted
    since it was opened, for nobody would find what is written into a new one of its name.
    """
    with explained(folder):
        if not (folder / "project.json").is_file():
            raise ProjectError(
                f"The project folder {folder} is not there any more; nothing was written. Bring it back, or open it where it is now."
            )
    return folder


def package_version(name: str) -> str:
    """Installed version of a distribution, or ``unknown``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def no_project(folder: Path, otherwise: str) -> str:
    """That a folder is no project, and which are directly beneath it; where none is, `otherwise`."""
    beneath = sorted(path.parent.name for path in folder.glob("*/project.json"))
    if not beneath:
        way_out = otherwise
    elif len(beneath) == 1:
        way_out = f"Its subfolder {beneath[0]} is one: open that."
    else:
        way_out = f"Its subfolders {named(beneath, MOST_NAMED)} are: open one of them."
    return f"{folder} is not a voidscope project (no project.json). {way_out}"
