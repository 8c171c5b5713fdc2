"""A volume knows its shape, its planes and refuses what is no scan."""

from __future__ import annotations

import numpy as np
import pytest

from voidscope.errors import VolumeError
from voidscope.vocabulary import Plane
from voidscope.volume import Volume

VOXELS = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)


@pytest.mark.parametrize("plane", Plane)
def test_slices_are_cut_along_their_plane(plane: Plane) -> None:
    volume = Volume(VOXELS, None, "a")
    assert volume.n_slices(plane) == VOXELS.shape[plane.axis]
    for k in range(volume.n_slices(plane)):
        np.testing.assert_array_equal(volume.slice(plane, k), VOXELS.take(k, axis=plane.axis))


def test_scans_are_cut_coronally_but_images_and_projections_as_stored() -> None:
    assert Volume(VOXELS, None, "a").default_plane is Plane.AXIS1
    assert Volume(VOXELS[:1], None, "a").default_plane is Plane.AXIS0
    assert Volume(VOXELS, None, "a", projections=True).default_plane is Plane.AXIS0


@pytest.mark.parametrize(
    "voxels", [VOXELS[0], VOXELS[None], VOXELS[:0], VOXELS.astype(complex), VOXELS.astype(str), VOXELS > 3]
)
def test_arrays_that_are_no_scan_are_refused_by_name(voxels: np.ndarray) -> None:
    with pytest.raises(VolumeError, match=r"^a has "):
        Volume(voxels, None, "a")


@pytest.mark.parametrize("spacing", [(1, 1), (1, 1, 0), (1, -1, 1), (1, 1, float("nan"))])
def test_an_impossible_spacing_is_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(VolumeError, match="above 0 in µm"):
        Volume(VOXELS, spacing, "a")
