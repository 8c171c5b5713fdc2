"""Asking the model: which slices to label next, and what it sees in a scan."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voidscope.acquisition import Suggestion, Survey, SurveyRow, random_start, strategy_for
from voidscope.config import Config
from voidscope.errors import ConfigError
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Cycle, Project, SliceReader
from voidscope.vocabulary import Mask, SliceKey
from voidscope.volume import slice_index
from voidscope.workflow.snapshot import LOADING, current_cycle, training_keys

if TYPE_CHECKING:
    from voidscope.model import SlicePrediction


@dataclass(frozen=True)
class ScanPrediction:
    """A model's mask (z, y, x), ids 1..C, and entropy (z, y, x) in nats of one scan."""

    mask: Mask
    entropy: npt.NDArray[np.float16]


@dataclass(frozen=True)
class Suggested:
    """A queue and, where a sweep of the model was needed for it, what the sweep found."""

    suggestions: tuple[Suggestion, ...]
    survey: Survey | None = None
    predictions: Mapping[str, ScanPrediction] = field(default_factory=dict)


def suggest(
    project: Project, config: Config | None = None, scans: Iterable[str] | None = None
) -> Job[Suggested, tuple[Suggestion, ...]]:
    """Rank the unlabelled training slices and return the queue of what to label next (Algorithm 1).

    Before the first training the queue is random, as in the paper. Otherwise one sweep of the current model over
    all training slices gives the survey and, on the way, their masks; a second call re-ranks at once.
    """
    settings = config or project.config
    keys = training_keys(project)
    everything, labelled = frozenset(keys), frozenset(project.labels)
    chosen = frozenset(training_keys(project, scans))
    free = [k for k in keys if k in chosen and k not in labelled]
    budget = settings.suggest.budget
    if budget > len(free):
        raise ConfigError(
            f"suggest.budget is {budget}, but only {len(free)} training slices are unlabelled; "
            f"set suggest.budget={len(free)} or less."
        )
    rng = np.random.default_rng([settings.seed, len(labelled)])
    cycle, surveyed = project.cycle, _survey_of(project, keys)
    reader, n_classes = project.reader(k.scan for k in keys), len(project.classes)

    def steps() -> Steps[Suggested]:
        if cycle is None:
            yield Progress(0, 1, "no model yet: drawing at random")
            return Suggested(random_start(free, budget, rng))
        rank = strategy_for(settings.suggest)
        if surveyed is not None:
            yield Progress(0, 1, "ranking")
            return Suggested(rank(surveyed, labelled & everything, budget, rng, everything - chosen))
        survey, predictions = yield from _survey(cycle, reader, keys, n_classes, settings)
        return Suggested(
            rank(survey, labelled & everything, budget, rng, everything - chosen), survey, predictions
        )

    return Job("Suggesting", steps, lambda result: _keep(project, cycle, result))


def _survey_of(project: Project, keys: tuple[SliceKey, ...]) -> Survey | None:
    """The stored survey of the current model if it covers exactly these slices."""
    survey = project.survey
    return survey if survey is not None and survey.keys == keys else None


def _keep(project: Project, cycle: Cycle | None, result: Suggested) -> tuple[Suggestion, ...]:
    if cycle is not None:
        project.current(cycle.id)
        for scan, prediction in result.predictions.items():
            project.set_prediction(cycle.id, scan, prediction.mask, prediction.entropy)
    if result.survey is not None:
        project.set_survey(result.survey)
    project.set_suggestions(result.suggestions)
    return result.suggestions


def _survey(
    cycle: Cycle, reader: SliceReader, keys: Sequence[SliceKey], n_classes: int, settings: Config
) -> Steps[tuple[Survey, dict[str, ScanPrediction]]]:
    """One sweep over `keys`: survey rows and masks from the same forward pass."""
    rows: list[SurveyRow] = []
    predictions = yield from _segmenting(cycle, reader, keys, n_classes, settings, rows)
    return Survey.collect(rows, cycle.id), predictions


def segment(
    project: Project,
    scans: Iterable[str] | None = None,
    first: SliceKey | None = None,
    config: Config | None = None,
) -> Job[dict[str, ScanPrediction], tuple[str, ...]]:
    """Segment scans with the current model; returns their names; those it has segmented already are not predicted again.

    Slice `first` is predicted first, then its neighbours, then the other scans. Each `Progress.partial` is
    ``(SliceKey, SlicePrediction)``, so that a viewer can show slices as they come.
    """
    settings = config or project.config
    cycle = current_cycle(project)
    names = [project.scan(n).name for n in (project.scans if scans is None else scans)]
    todo = [n for n in names if project.mask(n) is None]
    reader, n_classes = project.reader(todo), len(project.classes)
    keys = _from_the_view(reader, todo, first)

    def commit(predictions: dict[str, ScanPrediction]) -> tuple[str, ...]:
        for scan, prediction in predictions.items():
            project.set_prediction(cycle.id, scan, prediction.mask, prediction.entropy)
        return tuple(names)

    return Job("Segmenting", lambda: _segmenting(cycle, reader, keys, n_classes, settings, None), commit)


def _from_the_view(reader: SliceReader, scans: Sequence[str], first: SliceKey | None) -> list[SliceKey]:
    """All slices of `scans`, those nearest to `first` before the rest of its scan and before other scans."""

    def distance(key: SliceKey) -> tuple[bool, int]:
        return (True, 0) if first is None or key.scan != first.scan else (False, abs(key.index - first.index))

    return sorted((k for n in scans for k in reader.records[n].slice_keys()), key=distance)


def _segmenting(
    cycle: Cycle, reader: SliceReader, keys: Sequence[SliceKey], n_classes: int, settings: Config,
    rows: list[SurveyRow] | None,
) -> Steps[dict[str, ScanPrediction]]:  # fmt: skip
    """Predict `keys`; `rows`, when given, collects what a survey keeps of each slice."""
    found: dict[str, ScanPrediction] = {}
    yield Progress(0, len(keys), LOADING)
    for done, (key, prediction) in enumerate(_predicting(cycle, reader, keys, n_classes, settings), start=1):
        record = reader.records[key.scan]
        if key.scan not in found:
            found[key.scan] = ScanPrediction(
                np.zeros(record.shape, np.uint8), np.zeros(record.shape, np.float16)
            )
        where = slice_index(record.plane, key.index)
        found[key.scan].mask[where] = prediction.mask
        found[key.scan].entropy[where] = prediction.entropy
        if rows is not None:
            rows.append(_survey_row(key, prediction))
        yield Progress(done, len(keys), f"segmenting {key.scan}", (key, prediction))
    return found


def _survey_row(key: SliceKey, p: SlicePrediction) -> SurveyRow:
    return (key, p.counts, p.entropy_max, p.entropy_mean, p.embedding, p.class_pixel, p.entropy_pixel)


def _predicting(
    cycle: Cycle, reader: SliceReader, keys: Sequence[SliceKey], n_classes: int, settings: Config
) -> Generator[tuple[SliceKey, SlicePrediction], None, None]:
    """Predictions in the order of `keys`; the network is loaded once, and only when there is a slice to predict."""
    if not keys:
        return
    from voidscope.model import load_segmenter, predict_slices

    model = Config.parse(dict(cycle.config)).model
    segmenter = load_segmenter(model, n_classes, cycle.weights())
    images = (reader.image(k) for k in keys)
    found = predict_slices(segmenter, images, cycle.normalisation, settings.device, flips=model.flips)
    yield from zip(keys, found, strict=True)
