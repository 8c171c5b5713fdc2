"""Step three: retrain on what is labelled, and see how each cycle did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyqtgraph as pg
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from voidscope.config import Config
from voidscope.errors import counted, named
from voidscope.jobs import Job, Progress
from voidscope.project import Cycle, Project
from voidscope.vocabulary import SliceKey, Split
from voidscope.widgets.forms import PresetBox, SettingsForm, folded
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.model_choice import ModelChoice
from voidscope.widgets.progress_box import ProgressBox
from voidscope.widgets.promotion_button import PromotionButton
from voidscope.widgets.queue_words import NO_SCAN, NO_SCANS
from voidscope.widgets.runner import Runner
from voidscope.widgets.strokes import Strokes
from voidscope.widgets.tables import fill, plain_table
from voidscope.workflow import (
    Evaluation,
    better_before,
    evaluate,
    first_with,
    in_question,
    is_trained,
    judged,
    judgement,
    learnable,
    pretrain,
    segment,
    starting_weights,
    to_judge,
    train,
    void_iou,
)

NOTHING_NEW = "No label or setting has changed since the last training, which would give the same model again. Label on."
NOTHING_LABELLED = (
    "No slice is labelled yet: press Suggest in Label, label the slices it names, then press Retrain."
)
WARM = (
    "Go on from the current model with the new labels, in a sixth of a retraining's steps (Shift+F). In six short trial runs it "
    "came to 99 % of a retraining's mIoU in three, 96 % at worst: to work with; retrain for what you report."
)
HEADER = ("cycle", "labels", "loss", "void\nIoU", "mIoU", "time")
FIELDS = (
    "steps", "growth", "pseudo_labels", "epochs", "optimiser", "learning_rate", "schedule", "drop_epoch", "batch_size", "crop", "crops_per_slice", "focus",
    "balance_classes", "dice",
)  # fmt: skip
START = {
    "contrastive": "your pretrained weights", "imagenet": "ImageNet weights", "none": "random weights (not pretrained)",
}  # fmt: skip
"""What `starting_weights` says, in words."""
SPARE = (2, 1)
"""Columns that a narrow dock leaves out, if it must: the curves above show losses, the chart below the numbers of labels."""
MOST_CYCLES = 6
"""So many are seen in the table without scrolling it."""
PRETRAIN_FIELDS = ("epochs", "batch_size", "learning_rate", "temperature")


class TrainPanel(QWidget):
    """Retrain, Segment, Evaluate and Pretrain, the settings they use, the cycles so far with how they came on, and the loss of the last one."""

    def __init__(
        self,
        project: Project,
        runner: Runner,
        layers: ScanLayers,
        strokes: Strokes,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._project, self._runner, self._layers, self._strokes = project, runner, layers, strokes
        self._seen = layers.key
        self.retrain, self.pretrain = QPushButton("⇧T  Retrain"), QPushButton("Pretrain")
        self.tune = QPushButton("⇧F  Fine-tune")
        self.segment, self.evaluate = QPushButton("⇧P  Segment"), QPushButton("Evaluate")
        self.back = QPushButton("Go back to selected")
        self.force = PromotionButton(project, runner, strokes)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.preset = PresetBox(project.config)
        self.form = SettingsForm("train", FIELDS, project.config)
        self.pretrain_form = SettingsForm("pretrain", PRETRAIN_FIELDS, project.config)
        self.table = plain_table(HEADER, wide=(2, 3, 4, 5))
        self.table.most, self.table.spare = MOST_CYCLES, SPARE
        self._newest = ""
        self.table.setToolTip(
            'Every cycle so far: labels learnt from, last loss, IoU of voids and mean IoU where judged (in brackets: by other labels than there are now), time it took. Bold: the current model; "again": an earlier cycle\'s, gone back to.'
        )
        self.plot = pg.PlotWidget()
        self.plot.setToolTip("Loss of each training, the last one thick.")
        self.progress = ProgressBox(project, runner, layers)
        self.choice = ModelChoice(project, runner, self.segment_view, self)
        self._lay_out()
        self._connect()
        self.refresh()

    def refresh(self) -> None:
        """Rebuild from the project."""
        self.preset.setValue(self._project.config)
        self.form.setValue(self._project.config)
        self.pretrain_form.setValue(self._project.config)
        cycles = self._project.cycles
        fill(self.table, [_row(self._project, c) for c in cycles], bold=len(cycles) - 1)
        self._plot(cycles)
        self.progress.refresh()
        self._show_newest(cycles)
        self._enable()

    def _show_newest(self, cycles: tuple[Cycle, ...]) -> None:
        """Select the current model's row where it was not there before, which brings it into view; what a person selected since stays so."""
        newest = cycles[-1].id if cycles else ""
        if newest and newest != self._newest:
            self.table.selectRow(len(cycles) - 1)
        self._newest = newest

    def start(self) -> None:
        """Retrain in a process of its own, compare with the model before, then segment the scan in view."""
        if not self._strokes.ready("Retraining") or not self._can_learn():
            return
        if is_trained(self._project):
            self.segment_view(is_news=False)
            self._runner.told.emit(NOTHING_NEW)
            return
        self._runner.run(lambda: train(self._project, elsewhere=True), lambda _: self.choice.compare())

    def fine_tune(self) -> None:
        """Go on from the current model's weights on all labels, in a sixth of the steps; then as after a retraining."""
        if self._strokes.ready("Fine-tuning") and self._can_learn():
            self._runner.run(
                lambda: train(self._project, warm=True, elsewhere=True), lambda _: self.choice.compare()
            )

    def _can_learn(self) -> bool:
        """Whether there is a label to learn from; says what to do first where there is none."""
        lacks = self._lacks()
        if lacks:
            self._runner.failed.emit(lacks)
        return not lacks

    def _lacks(self) -> str:
        """What is to be done before anything can be learnt; empty where it is done."""
        if not self._project.keys(Split.TRAIN):
            return NO_SCANS
        return "" if learnable(self._project) else NOTHING_LABELLED

    def segment_view(self, *_: object, is_news: bool = True) -> None:
        """Segment the scan in view with the current model, then the others; slices appear as they are done.

        Where nobody asked for it by itself it is no news that it is done: what was told before stays to be read.
        """
        self.look()
        key = self._seen
        if key is None:
            self._runner.failed.emit(NO_SCAN)
        else:
            self._runner.at_once(lambda: self._layers.show(key.scan))
            self._runner.run(
                lambda: self._segmenting(key.scan), lambda _: self._segment_rest(), is_news=is_news
            )

    def _segmenting(self, scan: str) -> Job[Any, Any]:
        """The job that segments a scan, from the slice in view outwards, wherever the person goes."""
        return segment(self._project, [scan], eye=self._eye)

    def _segment_rest(self) -> None:
        """Go on with the scan in view, then with the others, then judge, for as long as nobody wants anything else done."""
        project, here = self._project, self._layers.scan
        left = [n for n in ([here] if here else []) + list(project.scans) if not project.is_segmented(n)]
        if project.cycle is not None and left:
            self._runner.run(lambda: self._segmenting(left[0]), lambda _: self._segment_rest(), yields=True)
        elif to_judge(project):
            self._runner.run(lambda: evaluate(project), yields=True)

    def _go_on(self) -> None:
        """Go on where it gave way; not with a model in question, for whoever answers that says what is shown."""

        def act() -> None:
            cycle = self._project.cycle
            if cycle is not None and not in_question(cycle):
                self._segment_rest()

        self._runner.at_once(act)

    def look(self) -> None:
        """Take notice of the slice in view; whoever predicts on another thread asks for it there."""
        self._seen = self._layers.key

    def _eye(self) -> SliceKey | None:
        return self._seen

    def judge(self) -> None:
        """Compare the current model with the labels of the test scans and tell how well it does."""
        if self._strokes.ready("Evaluating"):
            self._runner.run(lambda: evaluate(self._project), self._judged)

    def _judged(self, found: Evaluation) -> None:
        cycle = self._project.cycle
        void = None if cycle is None else void_iou(cycle, self._project.classes)
        said = (
            f"Cycle {found.cycle} on the labelled slices of {', '.join(found.scans)}: "
            f"void IoU {_three(void)}, mIoU {_three(found.miou)}."
        )
        best = better_before(self._project)
        if best is not None:
            then = _three(void_iou(best, self._project.classes))
            said += f" Cycle {best.number} found voids better ({then}): select it in the table to go back."
        self._runner.told.emit(said)

    def go_back(self) -> None:
        """Make the model of the selected cycle the current one again."""
        row = self.table.currentRow()
        if not 0 <= row < len(self._project.cycles) - 1:
            return
        self.choice.restore(self._project.cycles[row].number)

    def _look_at(self) -> None:
        """Tell of the selected cycle."""
        row = self.table.currentRow()
        cycles = self._project.cycles
        self.progress.select(cycles[row].number if 0 <= row < len(cycles) else None)

    def _select(self, number: int) -> None:
        """Select the cycle that was clicked in the chart."""
        self.table.selectRow([c.number for c in self._project.cycles].index(number))

    def _pretrain(self) -> None:
        self._runner.run(lambda: pretrain(self._project, elsewhere=True))

    def _show_partial(self, progress: Progress, left: str) -> None:
        partial: Any = progress.partial
        cycle = self._project.cycle
        if isinstance(partial, tuple) and cycle is not None and partial[2] == cycle.id:  # no other model's
            key, prediction, _ = partial
            self._layers.show_slice(key, prediction.mask, prediction.entropy)

    def _configured(self, config: Config) -> None:
        self._take(lambda: self._project.set_config(config))

    def _take_preset(self, name: str) -> None:
        self._take(lambda: self._project.set_config(self._project.config.with_changes([f"preset={name}"])))

    def _take(self, setting: Callable[[], object]) -> None:
        """Keep a setting; the forms show the project's again where the disk refuses it."""
        if not self._runner.at_once(setting):
            for form in (self.preset, self.form, self.pretrain_form):
                form.setValue(self._project.config)

    def _plot(self, cycles: tuple[Cycle, ...]) -> None:
        self.plot.clear()
        for cycle in cycles[-4:]:
            last = cycle is cycles[-1]
            pen = pg.mkPen("#56b4e9" if last else "#888888", width=2 if last else 1)
            self.plot.plot(list(cycle.metrics["losses"]), pen=pen)
        self.plot.setVisible(bool(cycles))

    def _enable(self, *_: object) -> None:
        lacks, idle = self._lacks(), not self._runner.busy
        labelled, is_any = len(learnable(self._project)), bool(self._project.keys(Split.TRAIN))
        self.retrain.setEnabled(idle and labelled > 0)
        self.retrain.setToolTip("Train anew on every labelled slice (Shift+T)." if labelled else lacks)
        self.pretrain.setEnabled(idle and is_any)
        self.pretrain.setToolTip(
            "Contrastive pretraining on all training slices, labelled or not. Hours without a GPU; resumes."
            if is_any
            else NO_SCANS
        )
        model = self._project.cycle is not None
        self.tune.setEnabled(idle and model and labelled > 0)
        self.tune.setToolTip(lacks or (WARM if model else "No model yet: retrain first."))
        self.segment.setEnabled(idle and model and self._layers.key is not None)
        self.segment.setToolTip(
            "Segment every slice of the scan in view (Shift+P)." if model else "No model yet: retrain first."
        )
        known = bool(judged(self._project))
        self.evaluate.setEnabled(idle and model and known)
        self.evaluate.setToolTip(
            "mIoU and void IoU of the current model on the labelled slices of the test scans."
            if known
            else "No test scan has labels that the model has not learnt from: add one with 'judge only' and label some of its slices."
        )
        earlier = 0 <= self.table.currentRow() < len(self._project.cycles) - 1
        self.back.setEnabled(idle and earlier)
        self.back.setToolTip(
            "Its model becomes the current one, as a new cycle; no cycle is taken away."
            if earlier
            else "Select an earlier cycle in the table first."
        )
        self.back.setVisible(len(self._project.cycles) > 1)
        self.force.setVisible(model)
        self.force.setEnabled(idle)
        self.state.setText(self._state(labelled))

    def _state(self, labelled: int) -> str:
        start = START[starting_weights(self._project, self._project.config)]
        if not labelled and self._project.cycle is None:
            return f"{self._lacks()} Each training starts from {start}."
        words = f"{counted(labelled, 'slice')} labelled. Each training starts from {start}."
        if labelled and (lacking := self._never_shown()):
            words += f" No pixel of {named(lacking)} is labelled yet: a model finds only what it was shown."
        cycle = self._project.cycle
        return " ".join([words, *(cycle.metrics["warnings"] if cycle else ())])

    def _never_shown(self) -> list[str]:
        """Classes that no label of a training slice shows."""
        counts = self._project.labels.counts(learnable(self._project))
        return [name for name, n in zip(self._project.classes.names, counts, strict=True) if not n]

    def _connect(self) -> None:
        self.retrain.clicked.connect(self.start)
        self.tune.clicked.connect(self.fine_tune)
        self._layers.shown.connect(self.look)
        self.pretrain.clicked.connect(self._pretrain)
        self.segment.clicked.connect(self.segment_view)
        self.evaluate.clicked.connect(self.judge)
        self.back.clicked.connect(self.go_back)
        self.table.itemSelectionChanged.connect(self._enable)
        self.table.itemSelectionChanged.connect(self._look_at)
        self.progress.picked.connect(self._select)
        self.preset.valueChanged.connect(self._take_preset)
        for form in (self.form, self.pretrain_form):
            form.valueChanged.connect(self._configured)
            form.refused.connect(self._runner.failed)
        self._runner.progressed.connect(self._show_partial)
        self._runner.started.connect(self._enable)
        self._runner.ended.connect(self._enable)
        self._runner.resumes.connect(self._go_on)

    def _lay_out(self) -> None:
        self.plot.setBackground(None)
        self.plot.setLabel("left", "loss")
        self.plot.setLabel("bottom", "epoch")
        self.plot.setMinimumHeight(124)  # less cuts off the name of the axis
        self.plot.setMaximumHeight(140)
        grid, layout = QGridLayout(), QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        for k, button in enumerate((self.retrain, self.tune, self.segment, self.evaluate)):
            grid.addWidget(button, k // 2, k % 2)
        layout.addLayout(grid)
        layout.addWidget(self.state)
        layout.addWidget(self.plot, stretch=1)
        layout.addWidget(self.table, stretch=1)
        backwards = QHBoxLayout()
        backwards.addWidget(self.back, stretch=2)
        backwards.addWidget(self.force, stretch=1)
        layout.addLayout(backwards)
        layout.addWidget(self.progress)
        layout.addWidget(folded("Training settings", self.preset, self.form))
        layout.addWidget(folded("Pretraining", self.pretrain_form, self.pretrain))


def _row(project: Project, cycle: Cycle) -> tuple[object, ...]:
    """A cycle as the table has it."""
    found = cycle.evaluation
    void = void_iou(cycle, project.classes)
    scores = ("–", "–") if found is None else (_three(void), _three(found["miou"]))
    if found is not None and judgement(project, cycle) is None:
        scores = (f"({scores[0]})", f"({scores[1]})")
    kind = f": {first_with(project, cycle)} again" if cycle.restored else " warm" if cycle.warm else ""
    return (
        f"{cycle.number}{kind}",
        len(cycle.labelled),
        f"{cycle.metrics['losses'][-1]:.3f}",
        *scores,
        "–" if cycle.restored else f"{cycle.metrics['seconds']:.0f} s",
    )


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
