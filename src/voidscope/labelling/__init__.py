"""Arithmetic of labelling, pure NumPy and SciPy: shapes between labelled slices, and parts of a slice to label at once."""

from voidscope.labelling.interpolation import ShapeInterpolation
from voidscope.labelling.regions import component_at, intensities_around, outside_range

__all__ = ["ShapeInterpolation", "component_at", "intensities_around", "outside_range"]
