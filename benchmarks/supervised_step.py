"""How long a supervised training step takes beside the plain recipe, step by step in turn in one process.

The plain recipe is what a script would do: one slice at a time resized, cropped, padded and mirrored with Pillow, then
an eager float32 U-Net of segmentation-models-pytorch. Both take 16 crops of 96 x 96. Run:

    python benchmarks/supervised_step.py [--steps 10] [--threads 2]
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections.abc import Iterator
from functools import partial

import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from side_by_side import ratios, take_turns
from torch import nn

from voidscope.config import Config
from voidscope.model import Compute
from voidscope.training import train_steps

N, BATCH, CROP, CLASSES = 64, 16, 96, 5
NORMALISATION = (0.5, 0.25)
FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5)


def slices() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Slices of the paper's sizes with labels of all classes."""
    rng = np.random.default_rng(0)
    shapes = [(rng.integers(57, 97), rng.integers(51, 97)) for _ in range(N)]
    return [rng.random(s, dtype=np.float32) for s in shapes], [
        rng.integers(1, CLASSES + 1, s, dtype=np.uint8) for s in shapes
    ]


def plain_crop(
    image: np.ndarray, label: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One crop, as a data set's `__getitem__` would make it."""
    factor = rng.choice(FACTORS)
    size = tuple(max(1, round(n * factor)) for n in image.shape[::-1])
    picture = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    said = np.asarray(Image.fromarray(label).resize(size, Image.Resampling.NEAREST))
    y, x = (rng.integers(0, max(0, n - CROP) + 1) for n in picture.shape)
    picture, said = (a[y : y + CROP, x : x + CROP] for a in (picture, said))
    missing = [(0, CROP - n) for n in picture.shape]
    picture, said = np.pad(picture, missing, constant_values=NORMALISATION[0]), np.pad(said, missing)
    for axis in (0, 1):
        if rng.random() < 0.5:
            picture, said = np.flip(picture, axis), np.flip(said, axis)
    return np.ascontiguousarray(picture), np.ascontiguousarray(said)


def plain_steps(images: list[np.ndarray], labels: list[np.ndarray]) -> Iterator[None]:
    """The plain recipe, one step at a time."""
    network = smp.Unet("resnet18", encoder_weights=None, in_channels=1, classes=CLASSES).train()
    optimiser = torch.optim.RMSprop(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-8)
    loss_of = nn.CrossEntropyLoss(weight=torch.ones(CLASSES), ignore_index=-1)
    rng = np.random.default_rng(0)
    for start in itertools.cycle(range(0, N, BATCH)):
        crops = [plain_crop(images[k], labels[k], rng) for k in range(start, start + BATCH)]
        x = torch.stack([(torch.from_numpy(i) - NORMALISATION[0]) / NORMALISATION[1] for i, _ in crops])[
            :, None
        ]
        y = torch.stack([torch.from_numpy(m).long() - 1 for _, m in crops])
        optimiser.zero_grad()
        loss_of(network(x), y).backward()
        optimiser.step()
        yield


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images, labels = slices()
    config = Config().with_changes(["train.epochs=1000", "train.crops_per_slice=1", "device=cpu"])
    runs = {
        "plain": plain_steps(images, labels),
        "voidscope": train_steps(images, labels, CLASSES, config, normalisation=NORMALISATION),
    }
    seconds = take_turns({name: partial(next, run) for name, run in runs.items()}, given.steps, warm_up=2)
    result: dict[str, object] = {
        f"{name}_ms_per_step": round(1000 * statistics.median(t), 1) for name, t in seconds.items()
    }
    result |= ratios(seconds["plain"], seconds["voidscope"])
    result |= {
        "threads": given.threads,
        "steps": given.steps,
        "precision": Compute.choose("cpu").precision,
        "torch": torch.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
