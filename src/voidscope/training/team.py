"""Several processes with a device each that take every step together, as one process would (Lightning Fabric).

All draw the same batch and the same views, and each computes its share of the slices. Batch norm, the loss and the gradients
are of the whole batch, so that the number of devices changes neither the batch nor the order of the slices, and the losses
only by rounding. What torch draws inside the network (dropout, which the paper's network has none of) is drawn per process.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import torch
from torch import distributed, nn
from torch.nn import functional
from torch.nn.modules._functions import SyncBatchNorm
from torch.overrides import TorchFunctionMode

from voidscope.config import Config
from voidscope.errors import ConfigError, NotReady
from voidscope.model.devices import choose_device
from voidscope.training.batches import batches_of
from voidscope.training.pool import Indices
from voidscope.training.spreading import spread_count

HERE = "127.0.0.1"
"""Where the processes meet: all are on this machine."""


class Alone:
    """One process that does all of a batch.

    Attributes
    ----------
    rank, size : which of how many processes this is
    device : where it computes; None leaves that to the settings
    n : views in the batch of now
    """

    rank, size = 0, 1
    device: torch.device | None = None
    n = 0

    def mine(self, n: int) -> Indices:
        """Which of a batch of `n` views are this process's; `whole` is of this batch until the next call."""
        self.n = n
        return np.arange(n)

    def whole(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows of all views, from each process's own; gradients find back."""
        return rows

    def sharing_norms(self) -> AbstractContextManager[object]:
        """A context in which batch norm is over the whole batch."""
        return nullcontext()

    def share_gradients(self, network: nn.Module) -> None:
        """Make the gradients those of the whole batch."""


class Team(Alone):
    """This process among several; every method is called by all of them at the same step.

    The loss is the same number in each process, so that what flows back through `whole` and batch norm is `size` times the
    gradient of this process's share, and the mean over the processes is the gradient.
    """

    def __init__(self, rank: int, size: int, device: torch.device) -> None:
        self.rank, self.size, self.device = rank, size, device
        self._first = 0

    def mine(self, n: int) -> Indices:
        """An even share of the slices, with both views of each."""
        first, end = (2 * (n // 2 * k // self.size) for k in (self.rank, self.rank + 1))
        self._first, self.n = first, n
        return np.arange(first, end)

    def whole(self, rows: torch.Tensor) -> torch.Tensor:
        """All rows (n, ...) in the order of the batch."""
        rest = self.n - self._first - len(rows)
        before, after = (rows.new_zeros((k, *rows.shape[1:])) for k in (self._first, rest))
        return summed(torch.cat((before, rows, after)))

    def sharing_norms(self) -> AbstractContextManager[object]:
        """Batch norm, whatever module asks for it, takes mean and variance of the whole batch."""
        return _SharedNorms()

    def share_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its mean over the processes."""
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        distributed.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view(gradient.shape))


class _Summed(torch.autograd.Function):
    """The sum of a tensor over the processes; what flows back is the sum of what flows back in each."""

    @staticmethod
    def forward(context: Any, tensor: torch.Tensor) -> torch.Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total


def summed(tensor: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over the processes, through which gradients flow."""
    total: torch.Tensor = _Summed.apply(tensor)
    return total


class _SharedNorms(TorchFunctionMode):
    """Turns each call of batch norm in training into one over the batches of all processes."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is functional.batch_norm:
            return shared_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def shared_norm(
    images: torch.Tensor,
    running_mean: torch.Tensor,
    running_var: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> torch.Tensor:
    """Batch norm of (B, C, ...) with mean and variance over the B of all processes; elsewhere as `functional.batch_norm`.

    On an NVIDIA GPU it is what `torch.nn.SyncBatchNorm` calls; torch has nothing of the kind for the CPU.
    """
    if not training:
        return functional.batch_norm(images, running_mean, running_var, weight, bias, False, momentum, eps)
    if images.is_cuda:
        group, size = distributed.group.WORLD, distributed.get_world_size()
        normed: torch.Tensor = SyncBatchNorm.apply(
            images, weight, bias, running_mean, running_var, eps, momentum, group, size
        )
        return normed
    wide, axes = images.to(running_mean.dtype), [0, *range(2, images.dim())]
    shape = (1, -1, *[1] * (images.dim() - 2))
    n = summed(running_mean.new_tensor(images.numel() // images.shape[1]))
    mean = summed(wide.sum(axes)) / n
    away = wide - mean.view(shape)
    variance = summed(away.square().sum(axes)) / n
    with torch.no_grad():
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance * (n / (n - 1)), momentum)
    scale = (variance + eps).rsqrt() * weight
    return (away * scale.view(shape) + bias.view(shape)).to(images.dtype)


# -- who takes part --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seat:
    """A process's place in a team, told to it as it starts: kind of device, which of how many, and where all meet."""

    kind: Literal["cpu", "cuda"]
    rank: int
    size: int
    port: int

    def taken(self) -> Team:
        """Join the others; returns when all are there."""
        from lightning_fabric import Fabric  # takes seconds, and only teams need it
        from lightning_fabric.plugins.environments import LightningEnvironment

        told = {"LOCAL_RANK": str(self.rank), "MASTER_ADDR": HERE, "MASTER_PORT": str(self.port)}
        os.environ.update(told)  # this process was started for this alone
        fabric = Fabric(
            accelerator=self.kind, devices=self.size, strategy="ddp", plugins=[LightningEnvironment()]
        )
        fabric.launch()
        return Team(self.rank, self.size, fabric.device)


def seats(config: Config, n_slices: int, groups: Sequence[Hashable] = ()) -> tuple[Seat, ...]:
    """The places of a team as ``pretrain.devices`` and the machine have it; empty where one process does it alone.

    `groups` is the scan of each slice, for ``one_slice_per_scan``.

    Raises
    ------
    ConfigError : more devices are asked for than there are, or than the smallest step has slices.
    NotReady : several are to be used and Lightning Fabric is not installed.
    """
    kind = choose_device(config.device).type
    size = _size(config, kind, n_slices, groups)
    if size < 2 or kind not in ("cpu", "cuda"):
        return ()
    if find_spec("lightning_fabric") is None:
        raise NotReady(
            f'Pretraining on {size} devices needs Lightning Fabric: pip install "voidscope[multi-gpu]", '
            "or set pretrain.devices=1."
        )
    port = _free_port()
    return tuple(_seated("cuda" if kind == "cuda" else "cpu", size, port))


def _seated(kind: Literal["cpu", "cuda"], size: int, port: int) -> Iterator[Seat]:
    return (Seat(kind, rank, size, port) for rank in range(size))


def _size(config: Config, kind: str, n_slices: int, groups: Sequence[Hashable]) -> int:
    """How many processes there are to be; 0 devices mean every GPU, as far as a step has slices for them."""
    asked = config.pretrain.devices
    smallest = min(len(b) for b in batches_of(np.arange(n_slices), config.pretrain.batch_size, least=2))
    if groups and config.pretrain.one_slice_per_scan:
        smallest = n_slices // spread_count(groups, config.pretrain.batch_size)
    there = torch.cuda.device_count() if kind == "cuda" else 1
    if asked == 0:
        return min(there, smallest)
    if (kind == "mps" and asked > 1) or (kind == "cuda" and asked > there):
        raise ConfigError(
            f"pretrain.devices={asked}, but this machine has {there} {kind} device; set pretrain.devices=0 for all there are."
        )
    if asked > smallest:
        raise ConfigError(
            f"pretrain.devices={asked}, but the smallest step of an epoch has {smallest} slices; set at most that many "
            "devices, or another pretrain.batch_size."
        )
    return asked


def _free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as one:
        one.bind((HERE, 0))
        return int(one.getsockname()[1])
