"""Void metrology: um in, um out; ratios, voids, a verdict and a report from a mask, with or without a project."""

from voidscope.metrology.budget import Contribution
from voidscope.metrology.components import CONNECTIVITY
from voidscope.metrology.dimensions import Dimensions, by_boxes, dimensions
from voidscope.metrology.gauge import GaugeStudy, Reading, gauge_study, verdict_agreement
from voidscope.metrology.measurement import ScanMeasurement, measure_mask
from voidscope.metrology.pictures import overlay_png
from voidscope.metrology.ratios import DEFINITIONS, RATIOS, count_classes, undefined_ratios, void_ratios
from voidscope.metrology.recipe import read_recipe, recipe_text
from voidscope.metrology.report import Report
from voidscope.metrology.verdict import Verdict, decide
from voidscope.metrology.voids import QUALITIES, Void, find_voids, sphere_diameter

__all__ = [
    "CONNECTIVITY",
    "DEFINITIONS",
    "QUALITIES",
    "RATIOS",
    "Contribution",
    "Dimensions",
    "GaugeStudy",
    "Reading",
    "Report",
    "ScanMeasurement",
    "Verdict",
    "Void",
    "by_boxes",
    "count_classes",
    "decide",
    "dimensions",
    "find_voids",
    "gauge_study",
    "measure_mask",
    "overlay_png",
    "read_recipe",
    "recipe_text",
    "sphere_diameter",
    "undefined_ratios",
    "verdict_agreement",
    "void_ratios",
]
