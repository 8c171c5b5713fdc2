"""The project: the one mutable object, a readable folder on disk that is always up to date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from voidscope.acquisition import Suggestion, Survey
from voidscope.config import Config
from voidscope.errors import ProjectError, StaleResult
from voidscope.metrology import Report
from voidscope.project import leftovers, removing, results
from voidscope.project.atomic import explained
from voidscope.project.cycles import Cycle
from voidscope.project.journal import Journal
from voidscope.project.labels import Labels
from voidscope.project.manifest import Manifest, still_there
from voidscope.project.masks import mask_path
from voidscope.project.memory import Memory
from voidscope.project.queue import Queue
from voidscope.project.scans import ScanRecord, SliceLists, SliceReader, pooled_moments
from voidscope.project.watching import Watch
from voidscope.vocabulary import ClassMap, Mask, SliceKey, Split
from voidscope.volume import Spacing, Volume, VoxelSource, check_spacing

REPORT, PRETRAINED = "report", "pretrained/weights.safetensors"
"""Where the last measurement and pretrained weights lie in the folder."""


class ProjectEvents:
    """What changes in a project, told after it is on disk."""

    scans_changed = Signal()
    labels_changed = Signal(tuple)
    """The slices of one step, which may be many."""
    cycles_changed = Signal()
    suggestions_changed = Signal()
    marks_changed = Signal(SliceKey)
    findings_changed = Signal()
    masks_changed = Signal(str)
    config_changed = Signal()
    report_changed = Signal()
    survey_changed = Signal()
    evaluation_changed = Signal()
    pretrained_changed = Signal()

    def connect_all(self, watch: Watch) -> None:
        """Let a watch take what this program writes itself as seen."""
        self.cycles_changed.connect(watch.note_all)
        self.masks_changed.connect(partial(watch.note, "masks"))
        for what in ("suggestions", "survey", "evaluation", "findings", "report", "pretrained"):
            getattr(self, f"{what}_changed").connect(partial(watch.note, what))


class Project:
    """Scans, classes, labels, cycles and their results, kept in one folder.

    Make one with `create` or `open`. Every change is on disk, durably, before its method returns and its event is emitted.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        leftovers.sweep(folder)
        self.path = folder
        self.events = ProjectEvents()
        self.classes = ClassMap.from_entries(manifest.classes)
        self._manifest = manifest
        self._slices = SliceLists()
        self.memory = Memory(folder, self.classes, self.scan, lambda: self.cycle)
        self._opened, self._masks = self.memory.scans, self.memory.masks
        self.labels = Labels(
            folder / "labels", len(self.classes), self.slice_shape, lambda scan: self.scan(scan).source, self.events.labels_changed.emit,
            Journal(folder / "undo"),
        )  # fmt: skip
        self._cycles = Cycle.read_all(folder / "cycles")
        self.queue = Queue(
            folder, self.labels, lambda: self.cycle, self.events.suggestions_changed.emit, self.events.marks_changed.emit
        )  # fmt: skip
        self._watch = Watch(folder, lambda: self.cycle)
        self.events.connect_all(self._watch)

    @classmethod
    def create(cls, path: str | Path, classes: ClassMap, *, config: Config | None = None) -> Project:
        """Make a new project folder; raises `ProjectError` when `path` exists and is not empty."""
        folder = _new_folder(Path(path))
        Manifest(classes=classes.entries(), config=config or Config.product()).write(folder)
        return cls.open(folder)

    @classmethod
    def open(cls, path: str | Path) -> Project:
        """Open a project folder; raises `ProjectError` when it is none, damaged or of a newer voidscope."""
        folder = Path(path)
        return cls(folder, Manifest.read(folder))

    def catch_up(self) -> None:
        """Take in what another program (a terminal beside the window) has changed in this folder since."""
        manifest, before = Manifest.read(still_there(self.path)), self._manifest
        cycles = Cycle.read_all(self.path / "cycles", self._cycles)
        self._manifest = manifest
        if manifest.scans != before.scans:
            self._opened.clear()
            self.events.scans_changed.emit()
        if manifest.config != before.config:
            self.events.config_changed.emit()
        self._follow(cycles)
        self.queue.catch_up()
        self._tell_news()
        self.labels.catch_up()

    # -- scans ----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def scans(self) -> Mapping[str, ScanRecord]:
        """Scan records by name, in order of name."""
        return MappingProxyType({s.name: s for s in self._manifest.scans})

    def scan(self, name: str) -> ScanRecord:
        """The record of one scan; raises `ProjectError` naming the known ones."""
        if name not in self.scans:
            known = ", ".join(self.scans) or "none yet"
            raise ProjectError(f"There is no scan {name!r} in {self.name}; it has {known}.")
        return self.scans[name]

    def add(self, records: Sequence[ScanRecord]) -> None:
        """Take in scans recorded by `record_scan`; one already known takes the place, split and plane said now.

        One that was removed has its labels and marks again. Raises `ProjectError` when a name is taken by another scan, or a labelled scan
        would be cut along another axis.
        """
        self.catch_up()
        _refuse_namesakes(records)
        found, twins = removing.as_known(self.path, records, self.scans, self.labels.speak_of)
        self._take_in(found)
        removing.bring_back(self.path, twins, self.scans, self.queue)
        self.labels.catch_up()

    def remove(self, scan: str) -> None:
        """Take a scan out, with what models found in it; its labels and marks lie in ``removed/`` until the same file is added again."""
        self.catch_up()
        folders = [c.folder for c in self._cycles]
        removing.put_aside(self.path, self.scan(scan), folders, self.queue.said_of(scan))
        self.queue.forget(scan)
        self._take_in([], without=scan)
        removing.move_labels(self.path, scan)
        self.labels.catch_up()

    def set_spacing(self, scan: str, spacing_um: Spacing) -> None:
        """Set a scan's voxel edge lengths (z, y, x) in um; raises `VolumeError` for impossible ones."""
        check_spacing(spacing_um, scan)
        self.catch_up()
        self._take_in([self.scan(scan).typed_in(spacing_um)])

    def volume(self, scan: str) -> Volume:
        """The scan, opened lazily and kept open; raises `ProjectError` when its file is gone or has changed."""
        return self.memory.volume(scan)

    def image(self, key: SliceKey) -> npt.NDArray[np.float32]:
        """A slice (h, w), scaled to [0, 1] between its scan's 1st and 99th percentile."""
        self.slice_shape(key)
        return self.reader([key.scan]).image(key)

    def reader(self, scans: Iterable[str]) -> SliceReader:
        """A reader of these scans' slices for a job, which opens there what is not open yet; raises `ProjectError` when a file is gone."""
        return SliceReader({n: self.memory.scan(n).check() for n in sorted(set(scans))})

    def slice_shape(self, key: SliceKey) -> tuple[int, int]:
        """(h, w) of a slice; raises `ProjectError` when there is no such slice."""
        return self.scan(key.scan).shape_of(key.index)

    def keys(self, split: Split | None = None) -> tuple[SliceKey, ...]:
        """All slices in order, or those of one split."""
        return self._slices.of(self._manifest.scans, split)

    def normalisation(self) -> tuple[float, float]:
        """Mean and standard deviation of the scaled intensities, pooled over the training scans."""
        return pooled_moments([s for s in self._manifest.scans if s.split is Split.TRAIN], self.path)

    # -- settings -------------------------------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """The project's settings."""
        return self._manifest.config

    def set_config(self, config: Config) -> None:
        """Change the project's settings; what another program has set meanwhile stays where `config` changes nothing."""
        if config != (before := self.config):
            self.catch_up()
            self._write(config=self.config.merged(before, config))
            self.events.config_changed.emit()

    # -- cycles and their results ----------------------------------------------------------------------------

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        """All trained cycles, oldest first."""
        return self._cycles

    @property
    def cycle(self) -> Cycle | None:
        """The newest cycle, whose model is the current one; None before the first training."""
        return self._cycles[-1] if self._cycles else None

    @property
    def next_cycle(self) -> int:
        """Number of the cycle to come."""
        return self._cycles[-1].number + 1 if self._cycles else 1

    def add_cycle(self, cycle: Cycle, weights: bytes, same: Cycle | None = None) -> Cycle:
        """Append a trained cycle; its number must be the next one, else `StaleResult`.

        What an earlier cycle with the `same` weights has found goes along: masks, survey, evaluation.
        """
        self.catch_up()
        if cycle.number != self.next_cycle:
            raise StaleResult(
                f"Another model was trained meanwhile (cycle {self.next_cycle - 1}); this one was not kept. Train again."
            )
        with explained(self.path):
            (self.path / "cycles").mkdir(exist_ok=True)
        along = results.found_by(same.folder) if same is not None else {}
        written = cycle.write(self.path / "cycles" / f"{cycle.number:04d}", weights, along)
        self._follow((*self._cycles, written))
        return written

    def current(self, model_id: str) -> Cycle:
        """The current cycle if it is the one named, else `StaleResult`; every commit of a model's result asks this."""
        self._follow(Cycle.read_all(still_there(self.path) / "cycles", self._cycles))
        cycle = self.cycle
        if cycle is None or cycle.id != model_id:
            raise StaleResult(
                f"The result belongs to {model_id}, which is no longer the current model; it was not kept."
            )
        return cycle

    @property
    def survey(self) -> Survey | None:
        """What the current model thinks of every training slice, or None."""
        return results.read_survey(self.cycle.folder, self.cycle.id) if self.cycle else None

    def set_survey(self, survey: Survey) -> None:
        """Keep a survey of the current model; raises `StaleResult` for another model's."""
        results.write_survey(self.current(survey.model_id).folder, survey)
        self.events.survey_changed.emit()

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """The queue: what to label next according to the current model (or the random start)."""
        known, picks = self.scans, self.queue.suggestions
        return tuple(s for s in picks if s.key.scan in known and s.key.index < known[s.key.scan].n_slices)

    def mask(self, scan: str) -> Mask | None:
        """The current model's mask of a scan (z, y, x), ids 1..C; None when not segmented yet."""
        return self.memory.mask(scan)

    def is_segmented(self, scan: str) -> bool:
        """Whether the current model's mask of a scan is there; reads none."""
        return self.cycle is not None and self.mask_path(scan).is_file()

    def mask_path(self, scan: str) -> Path:
        """Where the current model's mask of a scan lies (a TIFF in the ids of the label files)."""
        return mask_path(self.cycle.folder if self.cycle else self.path, scan)

    def uncertainty(self, scan: str) -> VoxelSource | None:
        """The current model's entropy in nats (z, y, x) of a scan, read when it is looked at; None when not segmented yet."""
        return results.read_uncertainty(self.cycle.folder, scan) if self.cycle else None

    def keep(self, draft: results.PredictionDraft) -> None:
        """Keep what a job has written of a scan; raises `StaleResult` for another model's, or of another plane."""
        results.keep_prediction(self.current(draft.model_id).folder, draft, self.scan(draft.record.name))
        self._masks.pop(draft.record.name, None)
        if draft.mask is not None:
            self._masks.hold(draft.record.name, draft.mask)
        self.events.masks_changed.emit(draft.record.name)

    def set_doubts(self, model_id: str, found: results.Doubts) -> None:
        """Keep which labels the current model contradicts; raises `StaleResult` for another model's."""
        results.write_doubts(self.current(model_id).folder, model_id, found)
        self.events.findings_changed.emit()

    def set_evaluation(self, model_id: str, metrics: Mapping[str, object]) -> None:
        """Keep the held-out metrics of the current model beside it."""
        results.write_evaluation(self.current(model_id).folder, metrics)
        self.events.evaluation_changed.emit()

    @property
    def report(self) -> Report | None:
        """The last measurement, or None."""
        return results.read_report(self.report_folder)

    @property
    def report_folder(self) -> Path:
        """Where the last report's HTML, JSON and CSV files lie."""
        return self.path / REPORT

    def set_report(self, report: Report, pictures: Mapping[str, bytes]) -> None:
        """Replace the last measurement."""
        results.write_report(still_there(self.path) / REPORT, report, pictures)
        self.events.report_changed.emit()

    @property
    def pretrained_path(self) -> Path:
        """Weights of the contrastive pretraining; the file exists once it has run."""
        return self.path / PRETRAINED

    def set_pretrained(self, weights: bytes, record: Mapping[str, object]) -> None:
        """Keep pretrained weights and what made them; no begun pretraining needs to go on any more."""
        results.write_pretrained(still_there(self.path) / PRETRAINED, weights, record)
        self.events.pretrained_changed.emit()

    # -- inside -----------------------------------------------------------------------------------------------

    def _take_in(self, records: Sequence[ScanRecord], without: str = "") -> None:
        """Keep these records, and one no longer; what lies of the scans follows them."""
        scans = {n: r for n, r in self.scans.items() if n != without}
        for record in records:
            if (was := scans.get(record.name)) is not None and was != record:
                results.follow((c.folder for c in self._cycles), was, record)
                if was.plane is not record.plane:
                    self.queue.forget(record.name, all_suggestions=True)  # ranked by a survey of other slices
            scans[record.name] = record
        for name in (without, *(r.name for r in records)):
            self._opened.pop(name, None)
        self._write(scans=tuple(sorted(scans.values(), key=lambda s: s.name)))
        self.events.scans_changed.emit()
        self._tell_news()

    def _tell_news(self) -> None:
        """Tell of every result that was written or taken away since somebody last looked."""
        for what, scan in self._watch.news():
            self._masks.pop(scan, None)
            getattr(self.events, f"{what}_changed").emit(*filter(None, [scan]))

    def _follow(self, cycles: tuple[Cycle, ...]) -> None:
        """Go on with these cycles, where another program has trained one."""
        if cycles != self._cycles:
            self._cycles = cycles
            self._masks.clear()
            self.events.cycles_changed.emit()
            self.events.suggestions_changed.emit()

    def _write(self, **changes: object) -> None:
        manifest = self._manifest.model_copy(update=changes)
        manifest.write(self.path)
        self._manifest = manifest


def _refuse_namesakes(records: Sequence[ScanRecord]) -> None:
    """Two files that would be one scan: the second would quietly take the place of the first."""
    paths: dict[str, str] = {}
    for record in records:
        if (path := paths.setdefault(record.name, record.path)) != record.path:
            raise ProjectError(
                f"{path} and {record.path} would both be the scan {record.name!r}; none is added. Rename one of them."
            )


def _new_folder(folder: Path) -> Path:
    """Make an empty folder for a project."""
    if (folder / "project.json").exists():
        raise ProjectError(f"{folder} already holds a project. Open it, or choose another folder.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(f"{folder} exists and is not empty. Choose a new folder for the project.")
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder
