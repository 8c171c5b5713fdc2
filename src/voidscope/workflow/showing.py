"""Reading what a window is to show, which must not wait for it."""

from __future__ import annotations

from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Project
from voidscope.vocabulary import Mask
from voidscope.volume import Volume, slice_index
from voidscope.workflow.snapshot import current_cycle


def open_scan(project: Project, scan: str) -> Job[Volume, None]:
    """Open a scan and have in memory what a look at its slices unpacks (`Memory.is_at_hand`).

    Raises `ProjectError` where its file is gone or has changed.
    """
    record, folder = project.scan(scan), project.path

    def steps() -> Steps[Volume]:
        yield Progress(0, 2, "opening its file")
        volume = record.open(folder)
        yield Progress(1, 2, "reading its slices")
        _ = volume.voxels[slice_index(record.plane, record.n_slices // 2)]
        return volume

    return Job(f"Opening {scan}", steps, lambda volume: project.memory.hold_volume(record, volume))


def read_mask(project: Project, scan: str) -> Job[Mask | None, None]:
    """Read the current model's mask of a scan into memory (`Memory.held_mask`); raises `NotReady` without a model."""
    cycle, read = current_cycle(project), project.memory.mask_reading(scan)

    def steps() -> Steps[Mask | None]:
        yield Progress(0, 1, "reading its file")
        return read()

    return Job(
        f"Showing the prediction of {scan}",
        steps,
        lambda mask: project.memory.hold_mask(cycle.id, scan, mask),
    )
