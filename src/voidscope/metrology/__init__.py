"""Void metrology: um in, um out; ratios, voids, a verdict and a report from a mask, with or without a project."""

from voidscope.metrology.measurement import (
    RATIOS,
    ScanMeasurement,
    Verdict,
    decide,
    measure_mask,
    void_ratios,
)
from voidscope.metrology.pictures import overlay_png
from voidscope.metrology.report import Report
from voidscope.metrology.voids import Void, find_voids, sphere_diameter

__all__ = [
    "RATIOS",
    "Report",
    "ScanMeasurement",
    "Verdict",
    "Void",
    "decide",
    "find_voids",
    "measure_mask",
    "overlay_png",
    "sphere_diameter",
    "void_ratios",
]
