"""What a model thinks, on disk below its cycle: survey, masks, uncertainty, evaluation; and the queue and reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from voidscope.acquisition import Suggestion, Survey, SurveyError
from voidscope.errors import ProjectError
from voidscope.metrology import Report
from voidscope.project.atomic import read_json, remove, replace_folder, write_bytes, write_json
from voidscope.vocabulary import ClassMap, Mask, SliceKey
from voidscope.volume import Spacing, read_label_file, read_scan, tiff_bytes

_KEYS = "keys_json"


def write_survey(folder: Path, survey: Survey) -> None:
    """Store a survey as one safetensors file, its slice keys inside as JSON bytes."""
    keys = np.frombuffer(json.dumps([str(k) for k in survey.keys]).encode(), dtype=np.uint8)
    write_bytes(folder / "survey.safetensors", save({**survey.arrays(), _KEYS: keys}))


def read_survey(folder: Path, model_id: str) -> Survey | None:
    """The survey of a cycle folder, or None; raises `ProjectError` when its file is damaged."""
    path = folder / "survey.safetensors"
    if not path.is_file():
        return None
    try:
        arrays = load(path.read_bytes())
        keys = tuple(SliceKey.parse(k) for k in json.loads(arrays.pop(_KEYS).tobytes()))
        return Survey.from_arrays(keys, arrays, model_id)
    except (SafetensorError, SurveyError, KeyError, ValueError) as error:
        raise ProjectError(f"{path} is damaged: {error}. Delete it; Suggest makes it anew.") from error


def write_suggestions(path: Path, model_id: str, suggestions: Sequence[Suggestion]) -> None:
    """Store a queue of suggestions with the model that made it."""
    write_json(path, {"model": model_id, "suggestions": [s.entry() for s in suggestions]})


def read_suggestions(path: Path) -> tuple[Suggestion, ...]:
    """The stored queue, empty when there is none."""
    if not path.is_file():
        return ()
    entries = read_json(path).get("suggestions")
    if not isinstance(entries, list):
        raise ProjectError(f"{path} is damaged: its suggestions are no list. Delete it and suggest again.")
    return tuple(Suggestion.from_entry(e) for e in entries)


def write_prediction(
    folder: Path, scan: str, classes: ClassMap, spacing_um: Spacing | None,
    mask: Mask, entropy: npt.NDArray[np.float16],
) -> None:  # fmt: skip
    """Store a scan's mask (z, y, x), in the ids of the label files, and its entropy in nats."""
    write_bytes(mask_path(folder, scan), tiff_bytes(classes.to_file(mask), spacing_um))
    write_bytes(folder / "uncertainty" / f"{scan}.tif", tiff_bytes(entropy.astype(np.float32), spacing_um))


def share(source: Path, target: Path) -> None:
    """Let a cycle folder have the masks, uncertainties, survey and evaluation of another; files are never changed in place."""
    for pattern in (
        "masks/*.tif",
        "uncertainty/*.tif",
        "views/*.json",
        "survey.safetensors",
        "evaluation.json",
    ):
        for path in source.glob(pattern):
            write_bytes(target / path.relative_to(source), path.read_bytes())


def set_spacing(folder: Path, scan: str, spacing_um: Spacing | None) -> None:
    """Write another spacing into the mask and uncertainty files of a scan, where a cycle folder has them."""
    for path in (mask_path(folder, scan), folder / "uncertainty" / f"{scan}.tif"):
        if path.is_file():
            write_bytes(path, tiff_bytes(np.asarray(read_scan(path).voxels[:]), spacing_um))


def mask_path(folder: Path, scan: str) -> Path:
    """Where a cycle folder keeps the mask of a scan."""
    return folder / "masks" / f"{scan}.tif"


def read_mask(folder: Path, scan: str, classes: ClassMap, shape: tuple[int, int, int]) -> Mask | None:
    """The mask of a scan as class ids 1..C, or None when the model has not segmented it."""
    path = mask_path(folder, scan)
    if not path.is_file():
        return None
    mask = classes.from_file(read_label_file(path))
    if mask.shape != shape:
        raise ProjectError(f"{path} is {mask.shape}; {scan} is {shape}. Delete it and segment again.")
    return mask


def write_views(folder: Path, scan: str, views: npt.NDArray[np.int64] | None) -> None:
    """Store the voxels per class (V, C) that each view of a model counts in a scan; None where it has but one."""
    path = folder / "views" / f"{scan}.json"
    if views is None:
        remove(path)
    else:
        write_json(path, {"n_voxels": views.tolist()})


def read_views(folder: Path, scan: str, n_classes: int) -> tuple[tuple[int, ...], ...]:
    """The voxels per class by each view, empty where none were stored; raises `ProjectError` for a damaged file."""
    path = folder / "views" / f"{scan}.json"
    if not path.is_file():
        return ()
    rows = read_json(path).get("n_voxels")
    if not isinstance(rows, list) or any(np.shape(r) != (n_classes,) for r in rows):
        raise ProjectError(
            f"{path} is damaged: it holds no {n_classes} counts a view. Delete it and segment again."
        )
    return tuple(tuple(int(n) for n in row) for row in rows)


def read_uncertainty(folder: Path, scan: str) -> npt.NDArray[np.float32] | None:
    """The entropy in nats (z, y, x) of a scan, or None when the model has not segmented it."""
    path = folder / "uncertainty" / f"{scan}.tif"
    return np.asarray(read_scan(path).voxels[:], dtype=np.float32) if path.is_file() else None


def write_report(folder: Path, report: Report, pictures: Mapping[str, bytes]) -> None:
    """Make `folder` anew with the files of `report_files`."""
    replace_folder(folder, report_files(report, pictures))


def report_files(report: Report, pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    """``report.html``, ``report.json``, ``voids.csv`` and ``scans.csv``, by name; the same for the same report and pictures."""
    texts = {
        "report.html": report.html(pictures), "voids.csv": report.csv(), "scans.csv": report.csv_scans(), "report.json": report.json(),
    }  # fmt: skip
    return {name: text.encode() for name, text in texts.items()}


def read_report(folder: Path) -> Report | None:
    """The last report, or None when nothing was measured."""
    path = folder / "report.json"
    return Report.from_entry(read_json(path)) if path.is_file() else None
