"""Blind gauge studies on disk, each a folder below ``gauge/``: its plan, a file per reading, and in the end the table and the result.

Nothing of a study is a label: it lies apart from what models learn from, from undo and from the queue. A reading is written once
and never replaced; whatever is drawn of one that is not finished lies in ``drafts/``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tifffile

from voidscope.config import Config, MeasureConfig
from voidscope.errors import ConfigError, NotReady, ProjectError, named
from voidscope.metrology import GaugeStudy, Plan, Reading, Slot, gauge_study, verdict_agreement
from voidscope.project.atomic import json_bytes, read_json, remove, write_bytes, write_folder, write_new
from voidscope.project.label_files import now, user
from voidscope.project.manifest import package_version, still_there
from voidscope.project.scans import ScanRecord
from voidscope.vocabulary import Mask, Plane, SliceKey

COLUMNS = ("part", "operator", "value", "verdict", "repeat", "scan", "slice", "time", "author")
"""Of the table of readings; `voidscope gauge TABLE.csv` reads the first four."""


@dataclass(frozen=True)
class PartRecord:
    """Which slice a part is, and of which data, so that a scan changed since is noticed."""

    key: SliceKey
    plane: Plane
    fingerprint: str

    @classmethod
    def of(cls, key: SliceKey, record: ScanRecord) -> PartRecord:
        """A slice of a scan as it is now."""
        return cls(key, record.plane, record.fingerprint)

    def entry(self) -> dict[str, Any]:
        """The part as JSON has it."""
        return {"scan": self.key.scan, "slice": self.key.index, "plane": self.plane.value, "fingerprint": self.fingerprint}  # fmt: skip

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> PartRecord:
        """The inverse of `entry`."""
        return cls(SliceKey(entry["scan"], entry["slice"]), Plane(entry["plane"]), entry["fingerprint"])


@dataclass(frozen=True)
class Drawing:
    """A finished reading: what was drawn (h, w), what it measures and what the recipe says of that."""

    mask: Mask
    value: float
    verdict: str


@dataclass(frozen=True)
class StudyPlan:
    """A study as it was planned, which it stays.

    Attributes
    ----------
    plan : parts, operators, repeats and orders
    parts : the slice of each part, by its name
    models : id of the model of each operator that is one, by its name
    recipe : by which every reading is measured and decided
    """

    plan: Plan
    parts: Mapping[str, PartRecord]
    models: Mapping[str, str]
    recipe: MeasureConfig

    def entry(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return {
            "operators": list(self.plan.operators), "models": dict(self.models), "repeats": self.plan.repeats,
            "seed": self.plan.seed, "parts": {name: self.parts[name].entry() for name in self.plan.parts},
            "recipe": self.recipe.model_dump(mode="json"),
        }  # fmt: skip

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> StudyPlan:
        """The inverse of `entry`; raises `KeyError`, `TypeError`, `ValueError` or `ConfigError` for anything else."""
        parts = {name: PartRecord.from_entry(e) for name, e in entry["parts"].items()}
        plan = Plan(tuple(parts), tuple(entry["operators"]), entry["repeats"], entry["seed"])
        return cls(plan, parts, dict(entry["models"]), Config.parse({"measure": entry["recipe"]}).measure)


@dataclass(frozen=True)
class Study:
    """A study in its folder; holds no state, so that several windows and terminals may work on one."""

    folder: Path
    planned: StudyPlan

    @property
    def number(self) -> int:
        """Its place among the project's studies, from 1."""
        return int(self.folder.name)

    @property
    def plan(self) -> Plan:
        """Parts, operators, repeats and orders."""
        return self.planned.plan

    @classmethod
    def read(cls, folder: Path) -> Study:
        """Open a study; raises `ProjectError` when its plan is damaged."""
        path = folder / "plan.json"
        try:
            return cls(folder, StudyPlan.from_entry(read_json(path)))
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
            raise ProjectError(
                f"{path} is damaged: {str(error).rstrip('.')}. Restore it from a backup."
            ) from error

    @classmethod
    def all(cls, project: Path) -> tuple[Study, ...]:
        """The studies of a project's folder that can be opened, oldest first; `damaged` tells of the others."""
        found = [_opened(folder) for folder in _folders(project).values()]
        return tuple(study for study in found if isinstance(study, Study))

    @classmethod
    def damaged(cls, project: Path) -> tuple[str, ...]:
        """What is wrong with each study that cannot be opened, by its file."""
        found = [_opened(folder) for folder in _folders(project).values()]
        return tuple(str(study) for study in found if isinstance(study, ProjectError))

    @classmethod
    def count(cls, project: Path) -> int:
        """How many studies a project's folder has, damaged ones among them."""
        return len(_folders(project))

    @classmethod
    def begin(cls, project: Path, planned: StudyPlan, readings: Mapping[Slot, Drawing]) -> Study:
        """Write a new study, with what its models have read already, in one step."""
        study = cls(project / "gauge" / f"{max(_folders(project), default=0) + 1:04d}", planned)
        tree = planned.entry() | {"time": now(), "author": user(), "voidscope": package_version("voidscope")}
        files: dict[str, bytes | Path] = {"plan.json": json_bytes(tree)}
        for slot, drawing in readings.items():
            files[study._path(slot).relative_to(study.folder).as_posix()] = _encoded(slot, drawing)
        (project / "gauge").mkdir(exist_ok=True)
        write_folder(study.folder, files)
        return study

    def done(self, operator: str) -> int:
        """How many readings an operator has finished."""
        return sum(self._path(slot).is_file() for slot in self.plan.order(operator))

    def next(self, operator: str) -> Slot | None:
        """The reading that an operator has to make next; None when all are made."""
        return next((s for s in self.plan.order(operator) if not self._path(s).is_file()), None)

    @property
    def complete(self) -> bool:
        """Whether every operator has made every reading."""
        return all(self.next(operator) is None for operator in self.plan.operators)

    def keep(self, slot: Slot, drawing: Drawing) -> str:
        """Write a finished reading and forget its draft; what there is to say where that could not be deleted, else nothing.

        Raises
        ------
        ProjectError : the reading was made already, perhaps by another window at this moment, or the disk refuses; nothing is kept.
        """
        still_there(self.folder.parent.parent)
        if not write_new(self._path(slot), _encoded(slot, drawing)):
            raise ProjectError(
                f"Reading {slot.repeat} of this part by {slot.operator} was made already, perhaps in another window; it stays as it is. "
                "Leave the study and go on with it again."
            )
        try:
            remove(self._draft_path(slot.operator))
        except ProjectError as error:
            return f"The reading is kept. Its draft could not be deleted and is used no more: {error}"
        return ""

    def keep_draft(self, slot: Slot, mask: Mask) -> None:
        """Write what is drawn of a reading so far, in place of what the operator drew of any before."""
        still_there(self.folder.parent.parent)
        write_bytes(self._draft_path(slot.operator), _tiff(mask, asdict(slot)))

    def draft_file(self, operator: str) -> bytes | None:
        """The file of what an operator is drawing, by which one tells whether it was drawn on; None where there is none."""
        path = self._draft_path(operator)
        try:
            return path.read_bytes()
        except OSError:
            return None

    def draft(self, slot: Slot) -> Mask | None:
        """What was drawn (h, w) of a reading that is not finished; None where there is nothing, or nothing that can be read."""
        path = self._draft_path(slot.operator)
        try:
            found, mask = _described(path), tifffile.imread(path)
        except (OSError, ValueError, IndexError, tifffile.TiffFileError):
            return None
        return mask if found == asdict(slot) else None

    def drawing(self, slot: Slot) -> Mask:
        """What was drawn (h, w) for a finished reading; raises `ProjectError` where its file is damaged."""
        path = self._path(slot)
        try:
            mask: Mask = tifffile.imread(path)
        except (OSError, ValueError, tifffile.TiffFileError) as error:
            raise ProjectError(
                f"The reading {path} is damaged: {error}. Restore it from a backup."
            ) from error
        return mask

    def rows(self) -> list[dict[str, Any]]:
        """All readings of a complete study by column of its table, in the order of `Plan.slots`.

        Raises
        ------
        NotReady : somebody has readings to make still; a study is blind until then.
        ProjectError : a reading is damaged.
        """
        if not self.complete:
            left = ", ".join(f"{o} has made {self.done(o)} of {self.of_each}" for o in self.plan.operators)
            raise NotReady(f"Study {self.number} is blind until it is complete: {left}.")
        return [self._row(slot) for slot in self.plan.slots]

    def result(self, tolerance: float | None = None) -> tuple[GaugeStudy, float | None]:
        """What the readings say: the analysis of variance, and the agreement of the verdicts; raises as `rows` does.

        The table and the result without tolerance are written beside the readings where they are not yet.
        """
        rows = self.rows()
        readings = [Reading(r["part"], r["operator"], r["value"], r["verdict"]) for r in rows]
        found, kappa = gauge_study(readings), verdict_agreement(readings)
        files = {
            "readings.csv": _table(rows),
            "result.json": json_bytes(found.entry() | {"verdict_kappa": kappa}),
        }
        with suppress(ProjectError):  # who may only read the folder sees the result all the same
            for name in (n for n in files if not (self.folder / n).is_file()):
                write_bytes(self.folder / name, files[name])
        return (found if tolerance is None else gauge_study(readings, tolerance)), kappa

    def entry(self, tolerance: float | None = None) -> dict[str, Any]:
        """How far the study is, and once it is complete its result, as JSON has it; no reading of one that is not."""
        done = {operator: self.done(operator) for operator in self.plan.operators}
        state = {
            "study": self.number,
            "folder": str(self.folder),
            "of_each": self.of_each,
            "done": done,
            "result": None,
        }
        if self.complete:
            found, kappa = self.result(tolerance)
            state["result"] = found.entry() | {"verdict_kappa": kappa}
        return state

    @property
    def of_each(self) -> int:
        """How many readings each operator makes."""
        return len(self.plan.parts) * self.plan.repeats

    def _row(self, slot: Slot) -> dict[str, Any]:
        path, part = self._path(slot), self.planned.parts[slot.part]
        try:
            found = _described(path)
            if {name: found[name] for name in asdict(slot)} != asdict(slot):
                raise ValueError(f"it is the reading of {found['part']} by {found['operator']}")
            told = {name: found[name] for name in ("value", "verdict", "time", "author")}
            return asdict(slot) | told | {"scan": part.key.scan, "slice": part.key.index}
        except (OSError, ValueError, KeyError, TypeError, IndexError, tifffile.TiffFileError) as error:
            raise ProjectError(
                f"The reading {path} is damaged: {error}. Restore it from a backup."
            ) from error

    def _path(self, slot: Slot) -> Path:
        return self.folder / "readings" / f"{self._nick(slot.operator)}-{slot.part}-{slot.repeat}.tif"

    def _draft_path(self, operator: str) -> Path:
        return self.folder / "drafts" / f"{self._nick(operator)}.tif"

    def _nick(self, operator: str) -> str:
        """An operator in a file's name, for people's own names hold anything."""
        return f"operator{self.plan.operators.index(operator) + 1}"


def study_of(project: Path, number: int | None = None) -> Study:
    """A study of a project's folder by its number, or the newest; raises `NotReady` or `ProjectError` naming what there is."""
    folders = _folders(project)
    if not folders:
        raise NotReady(
            f"{project} has no gauge study yet; plan one in Measure, Gauge study, or with: voidscope gauge {project} --plan --operator A --operator B"
        )
    asked = max(folders) if number is None else number
    if asked not in folders:
        raise ProjectError(
            f"{project} has no study {number}; its studies are {', '.join(map(str, folders))}."
        )
    found = _opened(folders[asked])
    if isinstance(found, Study):
        return found
    others = [study.number for study in Study.all(project)]
    way = f" Studies {named(others)} can be opened by their number: --study {others[-1]}" if others else ""
    raise ProjectError(f"{found}{way}") from found


def _folders(project: Path) -> dict[int, Path]:
    """The folder of each study by its number, oldest first."""
    found = {int(p.name): p for p in (project / "gauge").glob("[0-9]*") if p.name.isdecimal()}
    return dict(sorted(found.items()))


def _opened(folder: Path) -> Study | ProjectError:
    """A study, or what is wrong with it."""
    try:
        return Study.read(folder)
    except ProjectError as error:
        return error


def _encoded(slot: Slot, drawing: Drawing) -> bytes:
    """A reading's file: the mask, and beside it what it measures, for whom and when."""
    told = {"value": drawing.value, "verdict": drawing.verdict, "time": now(), "author": user()}
    return _tiff(drawing.mask, asdict(slot) | told)


def _tiff(mask: Mask, description: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, mask, compression="zlib", description=json.dumps(description, allow_nan=False), metadata=None)  # fmt: skip
    return buffer.getvalue()


def _described(path: Path) -> dict[str, Any]:
    with tifffile.TiffFile(path) as file:
        found: dict[str, Any] = json.loads(file.pages.first.description)
    return found


def _table(rows: list[dict[str, Any]]) -> bytes:
    """The readings as CSV; numbers with every digit, so that the table gives the same result."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
