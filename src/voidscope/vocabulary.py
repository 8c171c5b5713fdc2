"""The words of the system: slice keys, planes, classes, roles, splits, provenance.

Class ids inside voidscope run 1..C and id 0 means *unlabelled*; background is a real class. Files written by
other tools use their own ids (`SegmentationClass.file_id`, background usually 0); `ClassMap.from_file` and
`ClassMap.to_file` are the only two places where the two meet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from voidscope.errors import ConfigError, LabelError, UnknownIds, named

UNLABELLED = 0
"""Id of a pixel about which nobody has said anything; it never enters a loss, a score or a metric."""
UNLABELLED_IN_FILES = 255
"""Id of unlabelled voxels in label files written from a layer; ``--map 255=unlabelled,...`` reads it back."""

Mask = npt.NDArray[np.uint8]
"""Class ids, (h, w) or (z, y, x); 1..C, and 0 where unlabelled."""


class Plane(StrEnum):
    """Axis along which a (z, y, x) volume is cut into slices; coronal slices lie along ``axis1``."""

    AXIS0 = "axis0"
    AXIS1 = "axis1"
    AXIS2 = "axis2"

    @property
    def axis(self) -> int:
        """Index of the axis that counts the slices."""
        return int(self.value[-1])


class Split(StrEnum):
    """Whether a scan is learnt from or only judged on; decided by scan, never by slice."""

    TRAIN = "train"
    TEST = "test"


class Role(StrEnum):
    """What a class means to the verdict."""

    BACKGROUND = "background"
    FOREGROUND = "foreground"
    VOID = "void"


class Provenance(StrEnum):
    """How a label came to be."""

    DRAWN = "drawn"
    ACCEPTED = "accepted"
    PROPAGATED = "propagated"
    IMPORTED = "imported"


@dataclass(frozen=True, order=True, slots=True)
class SliceKey:
    """Which slice: scan name and index along the scan's plane; ordered, printed ``scan07/0042``."""

    scan: str
    index: int

    def __str__(self) -> str:
        return f"{self.scan}/{self.index:04d}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``scan07/0042`` back into a key; raises `ConfigError` for anything else."""
        scan, _, index = text.rpartition("/")
        if not scan or not index.isdigit():
            raise ConfigError(f"{text!r} is not a slice key; write scan/index, e.g. scan07/0042.")
        return cls(scan, int(index))


@dataclass(frozen=True, slots=True)
class SegmentationClass:
    """One class: its name, role, display colour ``#rrggbb`` and the id it has in label files."""

    name: str
    role: Role
    colour: str
    file_id: int

    @property
    def rgb(self) -> tuple[float, float, float]:
        """The colour's red, green and blue, each 0 to 1."""
        r, g, b = (int(self.colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
        return r, g, b


ROLE_OF = {"background": "background", **dict.fromkeys(("void", "voids", "pore", "pores"), "void")}
"""Name of a class -> its role where nobody gives one; all others are foreground."""
MANY_IDS = 32
"""A file with more unknown ids than this is hardly a mask."""

COLOURS = (
    "#5b6770", "#e69f00", "#56b4e9", "#d7263d", "#009e73", "#cc79a7", "#f0e442", "#0072b2",
    "#703030", "#107010", "#10f0f0", "#1010b0", "#b0b070", "#d0b0b0", "#503050", "#d0f0d0",
)  # fmt: skip
"""Class colours, told apart by colour-blind readers: eight based on Okabe and Ito's, eight as far from these and each other as
was found; void is the strongest of them."""


@dataclass(frozen=True, slots=True)
class ClassMap:
    """The classes of a project in order; the class at position k has id k + 1 (0 is unlabelled)."""

    classes: tuple[SegmentationClass, ...]

    def __post_init__(self) -> None:
        names = [c.name for c in self.classes]
        file_ids = [c.file_id for c in self.classes]
        if len(self.classes) < 2:
            raise ConfigError(f"A class map needs at least two classes, got {names}; add e.g. background.")
        if len(set(names)) < len(names) or len(set(file_ids)) < len(file_ids):
            raise ConfigError(
                f"Class names and ids must be unique, got {dict(zip(names, file_ids, strict=True))}."
            )
        if len(self.classes) > 254 or not all(0 <= i <= 65535 for i in file_ids):
            raise ConfigError(f"At most 254 classes with file ids 0..65535 are possible, got ids {file_ids}.")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in id order."""
        return tuple(c.name for c in self.classes)

    def id_of(self, name: str) -> int:
        """Id 1..C of the class called `name`; raises `ConfigError` naming the known ones."""
        if name not in self.names:
            raise ConfigError(f"There is no class {name!r}; this project has {', '.join(self.names)}.")
        return self.names.index(name) + 1

    def ids_with_role(self, role: Role) -> tuple[int, ...]:
        """Ids of all classes with this role."""
        return tuple(k for k, c in enumerate(self.classes, start=1) if c.role is role)

    @property
    def body_ids(self) -> tuple[int, ...]:
        """Ids of all that is foreground, void included."""
        return *self.ids_with_role(Role.FOREGROUND), *self.ids_with_role(Role.VOID)

    @property
    def doubt(self) -> str:
        """What keeps these classes from a void ratio, as a sentence; empty where nothing does."""
        if not self.ids_with_role(Role.VOID):
            return f"None of the classes {', '.join(self.names)} is a void, so nothing can be measured; if one of them is, make the project anew and say which, e.g. {self.names[-1]}:void."
        if not self.ids_with_role(Role.FOREGROUND):
            return "Beside background there is only void: it is all of the foreground, whatever is found; make the project anew with what holds it, e.g. solder."
        return ""

    def from_file(self, ids: npt.NDArray[np.generic], file_map: Mapping[int, str] | None = None) -> Mask:
        """Translate the ids of a label file into class ids.

        Parameters
        ----------
        ids : integer or boolean array, any shape
        file_map : file id -> class name (or ``"unlabelled"``); the class map's own file ids when None.

        Raises
        ------
        LabelError : the array holds ids that the map does not name.
        """
        if not (np.issubdtype(ids.dtype, np.integer) or ids.dtype == np.bool_):
            raise LabelError(f"Labels must be whole-number class ids, got {ids.dtype}; save them as uint8.")
        ids = (
            ids.view(np.uint8) if ids.dtype == np.bool_ else ids
        )  # as an index, booleans would choose instead
        table = self._table(file_map)
        if not table:
            raise LabelError("The map names no ids; name at least one with --map ID=CLASS.")
        low, high = (int(ids.min()), int(ids.max())) if ids.size else (0, 0)
        if low < 0 or high > max(table):
            raise self._unknown_ids(np.unique(ids), table)
        targets = np.zeros(max(table) + 1, np.uint8)
        is_known = np.zeros(targets.size, bool)
        targets[list(table)], is_known[list(table)] = list(table.values()), True
        if not is_known.all() and not is_known[ids].all():
            raise self._unknown_ids(np.unique(ids), table)
        mask: Mask = targets[ids]
        return mask

    def _unknown_ids(self, present: npt.NDArray[np.generic], table: Mapping[int, int]) -> UnknownIds:
        unknown = [int(v) for v in present.tolist() if v not in table]
        some = ", ".join(f"{k}={self._name(v)}" for k, v in sorted(table.items()))
        image = " It looks like an image, not a mask." if len(unknown) > MANY_IDS else ""
        return UnknownIds(f"Unknown label ids {named(unknown)}; the ids named are {some}.{image}")

    def to_file(self, mask: Mask, unlabelled: int | None = None) -> npt.NDArray[np.uint8 | np.uint16]:
        """Translate class ids 1..C into the ids used in label files; `unlabelled` is the id of voxels nobody labelled.

        Raises `LabelError` where voxels are unlabelled and no id, or that of a class, is given for them.
        """
        file_ids = [c.file_id for c in self.classes]
        if mask.size and mask.min() == UNLABELLED and unlabelled in (None, *file_ids):
            raise LabelError(
                f"{int((mask == UNLABELLED).sum())} voxels are unlabelled; a mask file names a class everywhere."
            )
        ids = [unlabelled or 0, *file_ids]
        dtype = np.uint8 if max(ids) < 256 else np.uint16
        table: npt.NDArray[np.uint8 | np.uint16] = np.array(ids, dtype=dtype)
        return table[mask]

    def _table(self, file_map: Mapping[int, str] | None) -> dict[int, int]:
        if file_map is None:
            return {c.file_id: k for k, c in enumerate(self.classes, start=1)}
        return {i: UNLABELLED if n == "unlabelled" else self.id_of(n) for i, n in file_map.items()}

    def _name(self, class_id: int) -> str:
        return "unlabelled" if class_id == UNLABELLED else self.names[class_id - 1]

    @classmethod
    def hbm(cls) -> Self:
        """The classes of HBM micro-bumps: background, copper pillar, solder, void, copper pad (file ids 0..4)."""
        return cls.from_names(["background", "copper_pillar", "solder", "void", "copper_pad"])

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Self:
        """Classes from ``name`` or ``name:role`` words in file-id order 0, 1, 2 ...; roles are read off the names."""
        return cls.from_entries({"id": i, "name": n} for i, n in enumerate(names))

    @classmethod
    def from_words(cls, text: str) -> Self:
        """Classes from ``hbm`` or a comma-separated list of ``name`` or ``name:role``."""
        return cls.hbm() if text.strip() == "hbm" else cls.from_names(text.split(","))

    @classmethod
    def from_entries(cls, entries: Iterable[Mapping[str, object]]) -> Self:
        """Classes from ``{"id", "name", "role"?, "colour"?}`` mappings, as in ``dataset.json``."""
        found = [_class_from_entry(entry) for entry in entries]
        colours = _default_colours([c.role for c in found])
        return cls(tuple(replace(c, colour=c.colour or own) for c, own in zip(found, colours, strict=True)))

    def recoloured(self) -> Self:
        """The same classes in voidscope's own colours, which colour-blind readers tell apart (sixteen of them at most)."""
        plain = [{**entry, "colour": None} for entry in self.entries()]
        return type(self).from_entries(plain)

    def entries(self) -> list[dict[str, object]]:
        """The inverse of `from_entries`."""
        return [
            {"id": c.file_id, "name": c.name, "role": c.role.value, "colour": c.colour} for c in self.classes
        ]


def _class_from_entry(entry: Mapping[str, object]) -> SegmentationClass:
    """A class as an entry says it; without a colour where the entry says none."""
    name, _, role = str(entry["name"]).strip().partition(":")
    role = str(entry.get("role") or role) or ROLE_OF.get(name.lower(), "foreground")
    if not re.fullmatch(r"[\w .()+-]+", name) or name == "unlabelled":
        raise ConfigError(f"{name!r} cannot be a class name; use letters, digits, spaces, _ . ( ) + -.")
    if role not in [r.value for r in Role]:
        raise ConfigError(f"Class {name!r} has role {role!r}; roles are background, foreground, void.")
    colour = str(entry.get("colour") or "")
    if not re.fullmatch("(#[0-9a-fA-F]{6})?", colour):
        raise ConfigError(f"Class {name!r} has colour {colour!r}; write it as #rrggbb, e.g. #d7263d.")
    return SegmentationClass(name, Role(role), colour, int(str(entry["id"])))


def _default_colours(roles: Sequence[Role]) -> list[str]:
    """A colour for each class: the strongest for the first void, else by position; no two alike among sixteen."""
    void = roles.index(Role.VOID) if Role.VOID in roles else None
    others = [c for k, c in enumerate(COLOURS) if k != 3]
    others.append(COLOURS[3] if void is None else others[void % len(others)])  # the one that nobody has
    return [COLOURS[3] if k == void else others[k % len(others)] for k in range(len(roles))]
