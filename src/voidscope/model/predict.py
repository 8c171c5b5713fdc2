"""Prediction and survey in one sweep over the slices of a scan."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from voidscope.acquisition import Suspects
from voidscope.errors import JobFailed, is_out_of_memory
from voidscope.metrology import TILE
from voidscope.model.devices import Compute
from voidscope.model.failures import told_in_one_line
from voidscope.model.gradients import kernel_gradients
from voidscope.model.segmenter import STRIDE, Segmenter
from voidscope.model.summary import SlicePrediction, summarise

Image = npt.NDArray[np.float32]
"""(h, w) intensities scaled to [0, 1]."""

SMALLEST = 96
"""Slices are padded to at least this many pixels each way: the size the network is trained at (paper 4.1)."""
MOST_PIXELS = {"cpu": 2**20, "cuda": 2**24, "mps": 2**21}
"""Padded pixels in one batch, so that large slices go one by one."""
MIRRORED: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))
"""Axes along which a batch (B, 1, h, w) is flipped; the slice as it is comes first."""
NO_GPU = "memory ran out: going on without the GPU, which takes longer"
MOST_SLICES = {"cpu": 16, "cuda": 128, "mps": 16}


def predict_slices(
    segmenter: Segmenter,
    images: Iterable[Image],
    normalisation: tuple[float, float],
    device: str = "auto",
    batch_size: int | None = None,
    flips: bool = False,
    *,
    top_percent: float = 1.0,
    gradients: bool = False,
    void_ids: Sequence[int] = (),
    tell: Callable[[str], object] = lambda sentence: None,
) -> Iterator[SlicePrediction]:
    """Predict slices in order; slices of one shape that follow each other share a batch.

    Each slice is padded at the bottom and right with the mean, and what is said about it is about its own pixels.
    The network is moved to the device. When memory runs out the batch is halved, and in the end the CPU is used.

    Parameters
    ----------
    normalisation : mean and standard deviation of the intensities the network was trained with
    device : ``auto``, ``cpu``, ``cuda`` or ``mps``
    batch_size : slices per forward pass; None chooses by device and slice size
    flips : average probabilities and features over the four mirror images of each slice, which takes four times as long
    top_percent : what share of the pixels the predictions' `entropy_local` averages, in percent
    gradients : also give the gradient of the head's kernel, which BADGE needs; it is of the slice as it is, not mirrored
    void_ids : ids 1..C of the void classes; with them `suspects` are given, the pixels called otherwise that may be void
    tell : is called with what is made do with when memory runs out

    Raises
    ------
    JobFailed : torch failed, in one line.
    """
    mirrored = MIRRORED if flips else MIRRORED[:1]
    with told_in_one_line("Segmenting"):
        sweep = _Sweep(segmenter, normalisation, device, mirrored, top_percent, gradients, void_ids, tell)
        for batch in _batches(images, sweep.compute.device.type, batch_size):
            yield from sweep.predict(batch)


def _batches(images: Iterable[Image], device: str, batch_size: int | None) -> Iterator[list[Image]]:
    """Consecutive slices of one shape, at most as many as fit."""
    waiting: list[Image] = []
    for image in images:
        height, width = padded_shape(image.shape)
        most = batch_size or max(1, min(MOST_SLICES[device], MOST_PIXELS[device] // (height * width)))
        if waiting and (waiting[0].shape != image.shape or len(waiting) >= most):
            yield waiting
            waiting = []
        waiting.append(image)
    if waiting:
        yield waiting


def padded_shape(shape: Sequence[int]) -> tuple[int, int]:
    """Height and width a slice is padded to: at least `SMALLEST`, a multiple of the network's stride."""
    height, width = (max(SMALLEST, -(-n // STRIDE) * STRIDE) for n in shape)
    return height, width


class _Sweep:
    """A network on its device that makes do with the memory there is."""

    def __init__(
        self, segmenter: Segmenter, normalisation: tuple[float, float], device: str,
        mirrored: Sequence[tuple[int, ...]], top_percent: float, gradients: bool,
        void_ids: Sequence[int], tell: Callable[[str], object],
    ) -> None:  # fmt: skip
        self.tell = tell
        self.compute, placed, warnings = Compute.placing(device, lambda compute: compute.place(segmenter))
        self.segmenter = placed.eval()
        if warnings:
            tell(NO_GPU)
        self.mirrored, self.top_percent, self.gradients = mirrored, top_percent, gradients
        self.void_ids = tuple(void_ids)
        self.mean, self.std = normalisation
        self.most: int | None = None

    def predict(self, images: list[Image]) -> Iterator[SlicePrediction]:
        """Predictions of slices of one shape, in as few passes as memory allows."""
        while images:
            part = images[: self.most]
            try:
                found = self._forward(part)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._make_do(len(part), part[0].shape)
                continue
            images = images[len(part) :]
            yield from found

    @torch.inference_mode()
    def _forward(self, images: list[Image]) -> tuple[SlicePrediction, ...]:
        scaled = (np.stack(images, dtype=np.float32) - np.float32(self.mean)) / np.float32(self.std)
        batch = torch.from_numpy(scaled[:, None]).to(self.compute.device)
        shape = (batch.shape[2], batch.shape[3])
        looks = [self._look(batch, axes) for axes in self.mirrored]
        passes = [
            _mirrored_back((said, f), axes, shape)
            for (said, _, f), axes in zip(looks, self.mirrored, strict=True)
        ]
        logits, features = passes[0]
        if len(passes) > 1:
            mean = torch.stack([one.softmax(1) for one, _ in passes]).mean(0)
            logits = mean.clamp_min_(torch.finfo(torch.float32).tiny).log()
            features = torch.stack([one.float() for _, one in passes]).mean(0)
        found = summarise(logits, features, shape, self.top_percent)
        if len(passes) > 1:
            views = _disputed([one for one, _ in passes], logits)
            found = tuple(replace(p, views=v) for p, v in zip(found, views, strict=True))
        if self.void_ids:
            found = self._with_suspects(found, logits, [one for one, _ in passes])
        return self._with_gradients(found, *looks[0][1:]) if self.gradients else found

    def _look(
        self, batch: torch.Tensor, axes: tuple[int, ...]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits by which a batch (B, 1, h, w) is predicted, mirrored along `axes` and padded; the U-Net's logits and its features."""
        height, width = batch.shape[2:]
        rows, columns = padded_shape((height, width))
        padded = functional.pad(batch.flip(axes), (0, columns - width, 0, rows - height))
        with self.compute.running():
            given = padded.contiguous(memory_format=self.compute.layout)
            logits, features = self.segmenter(given)
            return self.segmenter.together(given, logits), logits, features

    def _with_gradients(
        self, found: tuple[SlicePrediction, ...], logits: torch.Tensor, features: torch.Tensor
    ) -> tuple[SlicePrediction, ...]:
        """The predictions with the gradients of what the U-Net's head said of the slices as they are."""
        kernel: torch.Tensor = next(self.segmenter.head.parameters())
        height, width = found[0].mask.shape
        gradients = kernel_gradients(logits, features, kernel.shape[-1], (height, width))
        return tuple(replace(p, gradient=g) for p, g in zip(found, gradients.cpu().numpy(), strict=True))

    def _with_suspects(
        self, found: tuple[SlicePrediction, ...], logits: torch.Tensor, looks: list[torch.Tensor]
    ) -> tuple[SlicePrediction, ...]:
        """The predictions with their suspects; only the planes of one batch are ever held."""
        columns = torch.tensor([i - 1 for i in self.void_ids], device=logits.device)
        void = logits.softmax(1)[:, columns].sum(1)
        votes = torch.stack([torch.isin(one.argmax(1), columns) for one in looks]).sum(0, dtype=torch.uint8)
        planes = zip(found, void.cpu().numpy(), votes.cpu().numpy(), strict=True)
        return tuple(replace(p, suspects=Suspects.of(p.mask, v, n, self.void_ids)) for p, v, n in planes)

    def _make_do(self, tried: int, shape: tuple[int, ...]) -> None:
        """Halve the batch, or leave the GPU; `JobFailed` when one slice does not fit in the machine's memory."""
        if tried > 1:
            self.most = tried // 2
            self.tell(f"memory ran out: {self.most} slices at a time")
        elif self.compute.device.type != "cpu":
            self.compute = Compute.choose("cpu")
            self.segmenter = self.compute.place(self.segmenter)
            self.tell(NO_GPU)
        else:
            raise JobFailed(
                f"One slice of {shape} pixels does not fit in memory; close other programs or crop the scan."
            )


def _disputed(looks: Sequence[torch.Tensor], logits: torch.Tensor) -> npt.NDArray[np.int64]:
    """Where the best class of each of V looks (B, C, h, w) is not that of `logits`: pixels gained by each class in each tile,
    (B, V, h', w', C). Few are, so those alone are counted. Ties go to the lowest class.
    """
    batch, classes, height, width = logits.shape
    best, down, across = logits.argmax(1), -(-height // TILE), -(-width // TILE)
    shape = (batch, len(looks), down, across, classes)
    found = torch.zeros(math.prod(shape), dtype=torch.int64, device=logits.device)
    for v, look in enumerate(looks):
        own = look.argmax(1)
        slice_, y, x = torch.nonzero(own != best, as_tuple=True)
        tile = ((slice_ * len(looks) + v) * down + y // TILE) * across + x // TILE
        for calls, sign in ((own, 1), (best, -1)):
            found.index_add_(0, tile * classes + calls[slice_, y, x], torch.full_like(tile, sign))
    return np.asarray(found.reshape(shape).cpu().numpy())


def _mirrored_back(
    found: tuple[torch.Tensor, torch.Tensor], axes: tuple[int, ...], shape: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and features (B, _, h, w) of the slices, without padding and as they lie."""
    logits, features = (f[:, :, : shape[0], : shape[1]].flip(axes) for f in found)
    return logits.float(), features
