"""The network: its seam, where its weights come from, and that a seed decides them."""

from __future__ import annotations

import pytest
import torch

from model.networks import SMALL
from voidscope.config import ModelConfig
from voidscope.errors import ConfigError, NotReady, ProjectError
from voidscope.model import backbone_bytes, build_segmenter, load_segmenter, weights_bytes


@pytest.fixture(scope="module")
def pretrained() -> bytes:
    """Encoder and decoder that no seed of these tests would draw, with buffers that have seen data."""
    source = build_segmenter(SMALL, 2, seed=99)
    source.train()(torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(1)))
    return backbone_bytes(source)


def test_the_default_network_is_the_papers_unet_on_resnet18_with_one_channel() -> None:
    segmenter = build_segmenter(ModelConfig(), 5)
    assert sum(p.numel() for p in segmenter.parameters()) == 14_322_517
    assert (segmenter.n_classes, segmenter.embedding_width) == (5, 16)


@pytest.mark.parametrize("encoder", ["tu-mobilenetv3_small_050", "mobilenet_v2", "mit_b0"])
def test_every_encoder_gives_logits_and_sixteen_features_per_pixel(encoder: str) -> None:
    segmenter = build_segmenter(ModelConfig(encoder=encoder), 4).eval()
    with torch.no_grad():
        logits, features = segmenter(torch.zeros(2, 1, 96, 64))
    assert logits.shape == (2, 4, 96, 64)
    assert features.shape == (2, 16, 96, 64) == (2, segmenter.embedding_width, 96, 64)


def test_the_head_sees_the_features_in_full_precision() -> None:
    segmenter = build_segmenter(SMALL, 3).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits, features = segmenter(torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert features.dtype is torch.bfloat16
    assert logits.dtype is torch.float32
    with torch.no_grad():
        assert torch.equal(logits, segmenter.head(features.float()))


def test_one_seed_draws_one_network_and_another_seed_another() -> None:
    first = weights_bytes(build_segmenter(SMALL, 3, seed=7))
    assert weights_bytes(build_segmenter(SMALL, 3, seed=7)) == first
    assert weights_bytes(build_segmenter(SMALL, 3, seed=8)) != first


def test_building_a_network_leaves_the_worlds_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_segmenter(SMALL, 3, seed=7)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("initialisation", ["auto", "contrastive"])
def test_transfer_takes_encoder_decoder_and_buffers_and_draws_a_new_head(
    initialisation: str, pretrained: bytes
) -> None:
    source = build_segmenter(SMALL, 2, seed=99)
    source.train()(torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(1)))
    target = build_segmenter(SMALL.model_copy(update={"initialisation": initialisation}), 5, 3, pretrained)
    ours, theirs = target.state_dict(), source.state_dict()
    body = [k for k in theirs if not k.startswith("head.")]
    assert any(k.endswith("running_mean") for k in body)
    assert all(torch.equal(ours[k], theirs[k]) for k in body)
    fresh = build_segmenter(SMALL, 5, 3)
    assert all(
        torch.equal(a, b) for a, b in zip(target.head.parameters(), fresh.head.parameters(), strict=True)
    )
    assert target.head[0].weight.shape[0] == 5


def test_initialisation_none_ignores_pretrained_weights(pretrained: bytes) -> None:
    config = SMALL.model_copy(update={"initialisation": "none"})
    assert weights_bytes(build_segmenter(config, 3, 0, pretrained)) == weights_bytes(
        build_segmenter(config, 3, 0)
    )


def test_auto_without_pretraining_is_random_and_contrastive_without_it_is_refused() -> None:
    auto, none = (SMALL.model_copy(update={"initialisation": i}) for i in ("auto", "none"))
    assert weights_bytes(build_segmenter(auto, 3, 7)) == weights_bytes(build_segmenter(none, 3, 7))
    with pytest.raises(NotReady, match="run pretrain first"):
        build_segmenter(SMALL.model_copy(update={"initialisation": "contrastive"}), 3)


def test_pretrained_weights_of_another_encoder_are_refused_by_name(pretrained: bytes) -> None:
    with pytest.raises(ProjectError, match="of another network: decoder"):
        build_segmenter(ModelConfig(encoder="mobilenet_v2"), 3, 0, pretrained)


@pytest.mark.parametrize("encoder", ["resnet99", "tu-nosuch", "tu-vit_tiny_patch16_224"])
def test_an_encoder_that_gives_no_unet_is_named(encoder: str) -> None:
    with pytest.raises(ConfigError, match=f"model.encoder={encoder}.*resnet18 is the paper's") as said:
        build_segmenter(ModelConfig(encoder=encoder), 3)
    assert "\n" not in str(said.value)


def test_want_of_memory_is_not_the_encoders_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def unet(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9437184 bytes")

    monkeypatch.setattr("segmentation_models_pytorch.Unet", unet)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        build_segmenter(SMALL, 3)


def test_a_loaded_network_is_the_saved_one_and_ready_to_predict() -> None:
    saved = weights_bytes(build_segmenter(SMALL, 3, seed=4))
    loaded = load_segmenter(SMALL, 3, saved)
    assert weights_bytes(loaded) == saved
    assert not any(module.training for module in loaded.modules())


def test_weights_for_another_number_of_classes_are_refused() -> None:
    saved = weights_bytes(build_segmenter(SMALL, 3, seed=4))
    with pytest.raises(ProjectError, match=r"head\.0\.bias is \(3,\) there, \(4,\) here"):
        load_segmenter(SMALL, 4, saved)
