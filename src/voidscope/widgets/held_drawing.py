"""A drawing of a gauge study that outlives its dock: one that the disk refuses is kept and tried again."""

from __future__ import annotations

from qtpy.QtCore import QObject, QTimer, Signal

from voidscope.errors import VoidscopeError
from voidscope.metrology import Slot
from voidscope.project import Study
from voidscope.vocabulary import Mask
from voidscope.widgets.strokes import RETRY_MS

SAVED = "The drawing of the gauge study is saved; go on with the study to see it."
SUPERSEDED = "The operator has drawn on in the gauge study meanwhile; that drawing stays, the one kept from before is dropped."


class HeldDrawing(QObject):
    """What is drawn (h, w) of a reading whose dock is gone, until it is on disk; never in place of what was drawn later.

    `recovered(sentence)` when nothing is left to save. What goes wrong until then is no news: it was told when the dock closed.
    """

    failed = Signal(str)
    recovered = Signal(str)

    def __init__(self, study: Study, slot: Slot, mask: Mask) -> None:
        super().__init__()
        self._study, self._slot, self._mask = study, slot, mask
        self._before = study.draft_file(slot.operator)
        self._held = True
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.flush)
        self._timer.start(RETRY_MS)

    @property
    def unsaved(self) -> bool:
        """Whether the drawing is in here alone."""
        return self._held

    def flush(self) -> None:
        """Write the drawing if the disk takes it now; raises nothing."""
        if not self._held:
            return
        operator = self._slot.operator
        if self._study.draft_file(operator) != self._before or self._study.next(operator) != self._slot:
            self._end(SUPERSEDED)
            return
        try:
            self._study.keep_draft(self._slot, self._mask)
        except VoidscopeError:
            return
        self._end(SAVED)

    def _end(self, sentence: str) -> None:
        self._held = False
        self._timer.stop()
        self.recovered.emit(sentence)
