"""One simulated scan, or a data set of them on disk; the same seed always gives the same scans."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voidscope.errors import ConfigError, ProjectError
from voidscope.jobs import Progress, Steps
from voidscope.vocabulary import ClassMap
from voidscope.volume.phantom.acquisition import random_acquisition
from voidscope.volume.phantom.difficulty import LOT, Difficulty, conditions
from voidscope.volume.phantom.geometry import VOID, Kind, Shape, random_shape
from voidscope.volume.phantom.package import BumpTruth, Grid, random_package
from voidscope.volume.phantom.physics import scan
from voidscope.volume.phantom.scene import random_scene
from voidscope.volume.tiff_writing import tiff_bytes
from voidscope.volume.volumes import Volume

VOXEL_UM = 0.7
"""Edge of the cubic voxels, as in the paper group's scans."""
TEST_EVERY = 5
"""Every fifth scan of each kind is for testing (80/20 by scan, paper 4.1)."""


@dataclass(frozen=True)
class PhantomScan:
    """A simulated scan and its truth.

    Attributes
    ----------
    volume : intensities (z, y, x), uint16, spacing 0.7 um
    labels : (z, y, x) uint8 file ids: 0 background, 1 copper pillar, 2 solder, 3 void, 4 copper pad
    bumps : of a package, rows first; none where a lone bump was asked for
    """

    volume: Volume
    labels: npt.NDArray[np.uint8]
    bumps: tuple[BumpTruth, ...] = ()

    @property
    def void_volume_um3(self) -> float:
        """Volume of all void voxels."""
        return float((self.labels == VOID).sum() * VOXEL_UM**3)


def simulate_scan(
    kind: Kind,
    seed: int,
    number: int = 0,
    shape: Shape | None = None,
    void_level: float | None = None,
    difficulty: Difficulty | str = Difficulty.PLAIN,
) -> PhantomScan:
    """Scan `number` of its kind; it depends on (seed, kind, number, difficulty) alone, whatever else is simulated.

    `shape` (z, y, x) is drawn as in the paper when None; `void_level` 0 is a bump without voids, 1 an ordinary one.

    Raises
    ------
    ConfigError : no such kind or difficulty.
    """
    if kind not in ("logic", "memory"):
        raise ConfigError(f"There is no {kind!r} die; simulate logic or memory.")
    key = [seed, ("logic", "memory").index(kind)]
    drawn_from = conditions(difficulty).of_lot(np.random.default_rng([*key, number // LOT, 1]))
    rng = np.random.default_rng([*key, number])
    drawn = random_shape(rng)
    scene = random_scene(kind, shape or drawn, drawn_from, rng, void_level)
    voxels = scan(scene.fractions, VOXEL_UM, random_acquisition(rng, drawn_from.acquisitions), rng)
    name = f"{kind}_{number:03d}"
    return PhantomScan(Volume(voxels, (VOXEL_UM,) * 3, name, "simulated"), scene.labels)


def simulate_package(
    kind: Kind, seed: int, number: int = 0, grid: Grid | str = "3x4", void_level: float | None = None
) -> PhantomScan:
    """Scan `number` of a package's part: `grid` rows and columns of bumps, plain otherwise, with the truth of each bump.

    It depends on (seed, kind, number, grid) alone. Raises `ConfigError` for no such die or grid.
    """
    if kind not in ("logic", "memory"):
        raise ConfigError(f"There is no {kind!r} die; simulate logic or memory.")
    grid = Grid.parse(grid) if isinstance(grid, str) else grid
    rng = np.random.default_rng([seed, ("logic", "memory").index(kind), number, grid.rows, grid.columns])
    made, truths = random_package(kind, grid, rng, void_level)
    voxels = scan(
        made.fractions, VOXEL_UM, random_acquisition(rng, conditions(Difficulty.PLAIN).acquisitions), rng
    )
    return PhantomScan(
        Volume(voxels, (VOXEL_UM,) * 3, f"{kind}_{number:03d}", "simulated"), made.labels, truths
    )


def simulate_dataset(
    folder: str | Path,
    *,
    logic: int,
    memory: int,
    seed: int,
    difficulty: Difficulty | str = Difficulty.PLAIN,
    grid: Grid | str | None = None,
) -> Steps[Path]:
    """Write NAME.tif, NAME_labels.tif and dataset.json for so many scans of each kind; returns the folder.

    With a `grid` each scan is part of a package of so many bumps, and NAME_bumps.json tells the truth of each. Scans already
    there are kept, so that an interrupted run goes on. Every fifth scan of each kind, at least one in all, is for testing.

    Raises
    ------
    ConfigError : no scan was asked for, there is no such difficulty or grid, or packages of another difficulty than plain.
    ProjectError : the folder holds something else, or cannot be written.
    """
    names = [f"logic_{k:03d}" for k in range(logic)] + [f"memory_{k:03d}" for k in range(memory)]
    if not names:
        raise ConfigError(f"{logic} logic and {memory} memory scans are none; ask for at least one.")
    conditions(difficulty)
    folder, grid = Path(folder), Grid.parse(grid) if isinstance(grid, str) else grid
    if grid is not None and difficulty != Difficulty.PLAIN:
        raise ConfigError(
            f"A package of {grid} bumps can only be plain, not {difficulty}; leave out --difficulty."
        )
    asked: dict[str, object] = {"logic": logic, "memory": memory, "seed": seed, "difficulty": str(difficulty)}
    asked |= {} if grid is None else {"grid": str(grid)}
    _claim(folder, {"simulated": asked, **_description(names)})
    for done, name in enumerate(names):
        yield Progress(done, len(names), f"simulating {name}")
        kind, _, number = name.partition("_")
        if not (folder / f"{name}_labels.tif").exists():
            die: Kind = "logic" if kind == "logic" else "memory"
            made = _made(die, seed, int(number), difficulty, grid)
            if made.bumps:
                _write(
                    folder / f"{name}_bumps.json",
                    json.dumps([b.entry() for b in made.bumps], indent=1).encode(),
                )
            _write(folder / f"{name}.tif", tiff_bytes(np.asarray(made.volume.voxels), made.volume.spacing_um))
            _write(folder / f"{name}_labels.tif", tiff_bytes(made.labels, made.volume.spacing_um))
    return folder


def _made(kind: Kind, seed: int, number: int, difficulty: Difficulty | str, grid: Grid | None) -> PhantomScan:
    if grid is None:
        return simulate_scan(kind, seed, number, difficulty=difficulty)
    return simulate_package(kind, seed, number, grid)


def _description(names: list[str]) -> dict[str, object]:
    classes = [{k: e[k] for k in ("id", "name", "role")} for e in ClassMap.hbm().entries()]
    kinds = {kind: [n for n in names if n.startswith(kind)] for kind in ("logic", "memory")}
    test = [n for same in kinds.values() for n in same[TEST_EVERY - 1 :: TEST_EVERY]]
    if not test and len(names) > 1:
        test = [names[-1]]
    return {"classes": classes, "spacing_um": [VOXEL_UM] * 3, "test": test}


def _claim(folder: Path, description: dict[str, object]) -> None:
    """Write dataset.json first, so that an interrupted run is known as one; refuse a folder of anything else."""
    path = folder / "dataset.json"
    try:
        if path.exists():
            if _with_difficulty(json.loads(path.read_text(encoding="utf-8"))) != description:
                raise ProjectError(f"{folder} already holds another data set ({path}). Choose a new folder.")
        elif folder.exists() and any(folder.iterdir()):
            raise ProjectError(f"{folder} is not empty. Choose a new folder for the data set.")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            _write(path, json.dumps(description, indent=1).encode())
    except (OSError, ValueError) as error:
        raise ProjectError(f"Cannot use {folder} for a data set: {error}. Choose a new folder.") from error


def _with_difficulty(found: object) -> object:
    """The same, said to be plain where it is from before there were difficulties."""
    if not isinstance(found, dict) or not isinstance(found.get("simulated"), dict):
        return found
    return {**found, "simulated": {"difficulty": str(Difficulty.PLAIN), **found["simulated"]}}


def _write(path: Path, data: bytes) -> None:
    """Write under a temporary name and rename, so that a file that is there is whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise ProjectError(
            f"Cannot write {path}: {error.strerror}. Free space or choose another folder."
        ) from error
