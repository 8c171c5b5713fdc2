"""Where the network runs and in which precision: GPU when there is one, bfloat16 where the processor really has it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import torch
from torch import nn

from voidscope.errors import ConfigError, is_out_of_memory
from voidscope.machine import DEVICE, VISIBLE_GPUS, gpu_share, preferred_device, preferred_threads

Net = TypeVar("Net", bound=nn.Module)
Placed = TypeVar("Placed")

NO_ROOM = "The GPU had no room for the network and the slices: the CPU is used, which takes longer."
"""What a person is told where `Compute.placing` left the GPU."""

_before: list[int] = []
"""The threads torch had before a preferred number was put in force; empty while none is."""


def choose_device(name: str = "auto") -> torch.device:
    """The torch device called `name`; ``auto`` takes what is preferred on this machine, else CUDA, Apple's MPS, the CPU.

    Raises
    ------
    ConfigError : the device is asked for by name and torch cannot use it here.
    """
    asked = "device"
    if name == "auto":
        asked, name = DEVICE, preferred_device()
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if found[kind]))
    if name not in found:
        raise ConfigError(f"There is no {asked} {name!r}; choose auto, cpu, cuda or mps.")
    if not found[name]:
        raise ConfigError(
            f"{asked}={name} was asked for, but torch {torch.__version__} finds none on this machine; "
            f"set {asked}=auto, or see: voidscope doctor"
        )
    return torch.device(name)


def visible_gpus() -> tuple[str, ...]:
    """The CUDA GPUs this process sees, each as ``CUDA_VISIBLE_DEVICES`` names it; empty without one."""
    n = torch.cuda.device_count()
    named = os.environ.get(VISIBLE_GPUS, "").split(",")
    return tuple(name.strip() for name in named[:n]) if named[0] else tuple(map(str, range(n)))


def use_threads() -> int:
    """Let torch use as many threads of the CPU as are preferred on this machine; returns how many.

    Raises `ConfigError` where the preference is no number.
    """
    preferred = preferred_threads()
    if preferred and not _before:
        _before.append(torch.get_num_threads())
    threads = preferred or (_before.pop() if _before else torch.get_num_threads())
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    return threads


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware (AVX-512 BF16 or AMX); emulated it would be slower."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        flags: dict[str, Any] = capabilities()
        return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe is not None and probe())


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and cpu_has_bfloat16()


@dataclass(frozen=True, slots=True)
class Compute:
    """A device and the precision of the convolutions on it; weights, loss and scores stay float32."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def choose(cls, name: str | torch.device = "auto") -> Self:
        """The device called `name` (see `choose_device`) with the fastest precision it has, and the threads and memory preferred."""
        use_threads()
        device = choose_device(name) if isinstance(name, str) else name
        if device.type == "cuda" and (share := gpu_share()) < 1:
            torch.cuda.set_per_process_memory_fraction(share, device.index)  # more is out of memory
        return cls(device, torch.bfloat16 if _has_bfloat16(device) else torch.float32)

    @classmethod
    def placing(
        cls, name: str | torch.device, put: Callable[[Self], Placed]
    ) -> tuple[Self, Placed, tuple[str, ...]]:
        """The device called `name`, or the CPU where a GPU has no room for what is `put` on it.

        Returns
        -------
        The device, what `put` returned on it, and what a person should be told.
        """
        compute = cls.choose(name)
        try:
            return compute, put(compute), ()
        except RuntimeError as error:
            if compute.device.type == "cpu" or not is_out_of_memory(error):
                raise
        compute = cls.choose("cpu")
        return compute, put(compute), (NO_ROOM,)

    @property
    def name(self) -> str:
        """What a record of a run says it ran on, e.g. ``cpu`` or ``cuda (NVIDIA H100)``."""
        kind = self.device.type
        return f"{kind} ({torch.cuda.get_device_name(self.device)})" if kind == "cuda" else kind

    @property
    def precision(self) -> str:
        """Name of the precision, e.g. ``bfloat16``."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def layout(self) -> torch.memory_format:
        """Memory layout of images: channels last, except on Apple's GPU where it gains nothing."""
        return torch.contiguous_format if self.device.type == "mps" else torch.channels_last

    def place(self, network: Net) -> Net:
        """Move a network to this device and layout."""
        return network.to(self.device).to(memory_format=self.layout)

    def running(self) -> AbstractContextManager[object]:
        """A context in which to convolve: in this precision, on CUDA with convolutions that repeat exactly.

        Trying each way of a convolution and keeping the fastest gains nothing worth the repetition (docs/measurements.md).
        """
        stack = ExitStack()
        if self.device.type == "cuda":
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True))
        if self.dtype is not torch.float32:
            stack.enter_context(torch.autocast(self.device.type, dtype=self.dtype))
        return stack
