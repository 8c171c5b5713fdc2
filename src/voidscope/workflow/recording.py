"""What a report says beside its numbers: who, what, from which files, with which model; what nobody told is "not recorded"."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import voidscope
from voidscope.config import Config, MeasureConfig
from voidscope.errors import counted
from voidscope.metrology import plain, recipe_settings, recipe_sha256
from voidscope.project import Cycle, Project, SliceReader
from voidscope.project.masks import read_hash
from voidscope.workflow.snapshot import fingerprint_of

UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Occasion:
    """What only the person who measures knows; empty where nobody said.

    Attributes
    ----------
    operator, approver : who measured, and who signs for it
    lot, die : of the sample
    msa : where the measurement system analysis (gauge study) of this recipe is written
    recipe_file : name of the file that the recipe was read from
    """

    operator: str = ""
    approver: str = ""
    lot: str = ""
    die: str = ""
    msa: str = ""
    recipe_file: str = ""

    def entry(self) -> dict[str, Any]:
        """Groups of a report's provenance; what nobody said is told to be so, and no recipe file where there was none."""
        people, sample = ("operator", "approver"), ("lot", "die")
        return {
            "people": {name: getattr(self, name) or UNKNOWN for name in people},
            "sample": {name: getattr(self, name) or UNKNOWN for name in sample},
            "measurement_system_analysis": {"reference": self.msa or UNKNOWN},
            **({"recipe_file": self.recipe_file} if self.recipe_file else {}),
        }

    @classmethod
    def told(cls, provenance: Mapping[str, Any]) -> Occasion:
        """The inverse of `entry`, from the provenance of a report."""
        groups = [provenance.get(name) for name in ("people", "sample", "measurement_system_analysis")]
        said = {k: v for group in groups if isinstance(group, Mapping) for k, v in group.items()}
        said["msa"] = said.get("reference", UNKNOWN)
        said["recipe_file"] = provenance.get("recipe_file", UNKNOWN)
        names = cls.__dataclass_fields__
        return cls(**{n: str(said[n]) for n in names if said.get(n, UNKNOWN) != UNKNOWN})

    def words(self) -> list[str]:
        """The command-line options that say the same; the recipe is told by its values, for its file may be another by then."""
        said = {name: value for name, value in vars(self).items() if value and name != "recipe_file"}
        return [w for name, value in said.items() for w in (f"--{name}", value)]


def record_of(
    project: Project,
    cycle: Cycle,
    reader: SliceReader,
    settings: Config,
    occasion: Occasion,
    judged: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Groups of facts for a report's provenance, of a model that was `judged` so; JSON's types only."""
    told = occasion.entry()
    return told | recipe_facts(settings.measure) | {
        "project_folder": str(project.path.resolve()),
        "git_commit": commit_of_now() or UNKNOWN,
        "people": told["people"] | {"labelled by": authors(project, cycle)},
        "labels_of_scans": _labels(project, cycle, reader),
        "model_record": _model(cycle, judged),
        "inference": {
            "flips": "mean of four mirror images" if _was(cycle, "flips") else "none",
            "threshold": "none: the likeliest class of each voxel", "tiles": "none: whole slices",
            "planes": sorted({r.plane.value for r in reader.records.values()}),
        },
        "edits_after_training": _edits(project, cycle, reader.records),
    }  # fmt: skip


def report_id(provenance: Mapping[str, Any]) -> str:
    """Names a report by the day it was made and a hash of every other fact of its provenance, JSON's types only."""
    facts = {name: fact for name, fact in provenance.items() if name != "report_id"}
    day = str(provenance.get("created"))[:10].replace("-", "")
    return f"VS-{day}-{fingerprint_of(json.dumps(facts, sort_keys=True))}"


def identified(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A provenance that is complete, in JSON's types, with the ID that it gives its report."""
    facts: dict[str, Any] = plain(provenance)
    return facts | {"report_id": report_id(facts)}


def command_of(what: Sequence[str], recipe: MeasureConfig, occasion: Occasion) -> str:
    """The command that measures `what` again, whatever a project's settings will be by then."""
    said = [w for setting in recipe_settings(recipe) for w in ("--set", setting)]
    return shlex.join(["voidscope", "measure", *what, *said, *occasion.words()])


def recipe_facts(recipe: MeasureConfig) -> dict[str, Any]:
    """A recipe, the hash that names it, and what it did to the mask."""
    return {
        "recipe": recipe.model_dump(mode="json"),
        "recipe_sha256": recipe_sha256(recipe),
        "post_processing": _post_processing(recipe),
    }


def _post_processing(recipe: MeasureConfig) -> dict[str, Any]:
    """What the recipe did to the mask before it was measured, and what it took for a void."""
    return {
        "smallest void counted, voxels": recipe.min_voxels, "smallest void counted, um3": recipe.min_um3,
        "connectivity": recipe.connectivity,
        "filling": "background that does not reach the scan's edge is void" if recipe.fill_holes else "none",
        "closing, voxels": recipe.closing_voxels or "none", "removal of far voxels, um": recipe.far_um or "none",
        "smoothing": "none",
    }  # fmt: skip


def authors(project: Project, cycle: Cycle) -> str:
    """Who made the labels a model learnt from, and how many each, as it was when it learnt.

    The cycle of an older version does not say who: there, only labels that nobody has changed since tell it.
    """
    told, learnt = cycle.provenance.get("labels_by"), cycle.provenance.get("labels_sha256") or {}
    if isinstance(told, Mapping):
        return _counted(told.values())
    same = [
        k for k in cycle.labelled
        if k in project.labels and learnt.get(str(k)) == project.labels.record(k).sha256
    ]  # fmt: skip
    said = [project.labels.record(k).author for k in same]
    changed = len(cycle.labelled) - len(same)
    gone = f"{UNKNOWN} ({_slices(changed)} whose labels have changed since)" if changed else ""
    return ", ".join(w for w in (_counted(said) if said else "", gone) if w) or UNKNOWN


def _labels(project: Project, cycle: Cycle, reader: SliceReader) -> dict[str, dict[str, Any]]:
    """Who has labelled slices of each scan that is measured, as it is now, and how many of its slices the model learnt from."""
    return {
        name: {
            "labelled by": _counted(project.labels.record(k).author for k in project.labels.of(name)),
            "learnt by the model": sum(k.scan == name for k in cycle.labelled),
        }
        for name in reader.records
    }


def _counted(people: Iterable[str]) -> str:
    """Names with how many slices each."""
    found = sorted(Counter(people).items())
    return ", ".join(f"{who} ({_slices(n)})" for who, n in found) or "nobody"


def _slices(n: int) -> str:
    return counted(n, "slice")


def _model(cycle: Cycle, judged_as: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the model is, what it learnt from and how it was judged."""
    judged = judged_as or {}
    labels = cycle.provenance.get("labels_sha256")
    data = cycle.provenance.get("scans")
    return {
        "architecture": f"U-Net, encoder {_was(cycle, 'encoder') or UNKNOWN}"
        + ("; a detail network decides about void with it" if _was(cycle, "detail") else ""),
        "weights SHA-256": cycle.weights_sha256,
        "training set SHA-256 (labels)": _hash(labels) if labels else UNKNOWN,
        "training set SHA-256 (scans)": _hash({n: f.get("fingerprint") for n, f in data.items()})
        if data
        else UNKNOWN,
        "labelled slices": len(cycle.labelled),
        "pseudo-labelled slices": cycle.provenance.get("pseudo_labelled", 0),
        "trained": cycle.provenance.get("created", UNKNOWN),
        "validation mIoU": judged.get("miou", UNKNOWN),
        "validation void recall": judged.get("void_recall", UNKNOWN),
        "validation IoU": judged.get("iou", UNKNOWN),
        "validation scans": judged.get("scans", UNKNOWN),
        "validation date": judged.get("created", UNKNOWN),
    }


def scan_settings(reader: SliceReader) -> dict[str, dict[str, Any]]:
    """The facts each scan's file tells of how it was taken; it is opened for them."""
    told = {name: reader.volume(name).metadata for name in reader.scans}
    return {
        name: {k: facts[k] for k in sorted(facts)} or {"settings": UNKNOWN} for name, facts in told.items()
    }


def _edits(project: Project, cycle: Cycle, scans: Iterable[str]) -> dict[str, Any]:
    """Slices painted since the model took its labels to learn from; the masks of `scans` are the model's own, and no verdict comes of one
    whose hash tells otherwise.
    """
    told = cycle.provenance
    learnt = told.get("labels_sha256")
    since = str(told.get("created" if learnt is None else "labels_taken", ""))  # not known: all may be later
    found: dict[str, Any] = {}
    for key in project.labels:
        record = project.labels.record(key)
        known = str(key) in (learnt or ())
        is_new = (learnt or {})[str(key)] != record.sha256 if known else record.time > since
        if is_new:
            found[str(key)] = {
                "by": record.author, "when": record.time, "how": record.provenance.value, "started from a prediction": record.proposed,
            }  # fmt: skip
    for name in sorted(set(learnt or ()) - {str(key) for key in project.labels}):
        found[name] = {"how": "erased"}
    if found:
        return found
    untold = not all(read_hash(cycle.folder, name) for name in scans)
    masks = (
        "masks changed outside voidscope are not recognised"
        if untold
        else "masks changed outside voidscope give no verdict"
    )
    return {"edits": f"none: no slice was painted since the model was trained; {masks}"}


def _was(cycle: Cycle, name: str) -> Any:
    """A setting of the network the model was trained with; None where its record has none."""
    found = cycle.config.get("model", {})
    return found.get(name) if isinstance(found, Mapping) else None


def _hash(tree: object) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def commit_of_now() -> str | None:
    """The commit this software was made from: as the installer wrote it down, or of the checkout it runs in."""
    try:
        told = json.loads(distribution("voidscope").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        told = {}
    commit = told.get("vcs_info", {}).get("commit_id")
    return commit or _head(Path(voidscope.__file__).resolve().parents[2] / ".git")


def _head(git: Path) -> str | None:
    """The commit a git folder, or the file that points to one, has checked out; None where that is not plain to see."""
    try:
        if git.is_file():
            git = git.parent / git.read_text().removeprefix("gitdir:").strip()
        said = (git / "HEAD").read_text().strip()
        if not said.startswith("ref:"):
            return said
        name = said.removeprefix("ref:").strip()
        common = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
        if (common / name).is_file():
            return (common / name).read_text().strip()
        packed = (common / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except (OSError, UnicodeDecodeError):
        return None
