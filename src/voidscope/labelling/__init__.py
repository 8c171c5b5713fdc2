"""Arithmetic of labelling, pure NumPy and SciPy: shapes between labelled slices, parts of a slice to label at once, working time."""

from voidscope.labelling.interpolation import ShapeInterpolation
from voidscope.labelling.pace import PAUSE_S, labelling_seconds
from voidscope.labelling.regions import background_id, component_at, intensities_around, outside_range

__all__ = [
    "PAUSE_S",
    "ShapeInterpolation",
    "background_id",
    "component_at",
    "intensities_around",
    "labelling_seconds",
    "outside_range",
]
