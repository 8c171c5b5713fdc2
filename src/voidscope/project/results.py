"""What a model thinks, on disk below its cycle: survey, masks, uncertainty, evaluation; and the queue and reports."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from voidscope.acquisition import Finding, ScanFindings, Survey, SurveyError
from voidscope.errors import ProjectError, StaleResult
from voidscope.metrology import TILE, Changes, Report, Views
from voidscope.project.atomic import (
    Draft,
    json_bytes,
    keep_all,
    read_json,
    remove,
    replace_folder,
    write_bytes,
    write_json,
)
from voidscope.project.exporting import with_sums
from voidscope.project.history import append_record
from voidscope.project.masks import hash_path, mask_path, mask_sha256, remedied, uncertainty_path
from voidscope.project.scans import ScanRecord
from voidscope.vocabulary import ClassMap, Mask, SliceKey
from voidscope.volume import Spacing, VoxelSource, read_scan, tiff_bytes, with_spacing
from voidscope.volume.planes import Planes

log = logging.getLogger(__name__)

_KEYS = "keys_json"

Doubts = Mapping[tuple[str, str], Sequence[Finding]]
"""Findings by slice key, as text, and SHA-256 of the label that a model was compared with."""


def write_survey(folder: Path, survey: Survey) -> None:
    """Store a survey as one safetensors file, its slice keys inside as JSON bytes."""
    keys = np.frombuffer(json.dumps([str(k) for k in survey.keys]).encode(), dtype=np.uint8)
    write_bytes(folder / "survey.safetensors", save({**survey.arrays(), _KEYS: keys}))


def read_survey(folder: Path, model_id: str) -> Survey | None:
    """The survey of a cycle folder, or None; a damaged one counts as none, for Suggest makes it anew."""
    path = folder / "survey.safetensors"
    if not path.is_file():
        return None
    return _read_survey(path, path.stat().st_mtime_ns, model_id)


@lru_cache(maxsize=2)
def _read_survey(path: Path, changed: int, model_id: str) -> Survey | None:
    """The survey in a file as it was when it `changed`; a card asks for it at every move of the slider."""
    try:
        arrays = load(path.read_bytes())
        keys = tuple(SliceKey.parse(k) for k in json.loads(arrays.pop(_KEYS).tobytes()))
        return Survey.from_arrays(keys, arrays, model_id)
    except (SafetensorError, SurveyError, KeyError, ValueError) as error:
        log.warning("%s is damaged (%s); suggesting makes it anew", path, error)
        return None


@dataclass(frozen=True)
class PredictionDraft:
    """What a model said of a scan as it was then, on disk already but under temporary names; `Project.keep` keeps it."""

    model_id: str
    record: ScanRecord
    mask: Mask | None  # None where it was let go of; the file has it
    files: tuple[Draft, ...]


def draft_prediction(
    folder: Path, model_id: str, record: ScanRecord, classes: ClassMap,
    mask: Mask, entropy: npt.NDArray[np.float16], found: ScanFindings | None = None,
    views: Views | None = None,
) -> PredictionDraft:  # fmt: skip
    """Write a scan's mask (z, y, x), in the ids of the label files, the hash of it, its entropy in nats, its findings and what each view of the model
    says otherwise (None where it has but one), on any thread.

    The mask is kept last: where there is one, a scan is segmented.
    """
    name, spacing_um = record.name, record.spacing_um
    files = {
        uncertainty_path(folder, name): tiff_bytes(entropy.astype(np.float32), spacing_um),
        hash_path(folder, name): f"{mask_sha256(mask)}\n".encode(),
        mask_path(folder, name): tiff_bytes(classes.to_file(mask), spacing_um),
    }
    if found is not None:
        files = {folder / "findings" / f"{name}.json": _findings_bytes(model_id, found)} | files
    if views is None:
        remove(_views_path(folder, name))
    else:
        blocks = np.ascontiguousarray(views.blocks, np.int32)
        files = {_views_path(folder, name): save({"blocks": blocks})} | files
    return PredictionDraft(
        model_id, record, mask, tuple(Draft.of(path, data) for path, data in files.items())
    )


def keep_prediction(folder: Path, draft: PredictionDraft, record: ScanRecord) -> None:
    """Keep in a cycle folder what was drafted of a scan with this `record`; raises `StaleResult` for slices of another plane."""
    if record.plane is not draft.record.plane:
        raise StaleResult(
            f"{record.name} is cut along {record.plane.value} now; the mask was not kept. Segment again."
        )
    keep_all(draft.files)
    follow([folder], draft.record, record)  # a spacing typed in meanwhile


def pretrain_state_path(pretrained: Path, recipe: str) -> Path:
    """State, beside the weights, from which the pretraining with this recipe (a hash of data and settings) resumes."""
    return pretrained.with_name(f"state-{recipe}.pt")


def write_pretrained(path: Path, weights: bytes, record: Mapping[str, object]) -> None:
    """Store pretrained weights and what made them, and drop the states of this and of every other recipe."""
    write_bytes(path, weights)
    write_json(path.with_name("pretrained.json"), record)
    for state in path.parent.glob("state-*.pt"):
        remove(state)


def _findings_bytes(model_id: str, found: ScanFindings) -> bytes:
    tree = {
        "model": model_id, "missed": [f.entry() for f in found.missed], "flicker": [f.entry() for f in found.flicker],
        "flickering": list(found.flickering),
    }  # fmt: skip
    return json_bytes(tree)


def read_findings(folder: Path, scan: str) -> ScanFindings | None:
    """What was stored of a scan, or None."""
    path = folder / "findings" / f"{scan}.json"
    if not path.is_file():
        return None
    known, changed = _known_findings(folder), path.stat().st_mtime_ns
    if scan not in known or known[scan][0] != changed:
        known[scan] = changed, _read_findings(path)
    return known[scan][1]


@lru_cache(maxsize=2)
def _known_findings(folder: Path) -> dict[str, tuple[int, ScanFindings]]:
    """What was read of a cycle, by scan, and when the file had changed: lists are rebuilt after every stroke, of the newest cycle."""
    return {}


def _read_findings(path: Path) -> ScanFindings:
    tree: Mapping[str, Any] = read_json(path)
    try:
        missed, flicker = (tuple(Finding.from_entry(e) for e in tree[n]) for n in ("missed", "flicker"))
        return ScanFindings(missed, flicker, tuple(int(n) for n in tree["flickering"]))
    except (SurveyError, KeyError, TypeError, ValueError) as error:
        raise ProjectError(f"{path} is damaged: {error}. Delete it and segment the scan again.") from error


def write_doubts(folder: Path, model_id: str, found: Doubts) -> None:
    """Store which labels a model contradicts."""
    slices = [
        {"slice": key, "label_sha256": sha256, "doubts": [f.entry() for f in doubts]}
        for (key, sha256), doubts in found.items()
    ]
    write_json(folder / "doubts.json", {"model": model_id, "slices": slices})


def read_doubts(folder: Path) -> Doubts:
    """What was stored of labels in doubt; empty when the model was not asked."""
    path = folder / "doubts.json"
    if not path.is_file():
        return {}
    tree: Mapping[str, Any] = read_json(path)
    try:
        return {
            (s["slice"], s["label_sha256"]): tuple(Finding.from_entry(e) for e in s["doubts"])
            for s in tree["slices"]
        }
    except (SurveyError, KeyError, TypeError) as error:
        raise ProjectError(f"{path} is damaged: {error}. Delete it and review again.") from error


SHARED = (
    "masks/*.tif", "masks/*.sha256", "uncertainty/*.tif", "views/*.safetensors", "survey.safetensors", "evaluation.json", "findings/*.json",
    "decisions.json",
)  # fmt: skip
"""What a model has found and how it was judged; that it was in force once says nothing of now."""


def found_by(folder: Path) -> dict[str, Path]:
    """Files of a cycle folder that another cycle of the same model may have, by their places in it."""
    return {p.relative_to(folder).as_posix(): p for pattern in SHARED for p in folder.glob(pattern)}


def set_spacing(folder: Path, scan: str, spacing_um: Spacing | None) -> None:
    """Write another spacing into the mask and uncertainty files of a scan, where a cycle folder has them."""
    for path in (mask_path(folder, scan), uncertainty_path(folder, scan)):
        if path.is_file():
            write_bytes(path, with_spacing(path.read_bytes(), spacing_um))


def follow(folders: Iterable[Path], was: ScanRecord, record: ScanRecord) -> None:
    """Let what cycle folders hold of a scan follow its record: its masks the spacing, and nothing the slices of another plane."""
    for folder in folders:
        if was.plane is not record.plane:
            _forget_slices(folder, record.name)
        elif was.spacing_um != record.spacing_um:  # whoever measures a mask file alone shall measure the same
            set_spacing(folder, record.name, record.spacing_um)


def forget(folders: Iterable[Path], scan: str) -> None:
    """Drop from cycle folders what was found in a scan, and the surveys, which speak of all scans together."""
    for folder in folders:
        _forget_slices(folder, scan)


def _forget_slices(folder: Path, scan: str) -> None:
    """Drop from a cycle folder what was found slice by slice in a scan."""
    lying = (uncertainty_path(folder, scan), folder / "findings" / f"{scan}.json")
    of_mask = (mask_path(folder, scan), hash_path(folder, scan))
    for path in (folder / "survey.safetensors", *of_mask, _views_path(folder, scan), *lying):
        if path.is_file():
            remove(path)


def _views_path(folder: Path, scan: str) -> Path:
    return folder / "views" / f"{scan}.safetensors"


def read_views(folder: Path, scan: str, shape: tuple[int, int, int], n_classes: int) -> Views:
    """What each view of the model says otherwise of a scan (z, y, x), none where none was stored; raises `ProjectError` for a damaged
    file.
    """
    path = _views_path(folder, scan)
    if not path.is_file():
        return Views.none(n_classes)
    blocks = tuple(-(-n // TILE) for n in shape)
    try:
        found = Views(load(path.read_bytes())["blocks"])
    except (SafetensorError, KeyError) as error:
        raise ProjectError(f"{path} is damaged: {error}. Delete it and segment again.") from error
    if found.blocks.dtype != np.int32 or found.blocks.shape[1:] != (*blocks, n_classes):
        raise ProjectError(
            f"{path} is damaged: {found.blocks.shape} are no views of {shape} voxels in {n_classes} classes. Delete it and segment again."
        )
    return found


def read_uncertainty(folder: Path, scan: str) -> VoxelSource | None:
    """The entropy in nats (z, y, x) of a scan, read when it is looked at, or None when the model has not segmented it."""
    if not (path := uncertainty_path(folder, scan)).is_file():
        return None
    told = remedied(path)
    volume = told(read_scan)(path)
    return Planes(path, volume.shape, np.float16, told(volume.voxels.__getitem__))  # as it was drafted


def write_report(folder: Path, report: Report, pictures: Mapping[str, bytes]) -> None:
    """Make `folder` anew with the files of `report_files` and their hashes."""
    replace_folder(folder, with_sums(report_files(report, pictures)))


def report_files(report: Report, pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    """``report.html``, ``lot.html``, ``report.json``, ``voids.csv``, ``bumps.csv`` and ``scans.csv``, by name, and the pictures of scans
    and of the worst bumps, named ``scan/bump``; the same for the same report and pictures.
    """
    texts = {
        "report.html": report.html(pictures), "lot.html": report.html_lot(), "voids.csv": report.csv(), "bumps.csv": report.csv_bumps(),
        "scans.csv": report.csv_scans(), "report.json": report.json(),
    }  # fmt: skip
    shown = {picture_file(name): png for name, png in pictures.items()}
    return {name: text.encode() for name, text in texts.items()} | shown


def picture_file(name: str) -> str:
    """File of the picture of a scan, or of a bump ``scan/bump``, in a report's folder."""
    return f"worst-{name.replace('/', '-')}.png" if "/" in name else f"slice-{name}.png"


def read_pictures(folder: Path, report: Report) -> dict[str, bytes]:
    """The pictures that lie beside a report, by the names they were made with."""
    names = [n for s in report.scans for n in (s.scan, *(f"{s.scan}/{b.name}" for b in s.bumps))]
    return {n: p.read_bytes() for n in names if (p := folder / picture_file(n)).is_file()}


def bump_picture(report_folder: Path, scan: str, bump: str) -> Path | None:
    """A report's picture of a bump; None where it is not among the worst."""
    path = report_folder / picture_file(f"{scan}/{bump}")
    return path if path.is_file() else None


def write_promotion(folder: Path, record: Mapping[str, object]) -> None:
    """Keep in a cycle folder how its model was put in force, after how it was before."""
    append_record(folder / "promotion.json", record)


def write_evaluation(folder: Path, metrics: Mapping[str, object]) -> None:
    """Keep in a cycle folder how its model agrees with held-out truth, after what was found before."""
    append_record(folder / "evaluation.json", metrics)


def write_comparison(folder: Path, entry: Mapping[str, object]) -> None:
    """Keep in a cycle folder how its model compares with the one before, and whether a person kept it."""
    write_json(folder / "comparison.json", entry)


def read_comparison(folder: Path) -> Mapping[str, Any]:
    """What was kept of it; empty before it was compared."""
    path = folder / "comparison.json"
    return read_json(path) if path.is_file() else {}


def write_decisions(folder: Path, recipe: str, decided: Mapping[str, str]) -> None:
    """Keep in a cycle folder what was decided by its model and a recipe; scans measured before by the same recipe stay."""
    known, found = read_decisions(folder)
    kept = dict(found) if known == recipe else {}
    again = {name.partition("/")[0] for name in decided}
    kept = {name: word for name, word in kept.items() if name.partition("/")[0] not in again}
    write_json(folder / "decisions.json", {"recipe": recipe, "decisions": kept | dict(decided)})


def read_decisions(folder: Path) -> tuple[str, Mapping[str, str]]:
    """By which recipe what was decided by a cycle's model; empty before it was measured with."""
    path = folder / "decisions.json"
    if not path.is_file():
        return "", {}
    tree: Mapping[str, Any] = read_json(path)
    try:
        return str(tree["recipe"]), {str(n): str(word) for n, word in tree["decisions"].items()}
    except (KeyError, AttributeError) as error:
        raise ProjectError(f"{path} is damaged: {error}. Delete it and measure again.") from error


def write_replay(project_folder: Path, replay: Mapping[str, object]) -> None:
    """Keep the last replay of random selection."""
    write_json(project_folder / "replay.json", replay)


def read_replay(project_folder: Path) -> Mapping[str, Any] | None:
    """The last replay of random selection, or None."""
    path = project_folder / "replay.json"
    return read_json(path) if path.is_file() else None


def changes_page(project_folder: Path) -> Path:
    """The page of the last comparison of cycles or recipes; its JSON twin lies beside it."""
    return project_folder / "changes" / "changes.html"


def write_changes(folder: Path, changes: Changes, page: str) -> None:
    """Make `folder` anew with ``changes.html`` and ``changes.json``."""
    replace_folder(folder, {"changes.html": page.encode(), "changes.json": json_bytes(changes.entry())})


def read_report(folder: Path) -> Report | None:
    """The last report, or None when nothing was measured."""
    path = folder / "report.json"
    return _read_report(path, path.stat().st_mtime_ns) if path.is_file() else None


@lru_cache(maxsize=2)
def _read_report(path: Path, changed: int) -> Report:
    """The report in a file as it was when it `changed`; the window asks for it at every click."""
    return Report.from_entry(read_json(path))
