"""What will be used on this machine, and how to mend what is wrong; never raises."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from voidscope.errors import ConfigError
from voidscope.machine import DEVICE, THREADS, preferred_device, preferred_threads

PAIR = "uv pip install --reinstall --torch-backend={} torch torchvision (pip: https://pytorch.org/get-started/locally)"
"""The remedy for a torch and a torchvision that are none of a pair, or not for this machine: both anew, of one build."""
LITTLE_MEMORY_GB = 4.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what it is, whether it is well, and if not, what to do."""

    name: str
    value: str
    ok: bool = True
    remedy: str = ""


def doctor(device: str = "auto") -> tuple[Check, ...]:
    """Look at Python, memory, torch, torchvision, the U-Net library, the GPU, and what `device` (a setting) comes to.

    Each check stands alone: where torch cannot even be imported, that is what they say.
    """
    found = [Check("Python", sys.version.split()[0]), _memory(), _torch()]
    if found[-1].ok:
        found += [_torchvision(), _unets(), _gpu(), _processor(), _used(device)]
    return tuple(replace(f, remedy="") if f.ok else f for f in found)


def _memory() -> Check:
    try:
        gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):
        return Check("memory", "unknown")
    remedy = "set train.batch_size=4 and pretrain.batch_size=32, or use a machine with more memory"
    return Check("memory", f"{gigabytes:.1f} GB", gigabytes >= LITTLE_MEMORY_GB, remedy)


def _torch() -> Check:
    found = _imported("torch", PAIR.format("auto"))
    return replace(found, value=f"{found.value}, {_built_for()}") if found.ok else found


def _built_for() -> str:
    import torch

    built = torch.version
    kinds = {"CUDA": built.cuda, "ROCm": built.hip}
    return next((f"built for {kind} {v}" for kind, v in kinds.items() if v), "built for the CPU only")


def _torchvision() -> Check:
    """Torchvision built for another torch fails at import with ``operator torchvision::nms does not exist``.

    Most often a CPU-only torch was installed beside a torchvision for CUDA; both say so in their local versions.
    """
    torch, vision = _build("torch"), _build("torchvision")
    found = _imported("torchvision", PAIR.format("cpu" if torch == "cpu" else "auto"))
    if not found.ok and torch != vision and "cpu" in (torch, vision):
        said = f"built for {_in_words(vision)}, but torch for {_in_words(torch)}: {found.value}"
        return replace(found, value=said)
    return found


def _build(name: str) -> str:
    """The build an installed package says it is of, e.g. ``cpu`` or ``cu130``; empty for PyPI's."""
    try:
        return version(name).partition("+")[2]
    except PackageNotFoundError:
        return ""


def _in_words(build: str) -> str:
    """A build in words; PyPI's says nothing, and is one for CUDA on Linux."""
    known = {"cpu": "the CPU only", "": "CUDA" if sys.platform == "linux" else "PyPI's default"}
    return known.get(build, f"CUDA ({build})" if build.startswith("cu") else build)


def _unets() -> Check:
    name = "segmentation-models-pytorch"
    try:
        return Check(name, version(name))
    except PackageNotFoundError:
        return Check(name, "not installed", False, f"pip install {name}")


def _imported(name: str, remedy: str) -> Check:
    try:
        found = import_module(name)
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        return Check(name, f"cannot be loaded: {said}", False, remedy)
    return Check(name, str(found.__version__))


def _gpu() -> Check:
    import torch

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    if usable:
        return _cuda()
    if torch.backends.mps.is_available():
        return Check("GPU", "Apple MPS")
    if shutil.which("nvidia-smi") is None:
        return Check("GPU", "none; training takes minutes instead of seconds, pretraining hours")
    why = str(said[0].message).split(".")[0] if said else _built_for()
    return Check(
        "GPU",
        f"an NVIDIA driver is installed, but torch cannot use it: {why}",
        False,
        f"install a torch build for your driver: {PAIR.format('auto')}",
    )


def _cuda() -> Check:
    import torch

    try:
        name, (free, total) = torch.cuda.get_device_name(), torch.cuda.mem_get_info()
    except RuntimeError as error:
        said = str(error).splitlines()[0]
        return Check("GPU", f"CUDA fails: {said}", False, "restart the machine, or set device=cpu")
    value = f"{name}, CUDA {torch.version.cuda}, {free / 2**30:.1f} of {total / 2**30:.1f} GB free"
    return Check("GPU", value, free >= 2**30, "close other programs on the GPU, or set device=cpu")


def _processor() -> Check:
    from voidscope.model.devices import cpu_has_bfloat16, use_threads

    speed = (
        "bfloat16 in hardware"
        if cpu_has_bfloat16()
        else "without bfloat16: training takes about twice as long as on newer ones"
    )
    try:
        n = use_threads()
    except ConfigError as error:
        return Check("processor", str(error), False, f"unset {THREADS}, or set it to a number")
    kept = " (preferred on this machine)" if preferred_threads() else ""
    return Check("processor", f"{n} thread{'s' if n > 1 else ''}{kept}, {speed}")


def _used(device: str) -> Check:
    """What trainings and predictions run on."""
    from voidscope.model.devices import Compute

    name = "runs on"
    try:
        chosen = Compute.choose(device)
    except (ConfigError, RuntimeError) as error:  # torch says the latter of a GPU that fails
        what, said = "device" if device != "auto" else DEVICE, str(error).splitlines()[0]
        return Check(name, said, False, f"set {what}=auto or {what}=cpu")
    preferred = preferred_device()
    why = (
        f"the project's device={device}"
        if device != "auto"
        else f"preferred on this machine ({DEVICE}={preferred})"
        if preferred != "auto"
        else "the fastest that torch can use"
    )
    return Check(name, f"{chosen.device.type}, {chosen.precision}: {why}")
