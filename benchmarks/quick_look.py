"""How soon a quick look is there after one more slice of 96 x 96 is labelled: the slice's features, the fit, the prediction.

The network has the product's size and random weights, the labels are blobs; what the others gave is kept already, as in the window.
Ends with 1 where the median is above a second. Run:

    python benchmarks/quick_look.py [--labelled 12 50 200] [--repeats 9] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from voidscope.config import Config
from voidscope.model import build_segmenter
from voidscope.training.quick import QuickLook

SIDE, N_CLASSES = 96, 5


def slices(n: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Noisy slices of blobs of all classes, and their masks."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    masks = []
    for _ in range(n):
        mask = np.ones((SIDE, SIDE), np.uint8)
        for c in range(2, N_CLASSES + 1):
            cy, cx, r = [*rng.uniform(15, SIDE - 15, 2).tolist(), rng.uniform(4, 20)]
            mask[np.hypot(y - cy, x - cx) < r] = c
        masks.append(mask)
    images = [(m / N_CLASSES + rng.normal(0, 0.1, m.shape)).astype(np.float32) for m in masks]
    return images, masks


def seconds_of(n: int, repeats: int) -> list[float]:
    """Seconds from one more label to its prediction, with `n` slices labelled."""
    config = Config.product()
    look = QuickLook(build_segmenter(config.model, N_CLASSES), (0.5, 0.3), "cpu", config.model.flips)
    images, masks = slices(n)
    for k, (image, mask) in enumerate(zip(images, masks, strict=True)):
        look.learn(str(k), "before", image, mask)
    look.at(images[0])
    found = []
    for k in range(repeats):
        started = time.perf_counter()
        look.learn(str(n - 1), str(k), images[-1], masks[-1])
        look.trial()
        look.at(images[-1])
        found.append(time.perf_counter() - started)
    return found


def main() -> int:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labelled", type=int, nargs="+", default=[12, 50, 200])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = {n: seconds_of(n, given.repeats) for n in given.labelled}
    result: dict[str, object] = {
        f"{n}_labelled": {"median_s": round(float(np.median(s)), 3), "slowest_s": round(max(s), 3)}
        for n, s in found.items()
    }
    load = Path("/proc/loadavg")
    result |= {"threads": given.threads, "torch": torch.__version__}
    result["load_average"] = float(load.read_text().split()[0]) if load.exists() else None
    print(json.dumps(result))
    return int(any(np.median(s) > 1 for s in found.values()))


if __name__ == "__main__":
    sys.exit(main())
