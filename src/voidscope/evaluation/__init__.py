"""How well masks agree with the truth: one pooled confusion matrix, IoU per class, mIoU."""

from voidscope.evaluation.confusion import confusion_matrix, iou, miou

__all__ = ["confusion_matrix", "iou", "miou"]
