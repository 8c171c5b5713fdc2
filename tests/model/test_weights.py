"""Weights as bytes: the same weights give the same bytes, and nothing damaged is ever loaded."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from torch import nn

from model.networks import pixelwise_segmenter
from voidscope.errors import ProjectError
from voidscope.model import backbone_bytes, load_backbone, load_weights, weights_bytes


@pytest.fixture
def saved() -> bytes:
    return weights_bytes(pixelwise_segmenter(seed=1))


def test_what_is_saved_is_what_is_loaded(saved: bytes) -> None:
    other = pixelwise_segmenter(seed=2)
    load_weights(other, saved)
    for ours, theirs in zip(other.parameters(), pixelwise_segmenter(seed=1).parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_same_weights_give_the_same_bytes_whatever_their_layout(saved: bytes) -> None:
    again = pixelwise_segmenter(seed=1)
    assert weights_bytes(again) == saved
    assert weights_bytes(again.to(memory_format=torch.channels_last)) == saved


def test_any_safetensors_reader_can_read_them(saved: bytes) -> None:
    import safetensors.torch

    tensors = safetensors.torch.load(saved)
    assert torch.equal(tensors["head.0.weight"], pixelwise_segmenter(seed=1).head[0].weight)


def test_every_truncation_is_refused_in_one_line(saved: bytes) -> None:
    for length in range(len(saved)):
        _refused(saved[:length])


def test_every_flipped_bit_of_the_header_and_a_thousand_others_are_refused(saved: bytes) -> None:
    rng = np.random.default_rng(0)
    header = 8 + int.from_bytes(saved[:8], "little")
    places = {(k, bit) for k in range(header) for bit in range(8)}
    places |= {
        (int(k), int(b))
        for k, b in zip(rng.integers(0, len(saved), 1000), rng.integers(0, 8, 1000), strict=True)
    }
    for place, bit in sorted(places):
        damaged = bytearray(saved)
        damaged[place] ^= 1 << bit
        _refused(bytes(damaged))


def test_a_refused_file_leaves_the_network_as_it_was(saved: bytes) -> None:
    network = pixelwise_segmenter(seed=2)
    before = weights_bytes(network)
    with pytest.raises(ProjectError):
        load_weights(network, saved[:-1])
    assert weights_bytes(network) == before


@pytest.mark.parametrize(
    "content", [b"", b"not weights", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{}"]
)
def test_foreign_files_are_refused(content: bytes) -> None:
    _refused(content)


def test_a_pickle_is_refused_and_not_run() -> None:
    file = io.BytesIO()
    torch.save(pixelwise_segmenter().state_dict(), file)
    _refused(file.getvalue())


def test_a_safetensors_file_without_our_checksum_is_refused() -> None:
    import safetensors.torch

    state = {k: v.contiguous() for k, v in pixelwise_segmenter().state_dict().items()}
    _refused(safetensors.torch.save(state))


def test_weights_of_another_network_are_named(saved: bytes) -> None:
    with pytest.raises(ProjectError, match=r"another network: head\.0\.bias is \(3,\) there, \(5,\) here"):
        load_weights(pixelwise_segmenter(n_classes=5), saved)
    with pytest.raises(ProjectError, match=r"bias is missing there, \(2,\) here"):
        load_weights(nn.Linear(2, 2), saved)


def test_the_backbone_has_no_head_and_loads_into_any_number_of_classes() -> None:
    source, target = pixelwise_segmenter(3, seed=1), pixelwise_segmenter(7, seed=2)
    head = target.head[0].weight.clone()
    data = backbone_bytes(source)
    names = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert not any(n.startswith("head") for n in names)
    load_backbone(target, data)
    assert torch.equal(target.decoder[0].weight, source.decoder[0].weight)
    assert torch.equal(target.head[0].weight, head)


def test_batch_norm_buffers_travel() -> None:
    source, target = (nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)) for _ in range(2))
    source(torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
    load_weights(target, weights_bytes(source))
    assert torch.equal(target[1].running_mean, source[1].running_mean)
    assert target[1].num_batches_tracked == 1


def _refused(data: bytes) -> None:
    with pytest.raises(ProjectError, match="is damaged") as said:
        load_weights(pixelwise_segmenter(), data)
    assert "\n" not in str(said.value)
