"""Measuring a mask or label file without a project, so that its report can be repeated from that file alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.errors import LabelError, NotReady, ProjectError, named
from voidscope.metrology import Report, doubted, measure_scan, units_doubted
from voidscope.project import fingerprint, fingerprint_method, parse_map
from voidscope.project.masks import mask_sha256
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing, read_label_file, read_scan
from voidscope.workflow.recording import (
    UNKNOWN,
    Occasion,
    command_of,
    commit_of_now,
    identified,
    recipe_facts,
)
from voidscope.workflow.snapshot import made_with

TYPED_IN = "typed in"
"""Source of a spacing, or of what ids mean, that a person gave."""
ASSUMED = "assumed: the ids of the hbm scheme"
"""Source of what ids mean where nobody said it."""
SPACING_DIGITS = 1e-3
"""Spacings that differ by a smaller share are one, written with fewer digits."""


@dataclass(frozen=True)
class MaskFile:
    """A mask or label file and what a person says of it.

    Attributes
    ----------
    path : of the file
    spacing_um : (z, y, x), in place of what the file says; None where nobody gave one
    file_map : which id is which class, as ``--map`` has it; empty for the ids of the hbm scheme
    """

    path: Path
    spacing_um: Spacing | None = None
    file_map: str = ""

    @classmethod
    def told(cls, provenance: Mapping[str, Any]) -> MaskFile | None:
        """The file that a report was measured from, by its provenance; None of a report of a project, or an older version's."""
        path, scans = provenance.get("mask"), provenance.get("scans")
        if not isinstance(path, str) or not isinstance(scans, Mapping):
            return None
        facts = scans.get(Path(path).stem)
        if not isinstance(facts, Mapping):
            return None
        typed = facts.get("spacing_um") if facts.get("spacing_source") == TYPED_IN else None
        try:
            z_y_x = None if typed is None else (float(typed[0]), float(typed[1]), float(typed[2]))
        except (LookupError, TypeError, ValueError):  # edited by hand
            return None
        said = "" if provenance.get("map_source") == ASSUMED else str(provenance.get("map", ""))
        return cls(Path(path), z_y_x, said)

    def words(self) -> list[str]:
        """The command-line options that say the same."""
        spacing = [] if self.spacing_um is None else ["--spacing", ",".join(map(repr, self.spacing_um))]
        return ["--mask", str(self.path), *spacing, *(["--map", self.file_map] if self.file_map else [])]


def measure_file(mask: MaskFile, recipe: MeasureConfig, occasion: Occasion) -> Report:
    """Measure a mask file; its report names the file, its hash, the spacing and its source, what its ids mean, and the command that repeats it.

    Where nobody said what the ids mean no bump passes: its void may have another id. Nor does who repeats it by the command.

    Raises
    ------
    NotReady : the file is gone, or nobody knows its spacing.
    LabelError : it holds an id that is no class.
    """
    path = mask.path.resolve()
    if not path.is_file():
        raise NotReady(f"The mask file {path} is not there, so it cannot be measured. Put it back there.")
    mask = MaskFile(path, mask.spacing_um, mask.file_map)
    ids, classes, named = read_label_file(path), *_classes(mask.file_map)
    in_file = read_scan(path).spacing_um
    try:
        found = classes.from_file(ids, named)
    except LabelError as error:
        raise LabelError(f"{path}: {error}") from error
    measured = measure_scan(found, classes, mask.spacing_um or in_file, recipe, path.stem)
    assumed = ",".join(f"{c.file_id}={c.name}" for c in classes.classes)
    if not mask.file_map:
        doubt = _unsaid(ids, found, classes, assumed)
        measured = doubted(measured, f"{doubt}; say what each id is, e.g. --map {assumed}", of_pass=True)
    told = fingerprint(path)
    facts = {
        "file": str(path), "fingerprint": told, "hashed": fingerprint_method(told), "spacing_um": list(measured.spacing_um),
        "spacing_source": "file" if mask.spacing_um is None else TYPED_IN,
    }  # fmt: skip
    provenance = made_with() | occasion.entry() | recipe_facts(recipe) | {
        "mask": str(path), "map": mask.file_map or assumed, "map_source": TYPED_IN if mask.file_map else ASSUMED,
        "warnings": [*_spacings_apart(mask.spacing_um, in_file), *units_doubted([measured])], "scans": {path.stem: facts},
        "masks_sha256": {path.stem: mask_sha256(found)},
        "command": command_of(mask.words(), recipe, occasion), "git_commit": commit_of_now() or UNKNOWN,
    }  # fmt: skip
    return Report((measured,), identified(provenance))


def _classes(file_map: str) -> tuple[ClassMap, Mapping[int, str] | None]:
    """The classes of a file, and the name of each of its ids where they are mapped."""
    if not file_map:
        return ClassMap.hbm(), None
    mapping = parse_map(file_map)
    first = {n: i for i, n in reversed(mapping.items()) if n != "unlabelled"}  # several ids may be one class
    entries = [{"id": i, "name": n} for n, i in sorted(first.items(), key=lambda item: item[1])]
    return ClassMap.from_entries(entries), {i: n.partition(":")[0] for i, n in mapping.items()}


def _unsaid(ids: npt.NDArray[Any], found: Mask, classes: ClassMap, assumed: str) -> str:
    """Why nothing passes whose void may have another id than the one that was assumed."""
    there = named(str(v) for v in np.unique(ids).tolist())
    void_ids = classes.ids_with_role(Role.VOID)
    if np.isin(found, void_ids).any():
        return f"nobody said what the ids mean (there: {there}): they were taken to be {assumed}"
    taken = " or ".join(f"{c.file_id} ({c.name})" for c in classes.classes if c.role is Role.VOID)
    return f"nobody said which id is the void: it was taken to be {taken}, which no voxel has (ids there: {there})"


def _spacings_apart(typed: Spacing | None, in_file: Spacing | None) -> list[str]:
    """That a file says another voxel size than was typed in."""
    if typed is None or in_file is None or np.allclose(typed, in_file, rtol=SPACING_DIGITS, atol=0):
        return []
    one, two = (", ".join(f"{v:g}" for v in s) for s in (in_file, typed))
    return [f"the file says a spacing of {one} µm (z, y, x); measured with {two} µm, as typed in"]


def mask_file_of(provenance: Mapping[str, Any]) -> MaskFile:
    """As `MaskFile.told`; raises `ProjectError` where the report does not tell how to measure the file again."""
    found = MaskFile.told(provenance)
    if found is None:
        raise ProjectError(
            f"The report of the mask file {provenance.get('mask')} does not say how it was measured, as an older version wrote it. "
            "Measure the file again."
        )
    return found
