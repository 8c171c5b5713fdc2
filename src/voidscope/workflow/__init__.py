"""The verbs: `pretrain`, `train`, `suggest`, `segment`, `measure`; buttons, command line and scripts call these.

Each verb checks what it needs, takes a snapshot of the project and returns a `Job`; `voidscope.execute(job)` runs
it, and its outcome is what the verb says it returns. The loop is an order of verbs, so whoever calls them is in
charge.

bring in and label
    `add_scans`, `add_dataset`, `simulate`: scans; `import_label_file`: labels of another tool; `interpolate`,
    `interpolate_scan`, `extrude`: propose labels; `turn`: undo or redo a step; `review`: what to look at again
learn and ask
    `pretrain`, `train`, `suggest`, `segment`; `open_scan`, `read_mask`: read ahead what a window is to show
is this model good?
    `evaluate`: by held-out truth; `compare_models`: beside the one before; `cross_validate`: where no held-out label
    tells; `judge_all`: every cycle alike; `progress`: how the cycles came on, and whether to stop; `replay`: random
    selection beside them
which model counts?
    `keep_model`: though it is worse; `restore`: an earlier one; `promote`: put it in force
measure and sign
    `measure`; `changes`: which bumps moved between two models or recipes; `verify`: does the report repeat;
    `calibrate`: the doubt of edges; `plan_study`, `take_reading`: a blind gauge study
"""

from voidscope.workflow.asking import ScanPrediction, reranks, segment, suggest
from voidscope.workflow.calibrating import calibrate
from voidscope.workflow.changing import changes
from voidscope.workflow.comparing import compare_models
from voidscope.workflow.cross_validating import (
    awaits_cross_validation,
    cross_validate,
    cross_validation_lacks,
    cross_validation_s,
)
from voidscope.workflow.doubting import held_out_void_iou
from voidscope.workflow.evaluating import Evaluation, evaluate, judged, judgement, to_judge
from voidscope.workflow.gauging import BlindSlice, plan_study, shown_slice, take_reading
from voidscope.workflow.glancing import Glance, Glances
from voidscope.workflow.importing import import_label_file
from voidscope.workflow.learning import is_trained, pretrain, starting_weights, train
from voidscope.workflow.mask_files import MaskFile, measure_file
from voidscope.workflow.measuring import measure, since
from voidscope.workflow.printing import print_report, printing, record_print
from voidscope.workflow.progressing import CycleFigures, ProjectProgress, class_pixels, progress
from voidscope.workflow.promoting import Promotion, in_force, promote
from voidscope.workflow.propagating import extrude, interpolate, interpolate_scan
from voidscope.workflow.recording import Occasion
from voidscope.workflow.rejudging import judge_all, unlike
from voidscope.workflow.replaying import CANNOT_TELL, Replay, replay, replay_lacks
from voidscope.workflow.restoring import better_before, first_with, restore, void_iou
from voidscope.workflow.reviewing import Review, brief, describe, findings, review, taken_over
from voidscope.workflow.scans import add_dataset, add_scans, doubts, simulate
from voidscope.workflow.showing import open_scan, read_mask
from voidscope.workflow.snapshot import learnable
from voidscope.workflow.stopping import Readiness
from voidscope.workflow.succeeding import Comparison, comparison_of, in_question, keep_model
from voidscope.workflow.turning import put_labels, turn
from voidscope.workflow.verifying import (
    is_of_file,
    not_compared,
    project_of,
    report_place,
    verify,
    verify_file,
    versions_apart,
)

__all__ = [
    "CANNOT_TELL",
    "BlindSlice",
    "Comparison",
    "CycleFigures",
    "Evaluation",
    "Glance",
    "Glances",
    "MaskFile",
    "Occasion",
    "ProjectProgress",
    "Promotion",
    "Readiness",
    "Replay",
    "Review",
    "ScanPrediction",
    "add_dataset",
    "add_scans",
    "awaits_cross_validation",
    "better_before",
    "brief",
    "calibrate",
    "changes",
    "class_pixels",
    "compare_models",
    "comparison_of",
    "cross_validate",
    "cross_validation_lacks",
    "cross_validation_s",
    "describe",
    "doubts",
    "evaluate",
    "extrude",
    "findings",
    "first_with",
    "held_out_void_iou",
    "import_label_file",
    "in_force",
    "in_question",
    "interpolate",
    "interpolate_scan",
    "is_of_file",
    "is_trained",
    "judge_all",
    "judged",
    "judgement",
    "keep_model",
    "learnable",
    "measure",
    "measure_file",
    "not_compared",
    "open_scan",
    "plan_study",
    "pretrain",
    "print_report",
    "printing",
    "progress",
    "project_of",
    "promote",
    "put_labels",
    "read_mask",
    "record_print",
    "replay",
    "replay_lacks",
    "report_place",
    "reranks",
    "restore",
    "review",
    "segment",
    "shown_slice",
    "simulate",
    "since",
    "starting_weights",
    "suggest",
    "take_reading",
    "taken_over",
    "to_judge",
    "train",
    "turn",
    "unlike",
    "verify",
    "verify_file",
    "versions_apart",
    "void_iou",
]
