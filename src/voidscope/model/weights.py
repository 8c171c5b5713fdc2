"""Weights as bytes: safetensors that carry their own checksum, so that no damaged or foreign file is ever used.

The same weights always give the same bytes. Loading compares the checksum, every name and every shape with the
network first; a network is either loaded completely or left as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from voidscope.errors import ProjectError

NOT_HANDED_ON = ("head.", "detail.")
"""How names begin of tensors that pretraining does not hand on: those of the segmentation head and of the detail network."""


def weights_bytes(network: nn.Module) -> bytes:
    """All parameters and buffers of a network as a safetensors file."""
    return _encode(network.state_dict())


def load_weights(network: nn.Module, data: bytes) -> None:
    """Put the weights in `data`, made by `weights_bytes`, into a network of the same architecture.

    Raises
    ------
    ProjectError : the bytes are damaged or belong to another network.
    """
    _load(network, _decode(data))


def backbone_bytes(network: nn.Module) -> bytes:
    """Encoder and decoder with their batch-norm buffers, without the rest: what pretraining hands on (paper 3.1)."""
    return _encode({k: v for k, v in network.state_dict().items() if not k.startswith(NOT_HANDED_ON)})


def load_backbone(network: nn.Module, data: bytes) -> None:
    """Put the encoder and decoder in `data`, made by `backbone_bytes`, into a network; all else stays as it is.

    Raises
    ------
    ProjectError : the bytes are damaged or belong to another network.
    """
    kept = {k: v for k, v in network.state_dict().items() if k.startswith(NOT_HANDED_ON)}
    _load(network, {**_decode(data), **kept})


def _encode(tensors: Mapping[str, torch.Tensor]) -> bytes:
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    return safetensors.torch.save(plain, {"sha256": _digest(safetensors.torch.save(plain))})


def _decode(data: bytes) -> dict[str, torch.Tensor]:
    """Tensors by name; every way in which the bytes can be wrong ends in one `ProjectError`."""
    try:
        intact = _header(data)["__metadata__"]["sha256"] == _digest(data)
        tensors = safetensors.torch.load(data) if intact else {}
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ProjectError(f"{_damaged(data)} ({type(error).__name__}). {_WAY_OUT}") from error
    if not intact:
        raise ProjectError(f"{_damaged(data)} (checksum). {_WAY_OUT}")
    return tensors


def _load(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    ours = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    theirs = {name: tuple(t.shape) for name, t in tensors.items()}
    if ours != theirs:
        name = min(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))
        raise ProjectError(
            f"The weights are of another network: {name} is {theirs.get(name, 'missing')} there, "
            f"{ours.get(name, 'missing')} here; use the encoder, classes and model.detail they were trained with, or train again."
        )
    network.load_state_dict(dict(tensors))


_WAY_OUT = "Restore it from a backup or train again."


def _damaged(data: bytes) -> str:
    return f"A weights file of {len(data)} bytes is damaged"


def _data_start(data: bytes) -> int:
    """Where the tensors begin: after an 8-byte length and the JSON header of that length."""
    return 8 + int.from_bytes(data[:8], "little")


def _header(data: bytes) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(data[8 : _data_start(data)])
    return tree


def _digest(data: bytes) -> str:
    """SHA-256 of all names, types, shapes and values of a safetensors file, without its metadata."""
    described = {name: about for name, about in _header(data).items() if name != "__metadata__"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    digest.update(memoryview(data)[_data_start(data) :])
    return digest.hexdigest()
