"""The void ratios: which voxels are counted above and below the line, and when a ratio says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from voidscope.vocabulary import ClassMap, Mask, Role

RATIOS = {
    "void_over_foreground": "void/foreground",
    "void_over_rest_of_foreground": "void/(foreground-void)",
    "void_over_solder": "void/(solder+void)",
    "void_to_solder": "void/solder",
}
"""Name of each ratio in JSON and CSV, and its formula as the recipe writes it."""

WITH_VOID_BELOW = ("void/foreground", "void/(solder+void)")
"""Formulas in which void counts below the line too."""

DEFINITIONS = {
    "void/foreground": "volume of void over the volume of every class but background, void included",
    "void/(foreground-void)": "volume of void over the volume of every class but background and void",
    "void/(solder+void)": "volume of void over the volume of solder and void together",
    "void/solder": "volume of void over the volume of solder, void left out",
}
"""What each formula means, in words."""


def count_classes(mask: Mask, n_classes: int) -> tuple[int, ...]:
    """Voxels of each id 0..C, unlabelled first; needs no more memory than the mask itself."""
    return tuple(int(np.count_nonzero(mask == k)) for k in range(n_classes + 1))


def void_ratios(counts: Sequence[int], classes: ClassMap, solder: str) -> dict[str, float | None]:
    """The four ratios by formula from voxel counts (C + 1,), unlabelled first; None where undefined.

    Foreground is every class but background, void included (the region of the structure). Unlabelled voxels
    count nowhere.
    """
    void = _total(counts, classes, Role.VOID)
    below = _denominators(counts, classes, solder)
    return {formula: None if isinstance(n, str) else void / n for formula, n in below.items()}


def undefined_ratios(counts: Sequence[int], classes: ClassMap, solder: str) -> dict[str, str]:
    """Why each undefined ratio is undefined, by formula; the defined ones are left out."""
    below = _denominators(counts, classes, solder)
    return {formula: n for formula, n in below.items() if isinstance(n, str)}


def parts_of(formula: str, counts: Sequence[int], classes: ClassMap, solder: str) -> tuple[int, int | None]:
    """Voxels above and below the line of one formula; None below where the ratio is undefined."""
    below = _denominators(counts, classes, solder)[formula]
    return _total(counts, classes, Role.VOID), None if isinstance(below, str) else below


def _denominators(counts: Sequence[int], classes: ClassMap, solder: str) -> Mapping[str, int | str]:
    """Voxels below the line of each formula, or why there are none."""
    void, rest = _total(counts, classes, Role.VOID), _total(counts, classes, Role.FOREGROUND)
    tin = _solder(counts, classes, solder)
    return {
        "void/foreground": rest + void or "no voxel is foreground",
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
    k = classes.id_of(solder)
    if k not in classes.ids_with_role(Role.FOREGROUND):
        return f"class {solder!r} is {classes.classes[k - 1].role.value}, not solder; name another in measure.solder_class"
    return counts[k]
