"""``run.json``: what all points of a folder have in common, so that points of different runs never meet in one curve."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from voidscope.benchmark.points import all_points
from voidscope.benchmark.protocol import Plan
from voidscope.config import BUDGET, PRESETS, Config
from voidscope.errors import CannotReadFile, ConfigError, NotReady
from voidscope.project import fingerprint
from voidscope.project.atomic import explained, read_json, write_json
from voidscope.vocabulary import Split
from voidscope.volume import Dataset, is_scan
from voidscope.volume.dataset import DESCRIPTION
from voidscope.workflow.snapshot import made_with

NAME = "run.json"
HUB = "the hub's"
"""ImageNet weights of no file."""


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Inside, `out` is this run's alone; on a local disk until its process ends, however it ends.

    Raises
    ------
    NotReady : another run is at work there.
    ProjectError : the folder cannot be written.
    ConfigError : it holds something else, e.g. the scans themselves.
    """
    lock = FileLock(out / ".lock", mode=0o666)
    with explained(out):
        if _is_of_something_else(out):
            raise ConfigError(f"{out} is a folder of scans or a project; name a new one with --out.")
        out.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise NotReady(
                f"Another run is at work in {out}; wait for its end, or choose another --out."
            ) from error
    try:
        yield
    finally:
        lock.release()


def _is_of_something_else(out: Path) -> bool:
    """Whether it is a dataset or a project, and no run's, whose pictures are no scans."""
    if not out.is_dir() or (out / NAME).exists():
        return False
    return any(p.name in (DESCRIPTION, "project.json") or is_scan(p) for p in out.iterdir())


def claim(out: Path, dataset: Dataset, plan: Plan, pool: int, command: Sequence[str]) -> None:
    """Note in `out` what is run there and by which command; seeds and experiments may be added by later commands.

    A file of ImageNet weights may be given later too, as long as no point started from other ones.

    Raises
    ------
    ConfigError : the folder is of other data, settings, budgets or ImageNet weights.
    CannotReadFile : the file of ImageNet weights cannot be read, or one of points.
    """
    mine, path = _common(dataset, plan, pool), out / NAME
    kept = read_record(out)
    untold = {"product preset": mine["product preset"]}  # by folders of an older version
    theirs = untold | kept.get("common", {})
    if kept and (other := [name for name in mine if mine[name] != theirs.get(name)]):
        name = other[0]
        raise ConfigError(
            f"{out} is the folder of another run: its {name} is {_short(kept['common'].get(name))}, yours is {_short(mine[name])}. "
            "Choose another --out, or repeat that run's options."
        )
    _check_imagenet(out, plan)
    commands = [
        *(kept.get("commands") or []),
        {"command": shlex.join(command), "commit": _commit(), **made_with()},
    ]
    write_json(path, {"common": mine, "commands": commands})


def read_record(out: Path) -> dict[str, Any]:
    """What `claim` noted; empty where nothing was run."""
    return read_json(out / NAME) if (out / NAME).exists() else {}


def _common(dataset: Dataset, plan: Plan, pool: int) -> dict[str, Any]:
    """What must not differ between points that are compared, by the name a person knows it by."""
    count = {split: sum(s.split is split for s in dataset.scans) for split in Split}
    return {
        "dataset": f"{dataset.folder.name}: {count[Split.TRAIN]} training scans with {pool} slices, {count[Split.TEST]} test scans",
        "content hash": _content(dataset),
        "classes": ", ".join(dataset.classes.names),
        "budgets": list(plan.budgets),
        "plan": [*plan.settings, *(f"product: {word}" for word in plan.product)],
        "settings": plan.departures,
        "product preset": " ".join(word for word in PRESETS["product"] if not word.startswith(f"{BUDGET}=")),
    }  # fmt: skip


def _check_imagenet(out: Path, plan: Plan) -> None:
    """Refuse ImageNet weights other than those that points in `out` started from."""
    theirs = {p["imagenet_weights"] for p in all_points(out) if p.get("imagenet_weights")}
    if not theirs:
        return
    mine = imagenet_weights(Config().with_changes([*plan.settings, *plan.changed]))
    if other := sorted(theirs - {mine}):
        raise ConfigError(
            f"{out} has points from ImageNet weights {_hash(other[0])}, yours are {_hash(mine)}. "
            "Choose another --out, or repeat that run's model.imagenet_file."
        )


def imagenet_weights(config: Config) -> str:
    """Which ImageNet weights networks start from by these settings: the hub's, or those of a file by its hash."""
    if not config.model.imagenet_file:
        return HUB
    path = Path(config.model.imagenet_file).expanduser()
    try:
        return fingerprint(path)
    except OSError as error:
        raise CannotReadFile(path, f"{error.strerror}; set model.imagenet_file to another file") from error


def _hash(weights: str) -> str:
    """A hash short enough for a sentence."""
    return weights if weights == HUB else weights[: weights.index(":") + 13]


def _content(dataset: Dataset) -> str:
    """A hash of all voxels and labels; where they lie does not matter."""
    digest = hashlib.sha256()
    for scan in dataset.scans:
        digest.update(f"{scan.name} {scan.split} {fingerprint(scan.path)}".encode())
        digest.update(fingerprint(scan.labels_path).encode() if scan.labels_path else b"")
    return digest.hexdigest()[:16]


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if text else "none"


def _commit() -> str | None:
    """The commit of the checkout that voidscope runs from; None when it was installed."""
    mine = Path(__file__)
    if _git(mine.parent, "ls-files", mine.name) is None:
        return None
    return _git(mine.parent, "describe", "--always", "--dirty", "--abbrev=12")


def _git(folder: Path, *words: str) -> str | None:
    """What git says about a folder; None when it says nothing or is not there."""
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def facts_of(record: Mapping[str, Any]) -> list[str]:
    """The record in lines for a report."""
    if not record:
        return []
    common = [f"- {name}: {_short(value)}" for name, value in record["common"].items()]
    commands = [
        f"- `{c['command']}` ({c['created']}, commit {c['commit'] or 'unknown'})" for c in record["commands"]
    ]
    return [*common, *commands]
