"""Reading what a window is to show, which must not wait for it."""

from __future__ import annotations

from contextlib import suppress

from voidscope.errors import VoidscopeError
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Project, StoredLabel
from voidscope.vocabulary import Mask
from voidscope.volume import slice_index
from voidscope.workflow.snapshot import current_cycle

Labelled = list[tuple[StoredLabel, Mask]]
Masked = tuple[str, Mask | None]
"""Of which model a mask is."""


def open_scan(
    project: Project, scan: str, *, masked: bool = False
) -> Job[tuple[Labelled, Masked | None], None]:
    """Open a scan and have in memory what a look at its slices unpacks (`Memory.is_at_hand`) and its labels (`Labels.unread`);
    `masked` also the current model's mask of it, where there is one.

    Raises `ProjectError` where its file is gone or has changed.
    """
    record, opened, labels = project.scan(scan), project.memory.scan(scan), project.labels.unread(scan)
    cycle = project.cycle if masked and project.memory.held_mask(scan) is None else None
    read = project.memory.mask_reading(scan)

    def steps() -> Steps[tuple[Labelled, Masked | None]]:
        yield Progress(0, 2, "opening its file")
        voxels = opened.volume().voxels
        yield Progress(1, 2, "reading its slices")
        _ = voxels[slice_index(record.plane, record.n_slices // 2)]
        painted: Labelled = []
        for label in labels:
            yield Progress(1, 2, "reading its labels")
            painted.append((label, label.mask()))
        mask = None
        with suppress(VoidscopeError):  # told by `read_mask`: a scan can be painted on all the same
            mask = None if cycle is None else (cycle.id, read())
        return painted, mask

    def commit(found: tuple[Labelled, Masked | None]) -> None:
        painted, mask = found
        project.labels.hold(painted)
        if mask is not None:
            _hold(project, scan, *mask)

    return Job(f"Opening {scan}", steps, commit)


def read_mask(project: Project, scan: str) -> Job[Mask | None, None]:
    """Read the current model's mask of a scan into memory (`Memory.held_mask`); raises `NotReady` without a model."""
    cycle, read = current_cycle(project), project.memory.mask_reading(scan)

    def steps() -> Steps[Mask | None]:
        yield Progress(0, 1, "reading its file")
        return read()

    return Job(
        f"Showing the prediction of {scan}",
        steps,
        lambda mask: _hold(project, scan, cycle.id, mask),
    )


def _hold(project: Project, scan: str, model_id: str, mask: Mask | None) -> None:
    """Have a mask in memory, unless its scan, or the mask, was removed while it was read."""
    if scan in project.scans and project.is_segmented(scan):
        project.memory.hold_mask(model_id, scan, mask)
