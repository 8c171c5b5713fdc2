"""Keep OpenGL's programs of layers that are gone.

Mesa's renderer in software (swrast) ends in a segmentation fault at one of the next drawings once vispy 0.17 has deleted the program that
drew a layer; napari alone does so too. A program takes some kilobytes, and there are one or two for each layer that was ever added.
"""

from __future__ import annotations


def keep_programs() -> None:
    """From now on vispy deletes none."""
    from vispy.gloo import glir  # napari's, so it is there where there is a canvas

    glir.GlirProgram.delete = _kept


def _kept(_program: object) -> None:
    """What deleting a program does."""
