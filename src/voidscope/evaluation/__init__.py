"""How well masks agree with the truth: one pooled confusion matrix, IoU per class, mIoU; and how both grow with the labels."""

from voidscope.evaluation.confusion import Matrix, confusion_matrix, defined, iou, miou, recall
from voidscope.evaluation.learning_curve import FEWEST, LEAST_FIGURE, Forecast, forecast

__all__ = [
    "FEWEST",
    "LEAST_FIGURE",
    "Forecast",
    "Matrix",
    "confusion_matrix",
    "defined",
    "forecast",
    "iou",
    "miou",
    "recall",
]
