"""How often the interval of a ratio of areas holds the truth when the edges of all voids are off by one random distance.

A joint of pillar, solder and pad with one to four spherical voids is drawn on voxels a third as wide, which is the truth, and once as a
mask whose voids are too large or too small by N(0, 0.25) voxels, which is what the budget assumes of the edges. Run:

    python benchmarks/area_coverage.py [--scenes 60] [--seed 0]
"""

from __future__ import annotations

import argparse

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.metrology import judged_ratio, measured_ratio
from voidscope.vocabulary import ClassMap, Mask

HBM = ClassMap.hbm()
FINE = 3
"""Voxels of the truth along one of the mask's."""
BAND = 3
RATIOS = (
    "void/foreground", "projected area", "worst slice", "interface band, pillar side", "interface band, pad side"
)  # fmt: skip
Ball = tuple[float, float, float, float]


def main() -> None:
    """Draw, measure and count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    rows: dict[str, list[tuple[float, float]]] = {ratio: [] for ratio in RATIOS}
    for _ in range(given.scenes):
        centre = 16 + rng.random(2)
        voids = [_void(rng, centre) for _ in range(rng.integers(1, 5))]
        truth, mask = scene(centre, voids, FINE), scene(centre, voids, shift=rng.normal(0, 0.25))
        for ratio in RATIOS:
            true = measured_ratio(truth, HBM, _recipe(ratio, FINE))
            found = judged_ratio(mask, HBM, _recipe(ratio))
            if true is not None and found.value is not None and found.uncertainty is not None:
                rows[ratio].append((abs(found.value - true), found.uncertainty))
    for ratio, seen in rows.items():
        held, (error, wide) = sum(e <= u for e, u in seen), 100 * np.mean(seen, axis=0)
        print(f"{ratio}: {held} of {len(seen)} held, mean error {error:.2f}, mean U {wide:.2f} points")


def scene(centre: np.ndarray, voids: list[Ball], fine: int = 1, shift: float = 0.0) -> Mask:
    """The mask (z, y, x) of a joint on voxels `fine` times finer, its voids larger by `shift` coarse voxels."""
    axes = [(np.arange(n * fine) + 0.5) / fine for n in (36, 33, 33)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    disc = np.hypot(y - centre[0], x - centre[1]) < 13
    mask = np.full([len(a) for a in axes], HBM.id_of("background"), np.uint8)
    for name, low, high in (("copper_pillar", 4, 14), ("solder", 14, 28), ("copper_pad", 28, 33)):
        mask[disc & (z > low) & (z <= high)] = HBM.id_of(name)
    solder = mask == HBM.id_of("solder")
    for vz, vy, vx, radius in voids:
        ball = (z - vz) ** 2 + (y - vy) ** 2 + (x - vx) ** 2 < (radius + shift) ** 2
        mask[ball & solder] = HBM.id_of("void")
    return mask


def _void(rng: np.random.Generator, centre: np.ndarray) -> Ball:
    """Centre (z, y, x) and radius of a void, in voxels of the mask."""
    y, x = centre + rng.uniform(-7, 7, 2)
    return rng.uniform(15, 27), y, x, rng.uniform(1.5, 5)


def _recipe(ratio: str, fine: int = 1) -> MeasureConfig:
    return MeasureConfig.model_validate({"ratio": ratio, "band_voxels": BAND * fine, "build_axis": "z"})


if __name__ == "__main__":
    main()
