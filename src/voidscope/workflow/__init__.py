"""The verbs: `pretrain`, `train`, `suggest`, `segment`, `measure`; buttons, command line and scripts call these.

Each verb checks what it needs, takes a snapshot of the project and returns a `Job`; `voidscope.execute(job)` runs
it, and its outcome is what the verb says it returns. The loop is an order of verbs, so whoever calls them is in
charge. `add_scans`, `add_dataset` and `simulate` bring scans in, `evaluate` judges a model by held-out truth, `compare` sets
it beside the one before, `restore` goes back to an earlier one, `verify` repeats a report.
"""

from voidscope.workflow.asking import ScanPrediction, segment, suggest
from voidscope.workflow.comparing import Comparison, compare
from voidscope.workflow.evaluating import Evaluation, evaluate, judged
from voidscope.workflow.glancing import Glance, Glances
from voidscope.workflow.learning import is_trained, pretrain, starting_weights, train
from voidscope.workflow.measuring import measure
from voidscope.workflow.restoring import better_before, restore, void_iou
from voidscope.workflow.scans import add_dataset, add_scans, simulate
from voidscope.workflow.verifying import verify

__all__ = [
    "Comparison",
    "Evaluation",
    "Glance",
    "Glances",
    "ScanPrediction",
    "add_dataset",
    "add_scans",
    "better_before",
    "compare",
    "evaluate",
    "is_trained",
    "judged",
    "measure",
    "pretrain",
    "restore",
    "segment",
    "simulate",
    "starting_weights",
    "suggest",
    "train",
    "verify",
    "void_iou",
]
