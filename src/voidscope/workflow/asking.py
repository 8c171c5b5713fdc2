"""Asking the model: which slices to label next, and what it sees in a scan."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voidscope.acquisition import (
    BY_GREY_LEVELS,
    ORDERS,
    UNASKED,
    Grounds,
    Pool,
    ScanFindings,
    Suggestion,
    Survey,
    SurveyRow,
    Suspects,
    appearance,
    draw_first,
    draw_unasked,
    flicker,
    limits_of,
    missed_voids,
    ranked,
    serves,
    strategy_for,
)
from voidscope.config import Config
from voidscope.errors import ConfigError, StaleResult
from voidscope.jobs import Job, Progress, Steps
from voidscope.metrology import TILE, Views
from voidscope.project import Cycle, Project, ScanRecord, SliceReader
from voidscope.project.results import PredictionDraft, draft_prediction
from voidscope.vocabulary import ClassMap, Mask, Role, SliceKey, Split
from voidscope.volume import slice_index
from voidscope.workflow.deciding import open_verdicts
from voidscope.workflow.lessons import Judging, driven
from voidscope.workflow.order import Eye, Nearest
from voidscope.workflow.snapshot import LOADING, current_cycle, training_keys

if TYPE_CHECKING:
    from voidscope.model import SlicePrediction
    from voidscope.training.vaal import Judged

Eyes = tuple[bytes, tuple[float, float]]
"""Pretrained encoder and decoder, with mean and standard deviation of the intensities."""


@dataclass(frozen=True)
class ScanPrediction:
    """A model's mask (z, y, x), ids 1..C, and entropy (z, y, x) in nats of one scan, and what they give to look at.

    `views` are what each mirror image alone says otherwise, where the model looks at more than one; until the scan is whole its blocks
    lie as its slices do, slices first.
    Once all slices are there it lies on disk as `draft`, so that a commit has nothing left to compress or to write. A sweep over all
    scans then lets go of its arrays, which are (0, 0, 0) from there on.
    """

    mask: Mask
    entropy: npt.NDArray[np.float16]
    found: ScanFindings | None = None
    views: Views | None = None
    draft: PredictionDraft | None = None

    def let_go(self) -> ScanPrediction:
        """What is left to keep of a drafted one: its draft; the arrays lie on disk."""
        nothing = np.zeros((0, 0, 0))
        draft = None if self.draft is None else replace(self.draft, mask=None)
        return ScanPrediction(nothing.astype(np.uint8), nothing.astype(np.float16), draft=draft)


@dataclass(frozen=True)
class Suggested:
    """A queue and, where a sweep of the model was needed for it, what the sweep found."""

    suggestions: tuple[Suggestion, ...]
    grounds: Grounds = field(default_factory=Grounds)
    survey: Survey | None = None
    predictions: Mapping[str, ScanPrediction] = field(default_factory=dict)


def suggest(
    project: Project,
    config: Config | None = None,
    scans: Iterable[str] | None = None,
    *,
    elsewhere: bool = False,
) -> Job[Suggested, tuple[Suggestion, ...]]:
    """Rank the unlabelled training slices and return the queue of what to label next (Algorithm 1).

    Before the first training `suggest.first` says how slices are drawn. Otherwise one sweep of the current model over
    all training slices gives the survey and, on the way, their masks; a second call re-ranks at once. A strategy that
    asks no model sweeps none, and ``verdict`` needs a measurement by the current model (`NotReady` without). ``vaal`` trains
    networks of its own: `elsewhere` does that in a process of its own.
    """
    settings = config or project.config
    keys = training_keys(project)
    everything, labelled = frozenset(keys), frozenset(project.labels)
    excluded = (everything - frozenset(training_keys(project, scans))) | project.queue.left_out()
    known = labelled & everything
    excluded -= known
    pool = Pool.of(keys, known, excluded, limits_of(settings.suggest))
    budget, free = settings.suggest.budget, len(pool.candidates)
    if budget > free:
        raise ConfigError(
            f"How many (suggest.budget) is {budget}, but only {free} training slices are neither labelled nor left out; "
            f"ask for {free} or fewer (suggest.budget={free})."
            if free
            else "Every training slice is labelled or left out; add scans, or bring back slices that were skipped or never wanted."
        )
    seed = [settings.seed, len(labelled)]
    rng = np.random.default_rng(seed)
    cycle, surveyed = project.cycle, _survey_of(project, keys, settings)
    decision = None
    if cycle is not None and settings.suggest.strategy == "verdict":
        decision = open_verdicts(project, cycle, {k.scan for k in keys} - {k.scan for k in excluded})
    reader, classes, eyes = project.reader(k.scan for k in keys), project.classes, _eyes(project, settings)
    judging = _judging(reader, pool, settings, elsewhere) if settings.suggest.strategy == "vaal" else None

    def steps() -> Steps[Suggested]:
        if cycle is None:
            features = yield from _features(reader, keys, settings, eyes)
            return Suggested(draw_first(settings.suggest, pool, budget, rng, features))
        judged = (yield from judging()) if judging else None
        scores = judged.scores if judged else None
        note = decision.note if decision else " ".join(judged.warnings) if judged else ""
        if surveyed is None and settings.suggest.strategy in UNASKED:
            picks = draw_unasked(settings.suggest, pool, budget, rng, scores)
            return Suggested(picks, Grounds(note=note))
        rank = strategy_for(settings.suggest, _foreground(classes), scores, decision, cycle.number)
        if surveyed is not None:
            yield Progress(0, 1, "ranking")
            picks, grounds = ranked(rank, surveyed, known, budget, seed, excluded)
            return Suggested(picks, replace(grounds, note=note))
        survey, predictions = yield from _survey(cycle, reader, keys, classes, settings)
        picks, grounds = ranked(rank, survey, known, budget, seed, excluded)
        return Suggested(picks, replace(grounds, note=note), survey, predictions)

    return Job("Suggesting", steps, lambda result: _keep(project, cycle, result))


def reranks(project: Project) -> bool:
    """Whether `suggest` would answer at once: from the stored survey, without asking a model or training one."""
    settings, keys = project.config, project.keys(Split.TRAIN)
    if project.cycle is None or settings.suggest.strategy == "vaal":
        return False
    return _survey_of(project, keys, settings) is not None


def _survey_of(project: Project, keys: tuple[SliceKey, ...], settings: Config) -> Survey | None:
    """The stored survey of the current model if it covers exactly these slices and holds what the strategy needs."""
    survey = project.survey
    fits = survey is not None and survey.keys == keys and serves(survey, settings.suggest)
    return survey if fits else None


def _foreground(classes: ClassMap) -> list[int]:
    """Columns of a survey that belong to classes other than background."""
    return [k for k, c in enumerate(classes.classes) if c.role is not Role.BACKGROUND]


def _eyes(project: Project, settings: Config) -> Eyes | None:
    """What looks at slices before there is a model; None when nothing is pretrained or nobody needs to look."""
    path = project.pretrained_path
    if (
        project.cycle is not None
        or settings.suggest.first in {*ORDERS, *BY_GREY_LEVELS}
        or not path.is_file()
    ):
        return None
    return path.read_bytes(), project.normalisation()


def _features(
    reader: SliceReader, keys: Sequence[SliceKey], settings: Config, eyes: Eyes | None
) -> Steps[npt.NDArray[np.float32] | None]:
    """What the slices look like, (N, D), for a first batch that clusters them: to the pretrained network, else by grey level.

    ``foreground`` and ``void-like`` go by grey levels alone.
    """
    if settings.suggest.first in ORDERS:
        yield Progress(0, 1, f"no model yet: drawing by {settings.suggest.first}")
        return None
    note = "looking at grey levels" if eyes is None else "asking the pretrained network"
    yield Progress(0, len(keys), note)
    images = (reader.image(k) for k in keys)
    look = BY_GREY_LEVELS.get(settings.suggest.first, appearance)
    rows = map(look, images) if eyes is None else _embeddings(images, settings, *eyes)
    found = []
    for row in rows:
        found.append(row)
        yield Progress(len(found), len(keys), note)
    return np.stack(found)


def _embeddings(
    images: Iterable[npt.NDArray[np.float32]],
    settings: Config,
    weights: bytes,
    normalisation: tuple[float, float],
) -> Iterator[npt.NDArray[np.float32]]:
    """The pooled decoder output of each slice (D,), by the pretrained network; its head, which knows nothing, is not used."""
    from voidscope.model import build_segmenter, predict_slices

    model = settings.model.model_copy(update={"initialisation": "contrastive"})
    segmenter = build_segmenter(model, 2, settings.seed, weights)
    yield from (p.embedding for p in predict_slices(segmenter, images, normalisation, settings.device))


def _judging(
    reader: SliceReader, pool: Pool, settings: Config, elsewhere: bool
) -> Callable[[], Steps[Judged]]:
    """How labelled each slice looks to VAAL, as a job runs it."""
    labelled = np.isin(np.arange(len(pool.keys)), pool.anchors).tolist()
    judging = Judging(reader, tuple(pool.keys), tuple(labelled), settings)
    return driven("VAAL", judging.steps, elsewhere=elsewhere)


def _keep(project: Project, cycle: Cycle | None, result: Suggested) -> tuple[Suggestion, ...]:
    project.catch_up()  # a terminal may have trained, or labelled what is about to be suggested
    if project.cycle != cycle:
        raise StaleResult("A model was trained meanwhile; the queue was not kept. Suggest again.")
    if result.survey is not None:
        project.set_survey(result.survey)
    if cycle is not None:
        _keep_predictions(project, cycle, result.predictions)
    left_out = project.queue.left_out()
    there = [s for s in result.suggestions if s.key.scan in project.scans]
    fresh = [s for s in there if s.key not in project.labels and s.key not in left_out]
    project.queue.put(fresh, result.grounds)
    return project.suggestions


def _keep_predictions(project: Project, cycle: Cycle, predictions: Mapping[str, ScanPrediction]) -> None:
    """Keep what was found of each scan that the project still has."""
    project.catch_up()
    project.current(cycle.id)
    for draft in (p.draft for p in predictions.values()):
        if draft is not None and draft.record.name in project.scans:
            project.keep(draft)
    if predictions:
        project.events.findings_changed.emit()


def _survey(
    cycle: Cycle, reader: SliceReader, keys: Sequence[SliceKey], classes: ClassMap, settings: Config
) -> Steps[tuple[Survey, dict[str, ScanPrediction]]]:
    """One sweep over `keys`: survey rows and masks from the same forward pass."""
    rows: list[SurveyRow] = []
    predictions = yield from _segmenting(cycle, reader, keys, classes, settings, rows)
    return Survey.collect(rows, cycle.id, settings.suggest.top_percent), predictions


def segment(
    project: Project,
    scans: Iterable[str] | None = None,
    first: SliceKey | None = None,
    config: Config | None = None,
    *,
    eye: Eye | None = None,
) -> Job[dict[str, ScanPrediction], tuple[str, ...]]:
    """Segment scans with the current model; returns their names; those it has segmented already are not predicted again.

    Slice `first`, or the one that `eye` says is in view as the work goes on, is predicted first, then its neighbours, then
    the other scans. Each `Progress.partial` is ``(SliceKey, SlicePrediction, model id)``, so that a viewer can show slices as they come.
    """
    settings = config or project.config
    cycle = current_cycle(project)
    names = [project.scan(n).name for n in (project.scans if scans is None else scans)]
    todo = [n for n in names if not project.is_segmented(n)]
    reader, classes = project.reader(todo), project.classes
    everything = [k for n in todo for k in reader.records[n].slice_keys()]

    def commit(predictions: dict[str, ScanPrediction]) -> tuple[str, ...]:
        _keep_predictions(project, cycle, predictions)
        return tuple(n for n in names if n in project.scans)

    def steps() -> Steps[dict[str, ScanPrediction]]:
        keys = Nearest(everything, eye or (lambda: first))
        return _segmenting(cycle, reader, keys, classes, settings, None)

    return Job(" ".join(["Segmenting", *(names if len(names) == 1 else ())]), steps, commit)


def _segmenting(
    cycle: Cycle, reader: SliceReader, keys: Sequence[SliceKey] | Nearest, classes: ClassMap, settings: Config,
    rows: list[SurveyRow] | None,
) -> Steps[dict[str, ScanPrediction]]:  # fmt: skip
    """Predict `keys`; `rows`, when given, collects what a survey keeps of each slice, and each scan is let go of once it is on disk.

    As soon as all slices of a scan are there, its findings are worked out and its suspects let go.
    """
    found: dict[str, ScanPrediction] = {}
    suspects: dict[str, list[tuple[int, Suspects]]] = {}
    void_ids = classes.ids_with_role(Role.VOID)
    told = [""]
    yield Progress(0, len(keys), LOADING)
    gradients = rows is not None and settings.suggest.strategy == "badge"
    predicting = _predicting(
        cycle, reader, keys, classes, settings, gradients, lambda what: told.append(f", {what}")
    )
    for done, (key, prediction) in enumerate(predicting, start=1):
        record = reader.records[key.scan]
        if key.scan not in found:
            found[key.scan] = ScanPrediction(
                np.zeros(record.shape, np.uint8), np.zeros(record.shape, np.float16)
            )
        where = slice_index(record.plane, key.index)
        found[key.scan].mask[where] = prediction.mask
        found[key.scan].entropy[where] = prediction.entropy
        if prediction.views is not None:
            views = found[key.scan].views or _no_views(record, prediction.views)
            views.blocks[:, key.index // TILE] += prediction.views
            found[key.scan] = replace(found[key.scan], views=views)
        if rows is not None:
            rows.append(prediction.survey_row(key))
        suspects.setdefault(key.scan, []).append((key.index, prediction.suspects or Suspects.none()))
        if len(suspects[key.scan]) == record.n_slices:
            mask = np.moveaxis(found[key.scan].mask, record.plane.axis, 0)
            findings = _findings(key.scan, suspects.pop(key.scan), mask, void_ids)
            drafted = _drafted(cycle, record, classes, replace(found[key.scan], found=findings))
            found[key.scan] = drafted if rows is None else drafted.let_go()
        yield Progress(done, len(keys), f"segmenting {key.scan}{told[-1]}", (key, prediction, cycle.id))
    return found


def _no_views(record: ScanRecord, of_slice: npt.NDArray[np.integer]) -> Views:
    """Room for what the views of a scan say, one slice of which is (V, h', w', C)."""
    n, *rest = of_slice.shape
    return Views(np.zeros((n, -(-record.n_slices // TILE), *rest), np.int32))


def _drafted(cycle: Cycle, record: ScanRecord, classes: ClassMap, found: ScanPrediction) -> ScanPrediction:
    if found.views is not None:
        found = replace(found, views=Views(np.moveaxis(found.views.blocks, 1, 1 + record.plane.axis)))
    draft = draft_prediction(
        cycle.folder, cycle.id, record, classes, found.mask, found.entropy, found.found, found.views
    )
    return replace(found, draft=draft)


def _findings(
    scan: str, suspects: Sequence[tuple[int, Suspects]], mask: Mask, void_ids: Sequence[int]
) -> ScanFindings:
    """What a scan gives to look at; the slices of `mask` lie along its first axis."""
    counts, flickers = flicker(scan, mask)
    return ScanFindings(missed_voids(scan, suspects, mask, void_ids), flickers, counts)


def _predicting(
    cycle: Cycle,
    reader: SliceReader,
    keys: Sequence[SliceKey] | Nearest,
    classes: ClassMap,
    settings: Config,
    gradients: bool,
    tell: Callable[[str], object],
) -> Generator[tuple[SliceKey, SlicePrediction], None, None]:
    """Predictions in the order of `keys`; the network is loaded once, and only when there is a slice to predict."""
    if not len(keys):
        return
    from voidscope.model import load_segmenter, predict_slices

    model = cycle.settings.model
    segmenter = load_segmenter(model, len(classes), cycle.weights())
    drawn: deque[SliceKey] = deque()

    def images() -> Iterator[npt.NDArray[np.float32]]:
        for key in keys:
            drawn.append(key)
            yield reader.image(key)

    found = predict_slices(
        segmenter, images(), cycle.normalisation, settings.device, flips=model.flips,
        top_percent=settings.suggest.top_percent, gradients=gradients,
        void_ids=classes.ids_with_role(Role.VOID), tell=tell,
    )  # fmt: skip
    yield from ((drawn.popleft(), prediction) for prediction in found)
