"""Learning: the supervised recipe of each cycle and contrastive pretraining, as generators of progress."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voidscope.training.contrastive import ProjectionHead, learning_rate_at, nt_xent
    from voidscope.training.pretraining import Pretrained, pretrain_steps
    from voidscope.training.pseudo_labels import pseudo_label_steps
    from voidscope.training.supervised import Trained, train_steps
    from voidscope.training.team import Seat, seats

_HOMES = {
    "contrastive": ("ProjectionHead", "learning_rate_at", "nt_xent"),
    "pretraining": ("Pretrained", "pretrain_steps"),
    "pseudo_labels": ("pseudo_label_steps",),
    "supervised": ("Trained", "train_steps"),
    "team": ("Seat", "seats"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Pretrained",
    "ProjectionHead",
    "Seat",
    "Trained",
    "learning_rate_at",
    "nt_xent",
    "pretrain_steps",
    "pseudo_label_steps",
    "seats",
    "train_steps",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'voidscope.training' has no attribute {name!r}")
    return getattr(import_module(f"voidscope.training.{_HOME_OF[name]}"), name)
