"""Learning: batches, augmentation, the supervised recipe and contrastive pretraining. Importing this loads torch."""

from voidscope.training.contrastive import Pretrained, nt_xent, pretrain_steps
from voidscope.training.supervised import Trained, class_weights, train_steps

__all__ = ["Pretrained", "Trained", "class_weights", "nt_xent", "pretrain_steps", "train_steps"]
