"""What is refused before anything is measured: a mask, classes, a spacing or a recipe that do not go together."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.errors import ConfigError, LabelError, NotReady, VolumeError
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing, check_spacing


def checked(
    mask: Mask, classes: ClassMap, spacing_um: Spacing | None, recipe: MeasureConfig, scan: str
) -> Spacing:
    """The spacing as three plain numbers.

    Raises
    ------
    NotReady : no spacing, or no class with role void.
    VolumeError : an impossible spacing.
    LabelError : the mask is not 3-D, holds no voxel or ids beyond the class map.
    ConfigError : the recipe names a class that is none.
    """
    spacing = _checked_spacing(spacing_um, scan)
    _check(mask, classes, scan)
    check_names(classes, recipe, scan)
    return spacing


def _checked_spacing(spacing_um: Spacing | None, scan: str) -> Spacing:
    """The spacing as three plain numbers, of which a volume can be made."""
    if spacing_um is None:
        raise NotReady(
            f"{scan} has no spacing, so nothing in it can be measured; give it in µm with --spacing Z,Y,X."
        )
    if np.shape(spacing_um) != (3,):
        raise VolumeError(
            f"{scan} has spacing {spacing_um}; give three lengths above 0 in µm, e.g. --spacing 0.7,0.7,0.7."
        )
    spacing = float(spacing_um[0]), float(spacing_um[1]), float(spacing_um[2])
    check_spacing(spacing, scan)
    if not 1e-4 <= min(spacing) <= max(spacing) <= 1e6:
        raise VolumeError(
            f"{scan} has spacing {spacing} µm, finer than 0.1 nm or coarser than 1 m; mind the unit: --spacing Z,Y,X in µm."
        )
    return spacing


def _check(mask: Mask, classes: ClassMap, scan: str) -> None:
    """Refuse a mask that is not of these classes, and classes without a void."""
    if mask.ndim != 3 or not mask.size:
        raise LabelError(
            f"The mask of {scan} has shape {mask.shape}; expected (z, y, x) with at least one voxel each way. Make a slice (1, y, x)."
        )
    if not np.issubdtype(mask.dtype, np.unsignedinteger) or mask.max() > len(classes):
        raise LabelError(
            f"The mask of {scan} is {mask.dtype} up to {mask.max()}; expected uint8 ids 0..{len(classes)}. Translate it with ClassMap.from_file."
        )
    if not classes.ids_with_role(Role.VOID):
        raise NotReady(
            f"No class of {scan} has the role void ({', '.join(classes.names)}); name one, e.g. pore:void."
        )


def check_names(classes: ClassMap, recipe: MeasureConfig, where: str) -> None:
    """Refuse a recipe that names a class the map lacks; a default may lack, since not every part has a pillar or a pad. Refuse too what is
    no foreground, and one class for two parts: no length would be one.

    Raises `ConfigError` with the nearest name and all that are known; `where` says whose classes they are.
    """
    taken: dict[str, str] = {}
    parts = ("solder_class", "pillar_class", "pad_class")
    further = [("joint_classes", value) for value in recipe.further_of_joint]
    for name, value in [*((part, getattr(recipe, part)) for part in parts), *further]:
        usual = MeasureConfig.model_fields[name].default
        if value not in (*classes.names, usual):
            near = get_close_matches(value, (*classes.names, usual), n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            left = f", or leave it at {usual!r}, which may be missing" if usual else ", or none"
            raise ConfigError(
                f"measure.{name} is {value!r}, but the classes of {where} are {', '.join(classes.names)}; name one of them{left}.{meant}"
            )
        if value in classes.names and classes.id_of(value) not in classes.ids_with_role(Role.FOREGROUND):
            solid = [n for n in classes.names if classes.id_of(n) in classes.ids_with_role(Role.FOREGROUND)]
            raise ConfigError(
                f"measure.{name} is {value!r}, which is no foreground in {where}; name one of {', '.join(solid)}."
            )
        if value in taken:
            raise ConfigError(
                f"measure.{name} and measure.{taken[value]} are both {value!r}; name a class for each part of a bump."
            )
        taken[value] = name
