"""How sure a model was of its mask, read from the entropy that is kept beside it."""

from __future__ import annotations

from pathlib import Path

from voidscope.errors import CannotReadFile
from voidscope.metrology import Margins
from voidscope.project.masks import uncertainty_path
from voidscope.vocabulary import ClassMap, Mask
from voidscope.volume import read_scan
from voidscope.volume.guarding import guarded


def read_margins(folder: Path, scan: str, mask: Mask, classes: ClassMap) -> tuple[Margins | None, str]:
    """The margins of a scan's mask (z, y, x) in a cycle folder, read plane by plane; None where its entropy was not kept, or cannot be
    read, and why, in a sentence.
    """
    path = uncertainty_path(folder, scan)
    if not path.is_file():
        return None, ""
    try:
        with guarded(path):
            entropy = read_scan(path).voxels
            if entropy.shape == mask.shape:
                return Margins.of(mask, entropy, classes), ""
        reason = f"it is {entropy.shape}; {scan} is {mask.shape}"
    except CannotReadFile as error:
        reason = error.reason.rstrip(".")
    return None, (
        f"lengths in {scan} are to the voxel, for how sure the model was cannot be read from uncertainty/{path.name} ({reason}); segment "
        "it again"
    )
