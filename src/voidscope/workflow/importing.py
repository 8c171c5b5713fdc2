"""The labels of a whole scan out of a file, read and made ready on a worker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from voidscope.errors import LabelError, UnknownIds
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Imported, Project
from voidscope.project.drafting import Made
from voidscope.project.importing import label_masks, store_imported
from voidscope.vocabulary import UNLABELLED_IN_FILES, Provenance, SliceKey
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
        if len(classes) > 2 and ids.size and ids.min() >= 0 and ids.max() <= 1:
            raise LabelError(
                f"{path} holds nothing but 0 and 1, as a mask of one class does; which class 1 is, it does not say. Save it in the ids of the "
                f"classes, or name them in a terminal: voidscope label {project.path} --from {path} --scan {scan} --map 0=CLASS,1=CLASS."
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
