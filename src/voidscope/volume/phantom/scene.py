"""A bump in its surroundings: labels and materials of everything in the field of an ordinary or hard scan."""

from __future__ import annotations

import numpy as np

from voidscope.volume.phantom.bump import Form, assembled, random_bump, random_form
from voidscope.volume.phantom.difficulty import Conditions, Scene
from voidscope.volume.phantom.geometry import Bump, Field, Frame, Kind, Shape, random_frame, share
from voidscope.volume.phantom.surroundings import neighbours, traces, underfill
from voidscope.volume.phantom.voids import random_level, random_voids


def random_scene(
    kind: Kind,
    shape: Shape,
    drawn_from: Conditions,
    rng: np.random.Generator,
    void_level: float | None = None,
) -> Bump:
    """All that is in a volume of this shape (z, y, x); without a scene, a plain bump.

    Only the solder's own voids are of class void. Neighbours are pillar, solder and pad like the bump itself; dies,
    their metal lines, and underfill with its filler and gas are background.
    """
    ranges, scene = drawn_from.forms, drawn_from.scene
    if scene is None:
        return random_bump(kind, shape, rng, void_level, ranges)
    frame = random_frame(shape, ranges.off_centre_sd, ranges.lean_sd_deg, rng)
    form = random_form(kind, shape, ranges, rng)
    level = random_level(scene.voids, rng)
    return _filled(form, frame, scene, level if void_level is None else void_level, rng)


def _filled(form: Form, frame: Frame, scene: Scene, level: float, rng: np.random.Generator) -> Bump:
    around = scene.surroundings
    bodies = neighbours(form, frame, around, rng)
    bump = assembled(bodies, random_voids(bodies["solder"], frame, form, scene.voids, level, rng))
    metal = np.asarray(sum(bump.fractions.values()), dtype=np.float32)
    lines = traces(form, frame, around, rng) * (1 - metal)
    made = {**bump.fractions, "copper": bump.fractions["copper"] + lines}
    made |= compound(made["solder"], form, frame, rng.uniform(*around.compound), rng)
    made |= underfill(form, frame, metal + lines, around, rng)
    return Bump(bump.labels, made)


def compound(
    solder: Field, form: Form, frame: Frame, thickness: float, rng: np.random.Generator
) -> dict[str, Field]:
    """Solder shares parted into solder and intermetallic compound, a scalloped layer on the copper at either end."""
    from scipy.ndimage import gaussian_filter

    z = frame.grid[0]
    scallops = gaussian_filter(rng.standard_normal(frame.shape[1:], dtype=np.float32), 1.5)
    layer = thickness * np.clip(1 + 0.4 * scallops / scallops.std(), 0.2, 2)
    depth = np.minimum(z - form.shoulder, form.top - z)
    reacted = solder * share(depth - layer.astype(np.float32))
    return {"solder": solder - reacted, "compound": reacted}
