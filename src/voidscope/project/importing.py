"""Labels from elsewhere: a label file of a scan, or a dataset's truth answering the queue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from voidscope.errors import ConfigError, LabelError
from voidscope.project.drafting import Made
from voidscope.project.project import Project
from voidscope.project.scans import ScanRecord, fingerprint
from voidscope.vocabulary import ClassMap, Mask, Provenance, SliceKey
from voidscope.volume import Dataset, measure_intensity, slice_index

MOST_SLICES = 1_000_000
"""More than any scan has; a range beyond would fill the memory before anybody looked for its slices."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: slices that now carry the imported label, and those whose own label was kept.

    Of the `labelled`, those `same` had just this label before, and those `replaced` another.
    """

    labelled: tuple[SliceKey, ...]
    kept: tuple[SliceKey, ...]
    same: tuple[SliceKey, ...] = ()
    replaced: tuple[SliceKey, ...] = ()


def import_labels(
    project: Project, scan: str, ids: npt.NDArray[np.generic], *, slices: Sequence[int] | None = None,
    file_map: Mapping[int, str] | None = None, overwrite: bool = False, author: str = "",
) -> Imported:  # fmt: skip
    """Label slices of a scan from an array (z, y, x) of file ids on the scan's own grid.

    Nothing is written unless everything fits. A slice a person drew or accepted keeps its label unless
    `overwrite`. `slices` counts along the scan's plane; None means all.

    Raises
    ------
    LabelError : another shape than the scan, or ids that neither the class map nor `file_map` names.
    """
    chosen = [SliceKey(scan, i) for i in (range(project.scan(scan).n_slices) if slices is None else slices)]
    for key in chosen:
        project.slice_shape(key)
    masks = dict(label_masks(project.scan(scan), project.classes, ids, chosen, file_map))
    return store_imported(project, masks, overwrite, author)


def label_masks(
    record: ScanRecord, classes: ClassMap, ids: npt.NDArray[np.generic], keys: Iterable[SliceKey], file_map: Mapping[int, str] | None = None
) -> Iterator[tuple[SliceKey, Mask]]:  # fmt: skip
    """The labels of some slices of a scan in class ids, out of an array (z, y, x) of file ids; on any thread. Raises as `import_labels`."""
    if ids.shape != record.shape:
        raise LabelError(
            f"The labels of {record.name} are {ids.shape}; the scan is {record.shape}. Export them on the scan's own grid."
        )
    for key in keys:
        yield key, classes.from_file(ids[slice_index(record.plane, key.index)], file_map)


def answer_suggestions(project: Project, dataset: Dataset, *, overwrite: bool = False) -> Imported:
    """Label every suggested slice from the dataset's truth: the oracle of the active-learning loop."""
    keys = [s.key for s in project.suggestions]
    if not keys:
        raise LabelError(f"The queue of {project.name} is empty; run suggest first.")
    return import_truth(project, dataset, keys, overwrite=overwrite)


def import_truth(
    project: Project, dataset: Dataset, keys: Iterable[SliceKey], *, overwrite: bool = False
) -> Imported:
    """Label these slices from the dataset's truth."""
    truths: dict[str, Mask] = {}
    masks: dict[SliceKey, Mask] = {}
    for key in keys:
        project.slice_shape(key)
        if key.scan not in truths:
            truths[key.scan] = project_truth(project, dataset, key.scan)
        masks[key] = truths[key.scan][slice_index(project.scan(key.scan).plane, key.index)]
    return store_imported(project, masks, overwrite, author="dataset truth")


def project_truth(project: Project, dataset: Dataset, scan: str) -> Mask:
    """A scan's truth (z, y, x) in the project's class ids; raises `LabelError` when it does not fit the scan, or is another's."""
    return truth_of(dataset, project.scan(scan), project.classes)


def truth_of(dataset: Dataset, record: ScanRecord, classes: ClassMap) -> Mask:
    """`project_truth` apart from the project, for a job's steps."""
    table = np.array([0, *(classes.id_of(n) for n in dataset.classes.names)], dtype=np.uint8)
    truth: Mask = table[dataset.truth(record.name)]
    if truth.shape != record.shape:
        raise LabelError(
            f"The truth of {record.name} is {truth.shape}; the scan is {record.shape}. Export it on the scan's own grid."
        )
    _check_same(dataset, record)
    return truth


def _check_same(dataset: Dataset, record: ScanRecord) -> None:
    """Refuse the truth of another scan that has this one's name and shape; the same grey levels in another file are the same scan."""
    path = dataset.scan(record.name).path
    if (
        fingerprint(path) == record.fingerprint
        or measure_intensity(dataset.volume(record.name)) == record.intensity
    ):
        return
    raise LabelError(
        f"{path} holds other data than {record.name} in this project, though name and shape are the same; its truth is not that "
        f"scan's. Take the dataset that the scan was added from, or import the labels: voidscope label PROJECT --from FILE --scan {record.name}"
    )


def parse_slices(text: str) -> list[int]:
    """Slice numbers from ``3,10-20`` (both ends included); raises `ConfigError` for anything else."""
    numbers: list[int] = []
    for word in text.split(","):
        first, dash, last = word.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ConfigError(f"{text!r} names no slices; write numbers and ranges, e.g. 3,10-20.")
        if max(int(first), int(last or 0)) >= MOST_SLICES:
            raise ConfigError(
                f"{word.strip()!r} goes beyond any scan; slices run from 0 to {MOST_SLICES - 1:,}."
            )
        numbers += range(int(first), int(last if dash else first) + 1)
    if not numbers:
        raise ConfigError(f"{text!r} names no slices; a range runs from low to high, e.g. 10-20.")
    return sorted(set(numbers))


def parse_map(text: str) -> dict[int, str]:
    """File id -> class name from ``0=background,3=void``; raises `ConfigError` for anything else."""
    pairs: dict[int, str] = {}
    for word in text.split(","):
        number, equals, name = word.strip().partition("=")
        if not equals or not number.strip().isdigit() or not name.strip():
            raise ConfigError(f"{text!r} maps no ids; write ID=CLASS pairs, e.g. 0=background,3=void.")
        if pairs.setdefault(int(number), name.strip()) != name.strip():
            raise ConfigError(
                f"{text!r} says two things of id {int(number)}: {pairs[int(number)]} and {name.strip()}; leave one."
            )
    return pairs


def store_imported(
    project: Project, masks: Mapping[SliceKey, Mask], overwrite: bool, author: str,
    ahead: Mapping[SliceKey, Made] = MappingProxyType({}),
) -> Imported:  # fmt: skip
    """Give slices their imported labels as one step of undo; what a person drew or accepted is kept unless `overwrite`, and
    so is any label of a slice of which the masks say nothing.

    What was made `ahead` of them is as in `Labels.put_all`.
    """
    own = {
        k
        for k in masks
        if k in project.labels and project.labels.record(k).provenance is not Provenance.IMPORTED
    }
    kept = set() if overwrite else own
    labels = project.labels
    new = {k: m for k, m in masks.items() if k not in kept and (overwrite or m.any())}
    before = {k: labels.record(k) for k in new if labels.holds(k)}
    labels.put_all(new, Provenance.IMPORTED, author, ahead=ahead)
    labelled = tuple(sorted(k for k, m in new.items() if m.any()))
    same = tuple(k for k in labelled if labels.record(k).says_as(before.get(k)))
    replaced = tuple(k for k in labelled if k in before and k not in same)
    return Imported(labelled, tuple(sorted(kept)), same, replaced)
