"""The void ratios: which voxels are counted above and below the line, and when a ratio says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from voidscope.metrology.components import strips
from voidscope.vocabulary import ClassMap, Mask, Role

RATIOS = {
    "void_over_foreground": "void/foreground",
    "void_over_rest_of_foreground": "void/(foreground-void)",
    "void_over_solder": "void/(solder+void)",
    "void_to_solder": "void/solder",
    "projected_area": "projected area",
    "worst_slice": "worst slice",
    "pillar_band": "interface band, pillar side",
    "pad_band": "interface band, pad side",
}
"""Name of each ratio in JSON and CSV, and its name in a recipe."""

VOLUMES = ("void/foreground", "void/(foreground-void)", "void/(solder+void)", "void/solder")
"""The ratios of volumes; the others are of areas and bands."""

WITH_VOID_BELOW = ("void/foreground", "void/(solder+void)")
"""Formulas in which void counts below the line too."""

DEFINITIONS = {
    "void/foreground": "volume of void over the volume of every class but background, void included",
    "void/(foreground-void)": "volume of void over the volume of every class but background and void",
    "void/(solder+void)": "volume of void over the volume of solder and void together",
    "void/solder": "volume of void over the volume of solder, void left out",
    "projected area": "seen along the build axis, the area that holds any void over the area that holds any foreground",
    "worst slice": "void over foreground, void included, in the slice across the build axis where that is most",
    "interface band, pillar side": "void over solder and void together, in the band of voxels above the pillar",
    "interface band, pad side": "void over solder and void together, in the band of voxels below the pad",
}
"""What each ratio means, in words."""

ONLY_VOID = "no class but void is foreground, so that void would be all of it; name a class for what holds it"
"""Why no share of foreground is defined where the classes tell void and background alone."""
Parts = tuple[int, int]
"""Voxels above and below the line."""


def count_classes(mask: Mask, n_classes: int) -> tuple[int, ...]:
    """Voxels of each id 0..C of a mask (z, y, x), unlabelled first."""
    found = np.zeros(n_classes + 1, np.int64)
    for at in strips(mask):
        found[1:] += [np.count_nonzero(mask[at] == k) for k in range(1, n_classes + 1)]
    found[0] = mask.size - found.sum()
    return tuple(found.tolist())


def volume_parts(counts: Sequence[int], classes: ClassMap, solder: str) -> dict[str, Parts | str]:
    """Voxels above and below the line of each ratio of volumes, or why it is undefined, by formula.

    `counts` (C + 1,) are voxels by class, unlabelled first. Foreground is every class but background, void included (the region of the
    structure). Unlabelled voxels count nowhere.
    """
    void, below = _total(counts, classes, Role.VOID), _denominators(counts, classes, solder)
    return {formula: n if isinstance(n, str) else (void, n) for formula, n in below.items()}


def values_of(parts: Mapping[str, Parts | str]) -> dict[str, float | None]:
    """What is above over what is below the line, None where undefined."""
    return {formula: None if isinstance(p, str) else p[0] / p[1] for formula, p in parts.items()}


def reasons_of(parts: Mapping[str, Parts | str]) -> dict[str, str]:
    """Why each undefined ratio is undefined."""
    return {formula: p for formula, p in parts.items() if isinstance(p, str)}


def _denominators(counts: Sequence[int], classes: ClassMap, solder: str) -> Mapping[str, int | str]:
    """Voxels below the line of each formula, or why there are none."""
    void, rest = _total(counts, classes, Role.VOID), _total(counts, classes, Role.FOREGROUND)
    tin = _solder(counts, classes, solder)
    whole = rest + void or "no voxel is foreground"
    return {
        "void/foreground": whole if classes.ids_with_role(Role.FOREGROUND) else ONLY_VOID,
        "void/(foreground-void)": rest or "no voxel is foreground other than void",
        "void/(solder+void)": tin if isinstance(tin, str) else tin + void or f"no voxel is {solder} or void",
        "void/solder": tin or f"no voxel is {solder}",
    }


def _total(counts: Sequence[int], classes: ClassMap, role: Role) -> int:
    return sum(counts[k] for k in classes.ids_with_role(role))


def _solder(counts: Sequence[int], classes: ClassMap, solder: str) -> int | str:
    """Voxels of the solder class, or why there is no such class."""
    if solder not in classes.names:
        return (
            f"there is no class {solder!r} among {', '.join(classes.names)}; name it in measure.solder_class"
        )
    return counts[classes.id_of(solder)]
