"""Measuring a package of bumps full of voids: time and peak memory, beside scikit-image regionprops loops on the same mask.

    python benchmarks/measure_speed.py                      256^3, 156 voids, 16 bumps
    python benchmarks/measure_speed.py --edge 512           1,250 voids
    python benchmarks/measure_speed.py --edge 1024 --only all --only sizes --only "loop of sizes"     10,000 voids
    python benchmarks/measure_speed.py --touching           all bumps joined into one body by bridges of solder

Goals: 1024^3 with 10,000 voids within 60 s and 2.5 times the mask's memory, and 3 times as fast as the loop. Every run is a process of
its own on the same file; its memory is the largest it ever held (ru_maxrss), and the largest that a process it started ever held, less
what it held before it read the mask, so the mask is in it. Voids are balls of 3 to 8 voxels, so five of six have a shape. Like is
compared with like:

    sizes    every void's volume, diameter, centroid, box
    shapes   and of those of 260 voxels or more Feret diameter, surface, enclosing sphere, gap to the next void, and the distances to
             the structure's surface and to the interfaces. The loop takes these two from SciPy's distance transform of the whole mask,
             lacks sphere and gap, and meshes the surface; at 1024^3 the transform alone needs more than 20 GB
    meshes   the loop's shapes without the distances, which has no counterpart
    all      and ratios, areas, dimensions, pieces, holes, every bump by itself, its verdict; no loop does that
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from voidscope.config import MeasureConfig
from voidscope.metrology import find_voids, measure_scan
from voidscope.metrology.nearness import voids_of
from voidscope.vocabulary import ClassMap

BACKGROUND, PILLAR, SOLDER, VOID, PAD = range(1, 6)
QUANTIFIABLE = 260
CLASSES, SPACING = ClassMap.hbm(), (0.7, 0.7, 0.7)


def scene(edge: int, voids: int, side: int, touching: bool, seed: int) -> Any:
    """A mask (z, y, x) of side x side bumps: pillar, solder with voids, pad."""
    rng = np.random.default_rng(seed)
    mask = np.full((edge,) * 3, BACKGROUND, np.uint8)
    pitch = edge / side
    along = (np.arange(edge) % pitch) - pitch / 2
    disc = along[:, None] ** 2 + along**2 < (0.4 * pitch) ** 2
    heights = [round(edge * f) for f in (0.05, 0.35, 0.85, 0.95)]
    if touching:
        bridge = abs(along) < 0.05 * pitch
        mask[heights[1] + edge // 8 : heights[1] + edge // 6][:, bridge[:, None] | bridge] = SOLDER
    for k, low, high in zip((PILLAR, SOLDER, PAD), heights, heights[1:], strict=False):
        mask[low:high][:, disc] = k
    for _ in range(voids):
        _carve(mask, disc, heights, rng)
    return mask


def _carve(mask: Any, disc: Any, heights: list[int], rng: np.random.Generator) -> None:
    """One ball of void in solder."""
    radius = rng.uniform(3, 8)
    while True:
        y, x = rng.integers(8, len(mask) - 8, 2)
        if disc[y, x]:
            break
    z = rng.integers(heights[1] + 4, heights[2] - 4)
    low = [max(0, c - 9) for c in (z, y, x)]
    box = mask[tuple(slice(a, a + 19) for a in low)]
    grid = np.ogrid[tuple(slice(a, a + n) for a, n in zip(low, box.shape, strict=True))]
    ball = sum((g - c - o) ** 2 for g, c, o in zip(grid, (z, y, x), rng.random(3), strict=True)) < radius**2
    box[ball & (box == SOLDER)] = VOID


def everything(mask: Any) -> int:
    """All that voidscope measures; the number of voids."""
    return len(measure_scan(mask, CLASSES, SPACING, MeasureConfig(), "scan").voids)


def sizes(mask: Any) -> int:
    """Voids and their sizes."""
    return len(find_voids(mask, [VOID], SPACING))


def shapes(mask: Any) -> int:
    """Voids, their sizes and shapes, and what they are near to."""
    return len(voids_of(mask, CLASSES, SPACING, MeasureConfig()))


def loop(mask: Any, meshes: bool = False, distances: bool = False) -> int:
    """Voids by scikit-image, one by one; their number."""
    from scipy.ndimage import distance_transform_edt
    from skimage.measure import label, marching_cubes, mesh_surface_area, regionprops

    targets = [mask != BACKGROUND, ~_interface(mask)] if distances else []
    depths = [distance_transform_edt(t, sampling=SPACING) for t in targets]
    rows: list[Any] = []
    for part in regionprops(label(mask == VOID, connectivity=3), spacing=SPACING):
        row = [part.num_pixels, part.area, part.equivalent_diameter_area, part.centroid, part.bbox]
        if meshes and part.num_pixels >= QUANTIFIABLE:
            vertices, faces, *_ = marching_cubes(np.pad(part.image, 1).astype(np.uint8), 0.5, spacing=SPACING)
            row += [part.feret_diameter_max, mesh_surface_area(vertices, faces)]
            row += [float(depth[part.slice][part.image].min()) for depth in depths]
        rows.append(row)
    return len(rows)


def _interface(mask: Any) -> Any:
    """Voxels of solder that share a face with pillar or pad."""
    from scipy.ndimage import binary_dilation

    return (mask == SOLDER) & binary_dilation((mask == PILLAR) | (mask == PAD))


RUNS = {
    "all": everything,
    "sizes": sizes,
    "loop of sizes": loop,
    "shapes": shapes,
    "loop of shapes": lambda m: loop(m, meshes=True, distances=True),
    "loop of meshes": lambda m: loop(m, meshes=True),
}


def child(name: str, path: str) -> None:
    """One run; prints its figures as JSON."""
    RUNS[name](scene(48, 2, 1, False, 0))  # whatever is loaded on first use
    before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    mask = np.load(path)
    peaks: dict[str, int] = {}
    threading.Thread(target=_watch_started, args=(peaks,), daemon=True).start()
    start, cpu = time.perf_counter(), time.process_time()
    voids = RUNS[name](mask)
    seconds, busy = time.perf_counter() - start, time.process_time() - cpu
    time.sleep(1)  # by then a process that was started has been waited for
    own, started = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    busy += started.ru_utime + started.ru_stime
    peak = (own.ru_maxrss + sum(peaks.values())) * 1024 - before
    print(json.dumps({"seconds": seconds, "cpu": busy, "memory": peak / mask.nbytes, "voids": voids}))


def _watch_started(peaks: dict[str, int]) -> None:
    """Keep the most memory in KiB that each process started from here has held, by its number (ru_maxrss tells a new one its parent's)."""
    while True:
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError, IndexError):  # a thread or a process that has ended meanwhile
                for pid in (task / "children").read_text().split():
                    said = Path(f"/proc/{pid}/status").read_text()
                    peaks[pid] = int(said.split("VmHWM:")[1].split()[0])
        time.sleep(0.1)


def main() -> None:
    """Make the mask and run each in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--edge", type=int, default=256)
    parser.add_argument(
        "--voids", type=int, help="10,000 at 1024^3 and as dense where there is less, unless said otherwise"
    )
    parser.add_argument("--side", type=int, default=4, help="bumps along y and x")
    parser.add_argument("--touching", action="store_true")
    parser.add_argument("--only", choices=RUNS, action="append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(*given.child)
        return
    voids = given.voids if given.voids is not None else round(10_000 * (given.edge / 1024) ** 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.npy"
        np.save(path, scene(given.edge, voids, given.side, given.touching, given.seed))
        print(
            f"{given.edge}^3, {voids} balls of void, {given.side**2} bumps{', touching' if given.touching else ''}; load {os.getloadavg()[0]:.1f}"
        )
        for name in given.only or RUNS:
            said = subprocess.run(
                [sys.executable, __file__, "--child", name, str(path)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            found = json.loads(said.stdout.splitlines()[-1])
            print(
                f"{name:15s} {found['seconds']:7.2f} s ({found['cpu']:.2f} s of CPU)  {found['memory']:5.2f}x the mask's memory, mask included  "
                f"{found['voids']} voids",
                flush=True,
            )


if __name__ == "__main__":
    main()
