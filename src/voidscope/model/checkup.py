"""What will be used on this machine, and how to mend what is wrong; never raises."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

PAIR = "pip install --upgrade --force-reinstall torch torchvision (both from the same index)"
LITTLE_MEMORY_GB = 4.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what it is, whether it is well, and if not, what to do."""

    name: str
    value: str
    ok: bool = True
    remedy: str = ""


def doctor() -> tuple[Finding, ...]:
    """Look at Python, memory, torch, torchvision, the U-Net library, the GPU and bfloat16.

    Each finding stands alone: where torch cannot even be imported, that is what the findings say.
    """
    found = [Finding("Python", sys.version.split()[0]), _memory(), _torch()]
    if found[-1].ok:
        found += [_torchvision(), _unets(), _gpu(), _processor()]
    return tuple(replace(f, remedy="") if f.ok else f for f in found)


def _memory() -> Finding:
    try:
        gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):
        return Finding("memory", "unknown")
    remedy = "set train.batch_size=4 and pretrain.batch_size=32, or use a machine with more memory"
    return Finding("memory", f"{gigabytes:.1f} GB", gigabytes >= LITTLE_MEMORY_GB, remedy)


def _torch() -> Finding:
    return _imported("torch", "torch", PAIR)


def _torchvision() -> Finding:
    """Torchvision built for another torch fails at import with ``operator torchvision::nms does not exist``."""
    return _imported("torchvision", "torchvision", PAIR)


def _unets() -> Finding:
    name = "segmentation-models-pytorch"
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "not installed", False, f"pip install {name}")


def _imported(name: str, module: str, remedy: str) -> Finding:
    try:
        found = import_module(module)
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        return Finding(name, f"cannot be loaded: {said}", False, remedy)
    return Finding(name, str(found.__version__))


def _gpu() -> Finding:
    import torch

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    if usable:
        return _cuda()
    if torch.backends.mps.is_available():
        return Finding("GPU", "Apple MPS")
    if shutil.which("nvidia-smi") is None:
        return Finding("GPU", "none; training takes minutes instead of seconds, pretraining hours")
    why = str(said[0].message).split(".")[0] if said else f"built for CUDA {torch.version.cuda}"
    return Finding(
        "GPU",
        f"an NVIDIA driver is installed, but torch cannot use it: {why}",
        False,
        "install a torch build for your driver: https://pytorch.org/get-started/locally",
    )


def _cuda() -> Finding:
    import torch

    try:
        name, (free, total) = torch.cuda.get_device_name(), torch.cuda.mem_get_info()
    except RuntimeError as error:
        said = str(error).splitlines()[0]
        return Finding("GPU", f"CUDA fails: {said}", False, "restart the machine, or set device=cpu")
    value = f"{name}, CUDA {torch.version.cuda}, {free / 2**30:.1f} of {total / 2**30:.1f} GB free"
    return Finding("GPU", value, free >= 2**30, "close other programs on the GPU, or set device=cpu")


def _processor() -> Finding:
    import torch

    from voidscope.model.devices import cpu_has_bfloat16

    speed = (
        "bfloat16 in hardware" if cpu_has_bfloat16() else "float32 only, about half as fast as with bfloat16"
    )
    n = torch.get_num_threads()
    return Finding("processor", f"{n} thread{'s' if n > 1 else ''}, {speed}")
