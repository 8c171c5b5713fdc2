"""Loss and gradients of a step; on an NVIDIA GPU recorded once and replayed, because launching costs more than computing.

A U-Net's step on small crops is hundreds of kernels of microseconds each, and a CUDA graph launches them all at once.
Whatever goes wrong in recording or replaying leaves the ordinary way, which gives the same gradients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from voidscope.model.failures import one_line

Loss = Callable[..., torch.Tensor]
"""Loss of a batch from tensors whose shapes alone decide what is computed."""
Shapes = tuple[tuple[int, ...], ...]

STEPS_BEFORE_RECORDING = 3
"""Ordinary steps of a shape first, in which libraries choose kernels and reserve memory."""


class Recording(Protocol):
    """A recorded step: puts in other tensors, computes, and returns the loss; gradients are left in the parameters."""

    def __call__(self, *given: torch.Tensor) -> torch.Tensor:
        """Loss of `given`, shapes as recorded."""


class Gradients:
    """Computes a loss and the gradients of a network's parameters, the fastest way that works.

    With `record` false steps are never recorded: what processes send each other is not.

    Attributes
    ----------
    warnings : why steps are no longer recorded, where they were to be
    """

    def __init__(self, network: nn.Module, loss: Loss, device: torch.device, record: bool = True) -> None:
        self._network, self._loss = network, loss
        self._may_record = record and device.type == "cuda"
        self._seen: Counter[Shapes] = Counter()
        self._recorded: dict[Shapes, Recording] = {}
        self.warnings: list[str] = []

    def __call__(self, *given: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar that remembers nothing; the gradients are where an optimiser looks for them."""
        shapes = tuple(tuple(t.shape) for t in given)
        self._seen[shapes] += 1
        if self._may_record and self._seen[shapes] > STEPS_BEFORE_RECORDING:
            try:
                return self._recording(shapes, given)(*given)
            except RuntimeError as error:  # whatever CUDA says, the ordinary way is there
                self._give_up(error)
        return self._ordinary(*given)

    def _recording(self, shapes: Shapes, given: tuple[torch.Tensor, ...]) -> Recording:
        if shapes not in self._recorded:
            self._recorded[shapes] = record(self._network, self._loss, given)
        return self._recorded[shapes]

    def let_go(self) -> None:
        """Record no step from now on, and let go of the memory of those recorded."""
        self._may_record = False
        self._recorded.clear()

    def _give_up(self, error: RuntimeError) -> None:
        self.let_go()
        self.warnings.append(f"Steps are launched one kernel at a time, which is slower: {one_line(error)}.")

    def _ordinary(self, *given: torch.Tensor) -> torch.Tensor:
        self._network.zero_grad(set_to_none=True)
        loss = self._loss(*given)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


def record(network: nn.Module, loss: Loss, given: tuple[torch.Tensor, ...]) -> Recording:
    """Record a step on `given` as a CUDA graph; nothing is computed yet.

    The optimiser stays outside: fused it is a few kernels, and its state may be put back without a new recording.
    """
    inputs = [t.clone() for t in given]
    network.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        attached = loss(*inputs)
        attached.backward()  # type: ignore[no-untyped-call]
        found = attached.detach()
    del attached  # what it remembers of this stream would meet the ordinary steps of other shapes
    gradients = [(p, p.grad) for p in network.parameters()]

    def replay(*others: torch.Tensor) -> torch.Tensor:
        for mine, theirs in zip(inputs, others, strict=True):
            mine.copy_(theirs)
        graph.replay()
        for parameter, gradient in gradients:
            parameter.grad = gradient
        return found.clone()

    return replay
