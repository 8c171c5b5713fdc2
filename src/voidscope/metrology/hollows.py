"""Which void belongs to which body of a bump: void that adjoins pillar, solder or pad is a part of it when ends and centres are read.

A voxel of void lies on two straight lines across the build axis, and each line is followed through void to both of its ends. Where one
of the four ends is at solder the voxel is solder's, else where one is at the pillar it is the pillar's, else likewise the pad's. Void
that no line across joins to a body, such as one as wide as the bump, is followed both ways along the build axis instead, to what
may be void given away already, and the same order decides. Solder comes first since an interface void lies in the solder. In a
column that holds none of the three no void is anybody's: a void beside a bump makes it no wider.
"""

from __future__ import annotations

import numpy as np

from voidscope.metrology.components import chunks
from voidscope.vocabulary import Mask

NOTHING, VOID, PAD, PILLAR, SOLDER = range(5)
"""What a voxel is; of two bodies that a void adjoins, the larger number has it."""


def give_void(bodies: Mask) -> None:
    """Make each voxel of void in `bodies` (levels, h, w), numbers from `NOTHING` to `SOLDER`, the body's it belongs to, or nothing."""
    columns, left = np.zeros(bodies.shape[1:], bool), np.zeros(bodies.shape[1], bool)
    for level in bodies:
        columns |= level > VOID
    for chunk in chunks(bodies):
        levels = bodies[chunk]
        levels *= columns
        void = levels == VOID
        if void.any():
            found = np.maximum(_line_ends(levels), _line_ends(levels.swapaxes(1, 2)).swapaxes(1, 2))
            np.maximum(levels, found, out=levels)
            left |= (levels == VOID).any(axis=(0, 2))
    for row in np.flatnonzero(left):
        lines = bodies[:, row].T
        np.copyto(lines, _line_ends(lines[None])[0], where=lines == VOID)


def _line_ends(planes: Mask) -> Mask:
    """The larger of the two numbers at which each row's run of void ends, at the void voxels of planes (n, h, w); `NOTHING` elsewhere."""
    wide = np.zeros((*planes.shape[:2], planes.shape[2] + 2), planes.dtype)
    wide[..., 1:-1] = planes
    flat = wide.reshape(-1)
    at = np.flatnonzero(flat == VOID)
    begins = np.ones(len(at), bool)
    np.greater(at[1:] - at[:-1], 1, out=begins[1:])
    first = np.flatnonzero(begins)
    length = np.diff(first, append=len(at))
    ends = np.maximum(flat[at[first] - 1], flat[at[first + length - 1] + 1])
    flat[:] = NOTHING
    flat[at] = np.repeat(ends, length)
    return wide[..., 1:-1]
