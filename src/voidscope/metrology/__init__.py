"""Void metrology: um in, um out; ratios, voids, a verdict and a report from a mask, with or without a project."""

from voidscope.metrology.blind import Plan, Slot, choose_parts
from voidscope.metrology.budget import Contribution
from voidscope.metrology.bumps import measure_scan
from voidscope.metrology.calibration import Calibration, RatioError, calibrated, ratio_error
from voidscope.metrology.changes import Change, Changes
from voidscope.metrology.checks import check_names
from voidscope.metrology.dimensions import Dimensions, by_boxes, dimensions
from voidscope.metrology.doubts import units_doubted
from voidscope.metrology.gauge import (
    ONE_VERDICT,
    GaugeStudy,
    Reading,
    gauge_study,
    study_in_words,
    verdict_agreement,
)
from voidscope.metrology.lot import Lot, LotScan
from voidscope.metrology.margins import Margins
from voidscope.metrology.measurement import Bump, ScanMeasurement, judged_ratio, measured_ratio
from voidscope.metrology.page import changes_page, lot_page
from voidscope.metrology.pictures import overlay_png
from voidscope.metrology.presets import PRESETS, preset_recipe
from voidscope.metrology.quantities import QUANTITIES
from voidscope.metrology.ratios import DEFINITIONS, RATIOS, count_classes
from voidscope.metrology.recipe import read_recipe, recipe_settings, recipe_sha256, recipe_text
from voidscope.metrology.report import Report, plain, sight_in_words
from voidscope.metrology.scan_verdict import doubted, spot, worst
from voidscope.metrology.verdict import Outcome, Verdict, decide
from voidscope.metrology.views import TILE, Views
from voidscope.metrology.voids import QUALITIES, Void, find_voids, sphere_diameter

__all__ = [
    "DEFINITIONS",
    "ONE_VERDICT",
    "PRESETS",
    "QUALITIES",
    "QUANTITIES",
    "RATIOS",
    "TILE",
    "Bump",
    "Calibration",
    "Change",
    "Changes",
    "Contribution",
    "Dimensions",
    "GaugeStudy",
    "Lot",
    "LotScan",
    "Margins",
    "Outcome",
    "Plan",
    "RatioError",
    "Reading",
    "Report",
    "ScanMeasurement",
    "Slot",
    "Verdict",
    "Views",
    "Void",
    "by_boxes",
    "calibrated",
    "changes_page",
    "check_names",
    "choose_parts",
    "count_classes",
    "decide",
    "dimensions",
    "doubted",
    "find_voids",
    "gauge_study",
    "judged_ratio",
    "lot_page",
    "measure_scan",
    "measured_ratio",
    "overlay_png",
    "plain",
    "preset_recipe",
    "ratio_error",
    "read_recipe",
    "recipe_settings",
    "recipe_sha256",
    "recipe_text",
    "sight_in_words",
    "sphere_diameter",
    "spot",
    "study_in_words",
    "units_doubted",
    "verdict_agreement",
    "worst",
]
