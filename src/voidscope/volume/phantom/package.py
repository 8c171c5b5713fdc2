"""Part of a package: a grid of bumps between two dies in one volume, with the truth of each."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from voidscope.errors import ConfigError
from voidscope.volume.phantom.bump import Form, assembled, bodies_of, plain_level, plain_voids, random_form
from voidscope.volume.phantom.difficulty import Forms
from voidscope.volume.phantom.geometry import BACKGROUND, VOID, Box, Bump, Frame, Kind, Shape, random_frame

CELL: Shape = (44, 30, 30)
"""Voxels (z, y, x) of the place of one bump; its two last are the pitch."""
FORMS = Forms(
    radius=(0.3, 0.34), foot=(0.08, 0.12), bulge=(0.0, 0.08), extrusion=(0.03, 0.1), off_centre_sd=0.5, lean_sd_deg=1.2
)  # fmt: skip
"""Bumps that leave a gap to the next one, whatever their draw."""
REACH = 4
"""Voxels by which a bump may lean out of its place."""
MOST = 400
"""Bumps of one package; more are slow to make and no better a test."""


@dataclass(frozen=True)
class Grid:
    """Rows and columns of bumps."""

    rows: int
    columns: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``3x4``; raises `ConfigError` for anything else."""
        found = re.fullmatch(r"([1-9]\d*)\s*[x×]\s*([1-9]\d*)", text.strip())
        if not found or int(found[1]) * int(found[2]) > MOST:
            raise ConfigError(f"{text!r} is no grid of at most {MOST} bumps; write ROWSxCOLUMNS, e.g. 3x4.")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"


@dataclass(frozen=True)
class BumpTruth:
    """One bump of a simulated package, by its exact labels: foreground and void in voxels."""

    row: int
    column: int
    size_voxels: int
    void_voxels: int

    def entry(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "bump": f"r{self.row}c{self.column}", "row": self.row, "column": self.column, "size_voxels": self.size_voxels,
            "void_voxels": self.void_voxels, "void_over_foreground": self.void_voxels / self.size_voxels,
        }  # fmt: skip


def random_package(
    kind: Kind, grid: Grid, rng: np.random.Generator, void_level: float | None = None
) -> tuple[Bump, tuple[BumpTruth, ...]]:
    """A grid of bumps that lean alike and differ in bulge, height and voids; and what each holds, rows first.

    `void_level` is that of every bump; None draws one for each, four in ten without voids.
    """
    frame = random_frame(
        (CELL[0], grid.rows * CELL[1], grid.columns * CELL[2]), FORMS.off_centre_sd, FORMS.lean_sd_deg, rng
    )
    built = random_form(kind, CELL, FORMS, rng)
    labels = np.zeros(frame.shape, np.uint8)
    fractions = {m: np.zeros(frame.shape, np.float32) for m in ("copper", "solder", "void")}
    truths = []
    for row, column in np.ndindex(grid.rows, grid.columns):
        window = _window(row, column)
        alone = _bump(_varied(built, rng), _own_frame(frame, window, grid, row, column), void_level, rng)
        labels[window] = np.where(alone.labels == BACKGROUND, labels[window], alone.labels)
        for material, share in alone.fractions.items():
            np.maximum(fractions[material][window], share, out=fractions[material][window])
        size, void = (int(np.count_nonzero(part)) for part in (alone.labels, alone.labels == VOID))
        truths.append(BumpTruth(row + 1, column + 1, size, void))
    return Bump(labels, fractions), tuple(truths)


def _window(row: int, column: int) -> Box:
    """Voxels of a bump's place and a little around it."""
    y, x = (slice(max(0, n * k - REACH), n * (k + 1) + REACH) for n, k in ((CELL[1], row), (CELL[2], column)))
    return slice(None), y, x


def _own_frame(frame: Frame, window: Box, grid: Grid, row: int, column: int) -> Frame:
    """The frame about a bump's own axis, in its window alone."""
    dy, dx = (
        (k - (n - 1) / 2) * p for k, n, p in ((row, grid.rows, CELL[1]), (column, grid.columns, CELL[2]))
    )
    z, y, x = frame.beside(dy, dx).grid
    return replace(frame, grid=(z[window], y[window], x[window]))


def _varied(built: Form, rng: np.random.Generator) -> Form:
    """A bump of the same build: its solder's wall and height are its own."""
    lift = rng.normal(0, 0.3)
    pad = None if built.pad is None else replace(built.pad, top=built.pad.top + lift)
    return replace(
        built, bulge=rng.uniform(*FORMS.bulge), extrusion=rng.choice([0.0, rng.uniform(*FORMS.extrusion)], p=[0.75, 0.25]),
        towards=rng.uniform(0, 2 * np.pi), turn=rng.uniform(0, 6.3), top=built.top + lift, pad=pad,
    )  # fmt: skip


def _bump(form: Form, frame: Frame, void_level: float | None, rng: np.random.Generator) -> Bump:
    bodies = bodies_of(form, frame)
    level = plain_level(rng) if void_level is None else void_level
    return assembled(bodies, plain_voids(bodies["solder"], frame, form, level, rng))
