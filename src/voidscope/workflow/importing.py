"""The labels of a whole scan out of a file, read and made ready on a worker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voidscope.errors import LabelError, UnknownIds
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Imported, Project
from voidscope.project.drafting import Made
from voidscope.project.importing import label_masks, store_imported
from voidscope.vocabulary import UNLABELLED_IN_FILES, Plane, Provenance, SliceKey
from voidscope.volume import read_label_file


def import_label_file(project: Project, scan: str, path: Path) -> Job[Mapping[SliceKey, Made], Imported]:
    """Label a scan from a file on its own grid, in the class map's file ids, 255 being unlabelled where no class has it; one step of undo.

    A slice that a person drew or accepted keeps its label, one of which the file says nothing is left as it is.

    Raises
    ------
    CannotReadFile, LabelError : while it runs, see `read_label_file` and `import_labels`.
    """
    record, classes, desk = project.scan(scan), project.classes, project.labels.desk()
    names = {c.file_id: c.name for c in classes.classes}
    meant = {UNLABELLED_IN_FILES: "unlabelled"} | names
    keys = [SliceKey(scan, index) for index in range(record.n_slices)]

    def steps() -> Steps[Mapping[SliceKey, Made]]:
        yield Progress(0, len(keys), f"reading {path.name}")
        ids, made = read_label_file(path), dict[SliceKey, Made]()
        if len(classes) > 2 and (two := _binary(ids, record.plane, names)):
            raise LabelError(
                f"{path} holds nothing but 0 and {two}, as a mask of one class does; which class {two} is, it does not say. Save it in the ids of "
                f"the classes, or name them in a terminal: voidscope label {project.path} --from {path} --scan {scan} --map 0=CLASS,{two}=CLASS."
            )
        try:
            for key, mask in label_masks(record, classes, ids, keys, meant):
                if mask.any():
                    made[key] = desk.labelled(key, mask, (Provenance.IMPORTED, False, False))
                yield Progress(key.index + 1, len(keys), f"labels of {key}")
        except UnknownIds as error:
            raise LabelError(f"{path}: {error.found} Save the labels in these ids.") from error
        except LabelError as error:
            raise LabelError(f"{path}: {error}") from error
        if not made:
            raise LabelError(f"{path} labels no voxel of {scan}: all of its ids are {UNLABELLED_IN_FILES}.")
        return made

    def commit(made: Mapping[SliceKey, Made]) -> Imported:
        project.labels.catch_up()
        return store_imported(project, {k: m.mask for k, m in made.items()}, False, "", made)

    return Job("Importing labels", steps, commit)


def _binary(ids: npt.NDArray[np.generic], plane: Plane, names: Mapping[int, str]) -> int:
    """The other id, 1 or 255 where that is of no class, of a mask (z, y, x) that holds no third beside it and 0; 0 where it is no such mask.

    Slices that hold nothing but 0 or nothing but 255 are labels of some slices, not such a mask.
    """
    if ids.size and ids.min() >= 0 and ids.max() <= 1:
        return 1
    two, across = UNLABELLED_IN_FILES, tuple(a for a in range(ids.ndim) if a != plane.axis)
    there = ids == two
    mixed = bool((there.any(axis=across) & ~there.all(axis=across)).any())
    return two if mixed and two not in names and bool((there | (ids == 0)).all()) else 0
