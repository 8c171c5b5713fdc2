"""How sure a model was of its mask, read from the entropy that is kept beside it."""

from __future__ import annotations

from pathlib import Path

from voidscope.errors import CannotReadFile, ProjectError
from voidscope.metrology import Margins
from voidscope.vocabulary import ClassMap, Mask
from voidscope.volume import read_scan
from voidscope.volume.guarding import guarded

WAY_OUT = "Delete it, and lengths are read to the voxel."


def read_margins(folder: Path, scan: str, mask: Mask, classes: ClassMap) -> Margins | None:
    """The margins of a scan's mask (z, y, x) in a cycle folder, or None where its entropy was not kept; read plane by plane.

    Raises `ProjectError` for a damaged file.
    """
    path = folder / "uncertainty" / f"{scan}.tif"
    if not path.is_file():
        return None
    try:
        with guarded(path):
            entropy = read_scan(path).voxels
            if entropy.shape == mask.shape:
                return Margins.of(mask, entropy, classes)
    except CannotReadFile as error:
        raise ProjectError(f"{path} is damaged: {error.reason} {WAY_OUT}") from error
    raise ProjectError(f"{path} is {entropy.shape}; {scan} is {mask.shape}. {WAY_OUT}")
