"""How long a step of contrastive pretraining takes beside the plain recipe, step by step in turn in one process.

The plain recipe is what a script would do: views one at a time with Pillow and torchvision, an eager float32 U-Net of
segmentation-models-pytorch in torch's default layout, the same loss and optimiser. Both take the same number of views. Run:

    python benchmarks/simclr_step.py [--steps 10] [--slices 64] [--threads 1]
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
from augmentation import CONFIG, NORMALISATION, plain
from side_by_side import ratios, take_turns
from torch import nn

from voidscope.config import Config
from voidscope.model import Compute
from voidscope.training import ProjectionHead, nt_xent, pretrain_steps


def slices(n: int) -> list[np.ndarray]:
    """Slices of the paper's sizes."""
    rng = np.random.default_rng(0)
    shapes = [(rng.integers(57, 97), rng.integers(51, 97)) for _ in range(n)]
    return [rng.integers(0, 256, s, dtype=np.uint8) for s in shapes]


def plain_steps(images: list[np.ndarray]) -> Iterator[None]:
    """The plain recipe, one step at a time."""
    views = plain(images, "L")
    unet = smp.Unet("resnet18", encoder_weights=None, in_channels=1, classes=1)
    head = ProjectionHead(16, CONFIG.projection_dim)
    networks = nn.ModuleList([unet.encoder, unet.decoder, head]).train()
    optimiser = torch.optim.SGD(networks.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    for _ in itertools.count():
        batch = views(np.repeat(np.arange(len(images)), 2))
        optimiser.zero_grad()
        pooled = unet.decoder(unet.encoder(batch)).mean((2, 3))
        nt_xent(head(pooled), CONFIG.temperature).backward()
        optimiser.step()
        yield


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--slices", type=int, default=64, help="two views of each are one step's batch")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--set", dest="changes", action="append", default=[], help="section.field=value")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images = slices(given.slices)
    config = Config().with_changes([f"pretrain.batch_size={given.slices}", "device=cpu", *given.changes])
    scaled = [i.astype(np.float32) / 255 for i in images]
    runs = {
        "plain": plain_steps(images),
        "voidscope": (
            p for p in pretrain_steps(scaled, config, normalisation=NORMALISATION) if p.partial is None
        ),
    }
    seconds = take_turns({name: partial(next, run) for name, run in runs.items()}, given.steps, warm_up=2)
    result: dict[str, object] = {
        f"{name}_views_per_s": round(2 * given.slices / statistics.median(t), 1)
        for name, t in seconds.items()
    }
    result |= ratios(seconds["plain"], seconds["voidscope"])
    result |= {
        "views_per_step": 2 * given.slices,
        "threads": given.threads,
        "steps": given.steps,
        "precision": Compute.choose("cpu").precision,
        "torch": torch.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
