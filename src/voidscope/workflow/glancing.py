"""A quick look at a slice after new labels: the current model with its head fitted to them; a preview, never a cycle.

Where a trial on slices left out says that the fitted head does worse than the cycle's own, there is none.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voidscope.errors import ProjectError
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Cycle, Project
from voidscope.vocabulary import SliceKey
from voidscope.workflow.snapshot import LOADING, current_cycle, learnable

if TYPE_CHECKING:
    from voidscope.model import SlicePrediction
    from voidscope.training.quick import QuickLook, Trial

    Looked = tuple[SlicePrediction | None, Trial]


@dataclass(frozen=True)
class Glance:
    """What a quick look found."""

    key: SliceKey
    prediction: SlicePrediction | None
    """None where the cycle's own head does better."""
    model_id: str
    """The cycle whose encoder and decoder it looked with."""
    trial: Trial
    """How the fitted head does on labels left out, beside the cycle's own."""


class Glances:
    """Quick looks at the slices of a project, one after another; keeps what costs time: network and labelled pixels."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._model, self._look = "", None

    _look: QuickLook | None

    @property
    def due(self) -> bool:
        """Whether there is a model, and training slices are labelled otherwise than when it was trained."""
        cycle = self._project.cycle
        return cycle is not None and self._labels() != (cycle.provenance.get("labels_sha256") or {})

    def glance(self, key: SliceKey) -> Job[Looked, Glance]:
        """Look at a slice with the head fitted to the labels of now, if that does not make it worse; raises `NotReady` without a model.

        Only what changed since the last glance is looked at again. Its outcome is to be shown, it changes no project.
        """
        project, cycle = self._project, current_cycle(self._project)
        labels, reader = self._labels(), project.reader({key.scan} | {k.scan for k in project.labels})
        stored = {name: project.labels.stored(SliceKey.parse(name)) for name in labels}
        n_classes, device = len(project.classes), project.config.device

        def steps() -> Steps[Looked]:
            yield Progress(0, 1, LOADING)
            look = self._network(cycle, n_classes, device)
            changed = look.keep_only(labels)
            for done, name in enumerate(changed, start=1):
                with suppress(
                    ProjectError
                ):  # painted on since: the next glance, which is due then, looks at that
                    look.learn(name, labels[name], reader.image(stored[name].key), stored[name].mask())
                yield Progress(done, len(changed) + 1, f"looking at {name}")
            trial = look.trial()
            return (None if trial.worse else look.at(reader.image(key))), trial

        return Job("Quick look", steps, lambda found: Glance(key, found[0], cycle.id, found[1]))

    def _labels(self) -> dict[str, str]:
        """The hash of the label of each labelled training slice."""
        labels = self._project.labels
        return {str(k): labels.record(k).sha256 for k in learnable(self._project)}

    def _network(self, cycle: Cycle, n_classes: int, device: str) -> QuickLook:
        if self._look is None or self._model != cycle.id:
            from voidscope.model import load_segmenter
            from voidscope.training.quick import QuickLook

            model = cycle.settings.model
            network = load_segmenter(model, n_classes, cycle.weights())
            self._look = QuickLook(network, cycle.normalisation, device, model.flips)
            self._model = cycle.id
        return self._look
