"""How far a void ratio may be off because nobody knows to the voxel where a void ends.

A void's edge is drawn along voxel faces; the true one lies somewhat to either side. If all edges of a scan are off by one
common distance of standard deviation sigma, in voxels, the void's volume is off by sigma times its surface:

    u(N_void) = 2/3 sigma A,     u(R) = |dR / dN_void| u(N_void),     U = k u(R)

A is the number of voxel faces between void and anything else, unlabelled voxels too, behind which nobody knows the edge; a smooth surface has two thirds of the area of its
voxel faces, exactly so for a sphere on average over directions. Void is taken to grow at the cost of what is around it.
Sigma comes from held-out scans with truth (see docs/measurements.md). What the model misses altogether is not in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voidscope.metrology.components import chunks, of_classes
from voidscope.vocabulary import Mask

SMOOTH = 2 / 3
"""Area of a sphere over that of its voxel faces: 4 pi r^2 / 6 pi r^2."""


def void_faces(mask: Mask, void_ids: Sequence[int]) -> int:
    """Voxel faces of a mask (z, y, x) between a void class and anything else, unlabelled voxels included."""
    faces = 0
    for chunk in chunks(mask):
        void = of_classes(mask[chunk.start : chunk.stop + 1], void_ids)
        own = void[: chunk.stop - chunk.start]
        pairs = (void[1:], void[:-1]), (own[:, 1:], own[:, :-1]), (own[:, :, 1:], own[:, :, :-1])
        faces += sum(int(np.count_nonzero(a != b)) for a, b in pairs)
    return faces


def expanded_uncertainty(
    faces: int, void: int, below: int, *, included: bool, sigma: float, coverage: float
) -> float:
    """U of the ratio void / below, in the ratio's own unit.

    Parameters
    ----------
    faces : A, see `void_faces`
    void, below : voxels of void, and of what stands below the line
    included : whether void counts below the line too, so that what it grows into was there already: dR/dN is 1 / below, else
        (below + void) / below^2
    sigma : of the edge, in voxels
    coverage : k; 2 covers about 95 %
    """
    slope = 1 / below if included else (below + void) / below**2
    return coverage * slope * SMOOTH * sigma * faces
