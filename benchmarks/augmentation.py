"""How many contrastive views a second are made beside the plain recipe, in turn in one process.

The plain recipe is the reference's: one slice at a time through Pillow and torchvision, RandomResizedCrop (bicubic, area
0.1 to 1), both mirrorings, ColorJitter, then a stacked batch; in grey, which is what it costs at least, and in RGB, which is
what the reference does. Ours makes the whole batch at once. Run:

    python benchmarks/augmentation.py [--repeats 9] [--threads 1]
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL import Image
from side_by_side import ratios, take_turns
from torchvision import transforms

from voidscope.config import PretrainConfig
from voidscope.training.pool import SlicePool
from voidscope.training.views import cut_views, draw_views

N, BATCH = 2048, 256
NORMALISATION = (0.5, 0.25)
CONFIG = PretrainConfig()


def slices() -> list[np.ndarray]:
    """Slices of the paper's sizes, 8 bits deep as far as Pillow is concerned."""
    rng = np.random.default_rng(0)
    shapes = [(rng.integers(57, 97), rng.integers(51, 97)) for _ in range(N)]
    return [rng.integers(0, 256, s, dtype=np.uint8) for s in shapes]


def plain(images: list[np.ndarray], mode: str) -> Callable[[np.ndarray], torch.Tensor]:
    """A maker of batches as a data set and its loader would."""
    pictures = [Image.fromarray(image).convert(mode) for image in images]
    jitter = transforms.ColorJitter(CONFIG.jitter, CONFIG.jitter, CONFIG.jitter, 0.1)
    if mode == "L":
        jitter = transforms.ColorJitter(CONFIG.jitter, CONFIG.jitter)
    channels = len(mode)
    view = transforms.Compose(
        [
            transforms.RandomResizedCrop(
                CONFIG.crop, (CONFIG.min_crop_area, 1.0), interpolation=transforms.InterpolationMode.BICUBIC
            ),
            transforms.RandomHorizontalFlip(),
            transforms.RandomVerticalFlip(),
            transforms.RandomApply([jitter], p=0.8),
            transforms.ToTensor(),
            transforms.Normalize([NORMALISATION[0]] * channels, [NORMALISATION[1]] * channels),
        ]
    )
    return lambda which: torch.stack([view(pictures[k]) for k in which])


def ours(images: list[np.ndarray]) -> Callable[[np.ndarray], torch.Tensor]:
    """A maker of batches as `pretrain_steps` does."""
    pool = SlicePool([i.astype(np.float32) / 255 for i in images], torch.float16, torch.device("cpu"))
    rng = np.random.default_rng(1)
    return lambda which: cut_views(pool, draw_views(rng, which, pool.sizes, CONFIG), CONFIG, NORMALISATION)


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images = slices()
    makers = {
        "plain_grey": plain(images, "L"),
        "plain_rgb": plain(images, "RGB"),
        "voidscope": ours(images),
    }
    which = np.repeat(np.random.default_rng(2).permutation(N)[:BATCH], 2)
    seconds = take_turns({name: partial(make, which) for name, make in makers.items()}, given.repeats)
    result: dict[str, object] = {
        f"{name}_views_per_s": round(2 * BATCH / statistics.median(seconds[name])) for name in makers
    }
    for name in ("plain_grey", "plain_rgb"):
        result[f"over_{name}"] = ratios(seconds[name], seconds["voidscope"])
    result |= {"threads": given.threads, "repeats": given.repeats, "torch": torch.__version__}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
