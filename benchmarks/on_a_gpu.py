"""What learning at the paper's size takes on a GPU: pretraining against a loader, 2000 epochs, a retraining of 200 slices, a sweep.

Absolute seconds mean nothing without the device, which is printed. The loader's recipe is what a script would do: Pillow and
torchvision in worker processes, an eager float32 U-Net on the same device, the same loss and optimiser. 2000 epochs are not
run but reckoned from the mean step once all is settled: ours after the epochs in which each size of batch is recorded; the
loader's over whole epochs, as its workers make batches ahead within an epoch alone. Each part is printed as soon as it is known. Run, in some two minutes:

    python benchmarks/on_a_gpu.py [--device cuda] [--epochs 15] [--workers 16] [--parts pretraining retraining sweep]

``--slices 24 --batch 8 --epochs 8 --labelled 6 --workers 2 --device cpu`` only shows that it runs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from augmentation import CONFIG, NORMALISATION, plain
from torch import nn
from torch.utils.data import DataLoader, Dataset

from voidscope.config import Config
from voidscope.jobs import Progress
from voidscope.model import Compute, build_segmenter, predict_slices
from voidscope.training import ProjectionHead, nt_xent, pretrain_steps, train_steps

FIRST = 6
"""Epochs of ours that do not count: kernels are chosen, steps of each size recorded and the first state written in them."""
LOADER_FIRST = 2
"""Epochs of the loader that do not count: its workers start in them."""
SCAN = 65
"""Slices of a scan; they have one size, so that a sweep predicts many at once."""
PAPER_STEPS = 32_000
"""2000 epochs of 16 steps of 256 slices."""


def slices(n: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Slices of the paper's sizes in [0, 1] with labels of five classes, a scan after the other."""
    rng = np.random.default_rng(0)
    scans = [(rng.integers(57, 97), rng.integers(51, 97)) for _ in range(-(-n // SCAN))]
    shapes = [scans[k // SCAN] for k in range(n)]
    images = [rng.random(s, dtype=np.float32) for s in shapes]
    return images, [rng.integers(1, 6, s, dtype=np.uint8) for s in shapes]


class Views(Dataset[torch.Tensor]):
    """Two views of a slice, made one at a time."""

    def __init__(self, images: list[np.ndarray]) -> None:
        self._n = len(images)
        self._view = plain([(255 * i).astype(np.uint8) for i in images], "L")

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, k: int) -> torch.Tensor:
        return self._view(np.array([k, k]))


def loader_steps(images: list[np.ndarray], batch: int, workers: int, device: torch.device) -> Iterator[None]:
    """The plain recipe, one step at a time."""
    loader = DataLoader(
        Views(images), batch, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=True,
        pin_memory=device.type == "cuda",
    )  # fmt: skip
    unet = smp.Unet("resnet18", encoder_weights=None, in_channels=1, classes=1)
    networks = nn.ModuleList([unet.encoder, unet.decoder, ProjectionHead(16, CONFIG.projection_dim)])
    networks.to(device).train()
    optimiser = torch.optim.SGD(networks.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    while True:
        for views in loader:
            optimiser.zero_grad()
            pooled = unet.decoder(unet.encoder(views.flatten(0, 1).to(device, non_blocking=True))).mean(
                (2, 3)
            )
            loss = nt_xent(networks[2](pooled), CONFIG.temperature)
            loss.backward()
            optimiser.step()
            float(loss.detach())
            yield


def step_seconds(steps: Iterator[Any], first: int, n: int) -> float:
    """Mean seconds of `n` steps after the `first`."""
    for _ in range(first):
        next(steps)
    started = time.perf_counter()
    for _ in range(n):
        next(steps)
    return (time.perf_counter() - started) / n


def result_of(steps: Generator[Progress, None, Any]) -> Any:
    """Run steps to their end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def pretraining(images: list[np.ndarray], given: argparse.Namespace) -> dict[str, object]:
    """Steps of ours and of the loader's recipe, one after the other."""
    words = [
        f"pretrain.batch_size={given.batch}",
        f"device={given.device}",
        f"pretrain.epochs={given.epochs}",
    ]
    config = Config().with_changes([*words, *given.changes])
    whole = pretrain_steps(images, config, normalisation=NORMALISATION)
    per_epoch = -(-len(images) // given.batch)
    n = (given.epochs - FIRST) * per_epoch - 1
    ours = step_seconds((p for p in whole if p.partial is None), FIRST * per_epoch, n)
    rest = result_of(whole)
    device = torch.device(Compute.choose(given.device).device)
    loader = loader_steps(images, given.batch, given.workers, device)
    full = len(images) // given.batch
    theirs = step_seconds(loader, LOADER_FIRST * full, (given.epochs - FIRST) * full)
    return {
        "pretrain_step_ms": round(1000 * ours, 2), "loader_step_ms": round(1000 * theirs, 2), "over_loader": round(theirs / ours, 2),
        "pretrain_2000_epochs_min": round(PAPER_STEPS * ours / 60, 2), "pretrain_warnings": list(rest.warnings),
    }  # fmt: skip


def retraining(given: argparse.Namespace) -> dict[str, object]:
    """The paper's and the product's training on labelled slices, the second of two each."""
    images, labels = slices(given.labelled)
    found: dict[str, object] = {}
    for preset in ("paper", "product"):
        config = Config().with_changes([f"preset={preset}", f"device={given.device}", *given.changes])
        for _ in range(2):
            trained = result_of(train_steps(images, labels, 5, config, normalisation=NORMALISATION))
        found |= {
            f"retrain_{preset}_s": round(trained.seconds, 2),
            f"retrain_{preset}_warnings": list(trained.warnings),
        }
    return found


def sweep(images: list[np.ndarray], given: argparse.Namespace) -> dict[str, object]:
    """Prediction and survey of all slices, the second of two."""
    segmenter = build_segmenter(Config().model, 5)
    for _ in range(2):
        started = time.perf_counter()
        for _ in predict_slices(segmenter, images, NORMALISATION, given.device):
            pass
    return {"sweep_s": round(time.perf_counter() - started, 2)}


def main() -> None:
    """Measure and print a JSON object for each part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    for name, number in {"slices": 4086, "batch": 256, "epochs": 15, "labelled": 200, "workers": 16}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--set", dest="changes", action="append", default=[], help="section.field=value")
    parts = {
        "pretraining": lambda: pretraining(images, given),
        "retraining": lambda: retraining(given),
        "sweep": lambda: sweep(images, given),
    }
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    given = parser.parse_args()
    if given.epochs <= FIRST:
        parser.error(f"--epochs {given.epochs}: the first {FIRST} do not count, so take more.")
    images, _ = slices(given.slices)
    compute = Compute.choose(given.device)
    result = {"device": compute.name, "precision": compute.precision, "torch": torch.__version__}
    print(json.dumps({**result, **vars(given)}), flush=True)
    for name in given.parts:
        print(json.dumps(parts[name]()), flush=True)


if __name__ == "__main__":
    main()
