"""How well masks agree with the truth: one pooled confusion matrix, IoU per class, mIoU."""

from voidscope.evaluation.confusion import Matrix, confusion_matrix, iou, miou, recall

__all__ = ["Matrix", "confusion_matrix", "iou", "miou", "recall"]
