"""``dataset.json``: what a person says of a dataset's classes, spacing and test scans."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError

from voidscope.errors import CannotReadFile, ConfigError
from voidscope.vocabulary import ClassMap
from voidscope.volume.guarding import guarded

EXAMPLE = '{"classes": [{"id": 0, "name": "background"}, {"id": 3, "name": "void"}], "spacing_um": [1, 1, 1]}'


class ClassEntry(BaseModel):
    """One class: the id it has in the label files, its name, and optionally its role and colour."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    id: int
    name: str
    role: str | None = None
    colour: str | None = None


class Description(BaseModel):
    """What ``dataset.json`` says; other keys are left alone, unless one is nearly a known one."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="allow")

    classes: tuple[ClassEntry, ...] | None = None
    spacing_um: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    test: tuple[str, ...] | None = None

    @property
    def class_map(self) -> ClassMap:
        """The classes in the order they are listed, HBM's where none are; raises `ConfigError` for contradictions."""
        if self.classes is None:
            return ClassMap.hbm()
        return ClassMap.from_entries(entry.model_dump() for entry in self.classes)


def _check_spelling(described: Description) -> None:
    """Refuse a key that is a slip of the pen: what stands under it would not count, and nobody would know."""
    for part in (described, *(described.classes or ())):
        for key in part.model_extra or ():
            for meant in get_close_matches(key.lower(), type(part).model_fields, n=1, cutoff=0.75):
                if abs(len(key) - len(meant)) <= 1:
                    raise ConfigError(
                        f"there is no {key!r}; write {meant!r}{', in µm' * meant.endswith('_um')}."
                    )


def read_description(path: Path) -> Description | None:
    """Read ``dataset.json``, None where there is none; raises `CannotReadFile` naming the wrong entry."""
    if not path.is_file():
        return None
    with guarded(path):
        text = path.read_bytes()
    try:
        described = Description.model_validate_json(text)
        _ = described.class_map  # contradictions are told now, with the name of the file
        _check_spelling(described)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise CannotReadFile(path, f"{where}: {first['msg']}. Write it like {EXAMPLE}.") from error
    except ConfigError as error:
        raise CannotReadFile(path, str(error)) from error
    return described
