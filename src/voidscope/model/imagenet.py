"""ImageNet weights for the encoder: from the hub as smp does it, or from a local file on closed networks."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from voidscope.config import ModelConfig
from voidscope.errors import CannotReadFile, NotReady
from voidscope.model.failures import one_line


def load_imagenet(encoder: nn.Module, config: ModelConfig) -> None:
    """Put ImageNet weights into a one-channel encoder.

    The first convolution is summed over red, green and blue, which equals feeding the grey image three times.

    Raises
    ------
    CannotReadFile : the file of `config.imagenet_file` is unreadable or of another encoder.
    NotReady : no file is given and the hub cannot be reached or has no such weights.
    """
    if config.imagenet_file:
        path = Path(config.imagenet_file).expanduser()
        _put(encoder, _read(path), path)
    else:
        encoder.load_state_dict(_from_hub(config.encoder))


def _from_hub(name: str) -> Mapping[str, torch.Tensor]:
    import segmentation_models_pytorch as smp

    try:
        found = smp.encoders.get_encoder(name, in_channels=1, depth=5, weights=_tag(name))
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise NotReady(
            f"Cannot fetch ImageNet weights of {name}: {one_line(error)[:120]}; set model.imagenet_file to a local "
            "state dict, or model.initialisation=none."
        ) from error
    state: Mapping[str, torch.Tensor] = found.state_dict()
    return state


def _tag(name: str) -> str | bool:
    """What smp calls ImageNet weights; encoders taken from timm have them under their own name."""
    return True if name.startswith("tu-") else "imagenet"


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    """A state dict from safetensors, or from a torch file without running any code in it."""
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, KeyError, ValueError, TypeError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:  # fmt: skip
        raise CannotReadFile(path, f"no readable state dict: {one_line(error)[:160]}") from error
    if not isinstance(state, Mapping) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise CannotReadFile(path, f"holds a {type(state).__name__}, not a state dict of tensors")
    return state


def _put(encoder: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Copy every tensor the encoder has; tensors of a classifier the file has besides are left out."""
    wanted = encoder.state_dict()
    prefix = next((p for p in ("", "model.", "encoder.") if p + next(iter(state), "") in wanted), "")
    given = {prefix + name: tensor for name, tensor in state.items()}
    for name, ours in wanted.items():
        theirs = _summed(given.get(name), ours)
        if theirs is None and name.endswith("num_batches_tracked"):
            theirs = ours  # files of old torch versions lack the counter, which inference never reads
        if theirs is None or theirs.shape != ours.shape:
            shape = "missing" if theirs is None else tuple(theirs.shape)
            raise CannotReadFile(
                path, f"{name} is {shape}, the encoder needs {tuple(ours.shape)}; use a file of this encoder"
            )
        wanted[name] = theirs
    encoder.load_state_dict(wanted)


def _summed(theirs: torch.Tensor | None, ours: torch.Tensor) -> torch.Tensor | None:
    """`theirs` with its three colour channels summed where the encoder has one channel."""
    if theirs is not None and theirs.ndim == 4 and theirs.shape[1] == 3 and ours.shape[1] == 1:
        return theirs.sum(1, keepdim=True)
    return theirs
