"""ImageNet weights: three colours become one, local files are checked, and a closed network is told what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch

from voidscope.config import ModelConfig
from voidscope.errors import CannotReadFile, NotReady
from voidscope.model import build_segmenter

ENCODER = "mobilenet_v2"


@pytest.fixture(scope="module")
def colour_encoder() -> torch.nn.Module:
    """An encoder with three input channels, in place of one trained on ImageNet."""
    return smp.encoders.get_encoder(ENCODER, in_channels=3, weights=None).eval()


def _config(file: Path | str = "") -> ModelConfig:
    return ModelConfig(encoder=ENCODER, initialisation="imagenet", imagenet_file=str(file))


@pytest.fixture
def saved(tmp_path: Path, colour_encoder: torch.nn.Module) -> Path:
    path = tmp_path / "weights.pth"
    torch.save({**colour_encoder.state_dict(), "classifier.1.weight": torch.zeros(1000, 1280)}, path)
    return path


def test_a_grey_slice_gives_what_three_equal_colours_give(
    saved: Path, colour_encoder: torch.nn.Module
) -> None:
    ours = build_segmenter(_config(saved), 3).encoder.eval()
    grey = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, expected = ours(grey)[-1], colour_encoder(grey.expand(1, 3, 64, 64))[-1]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_safetensors_files_and_old_files_without_counters_are_read_too(
    tmp_path: Path, colour_encoder: torch.nn.Module
) -> None:
    import safetensors.torch

    path = tmp_path / "weights.safetensors"
    kept = {
        k: v.contiguous()
        for k, v in colour_encoder.state_dict().items()
        if not k.endswith("num_batches_tracked")
    }
    safetensors.torch.save_file(kept, path)
    ours = build_segmenter(_config(path), 3).encoder.state_dict()
    name = next(k for k in kept if k.endswith("running_var"))
    assert torch.equal(ours[name], kept[name])


def test_decoder_and_head_are_drawn_as_without_imagenet(saved: Path) -> None:
    ours = build_segmenter(_config(saved), 3, seed=6)
    random = build_segmenter(ModelConfig(encoder=ENCODER, initialisation="none"), 3, seed=6)
    for part in ("decoder", "head"):
        a, b = getattr(ours, part).state_dict(), getattr(random, part).state_dict()
        assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"not weights at all"])
def test_an_unreadable_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CannotReadFile, match=r"weights\.pth: no readable state dict"):
        build_segmenter(_config(path), 3)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotReadFile, match=r"nowhere\.pth"):
        build_segmenter(_config(tmp_path / "nowhere.pth"), 3)


def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save(Payload(), tmp_path / "evil.pth")
    with pytest.raises(CannotReadFile):
        build_segmenter(_config(tmp_path / "evil.pth"), 3)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(CannotReadFile, match="holds a list, not a state dict"):
        build_segmenter(_config(tmp_path / "list.pth"), 3)


def test_a_file_of_another_encoder_is_refused_by_tensor(tmp_path: Path) -> None:
    torch.save(smp.encoders.get_encoder("resnet18", weights=None).state_dict(), tmp_path / "resnet.pth")
    with pytest.raises(CannotReadFile, match=r"is missing, the encoder needs .*use a file of this encoder"):
        build_segmenter(_config(tmp_path / "resnet.pth"), 3)


@pytest.mark.parametrize(
    "error", [OSError("no route\nto host"), ValueError("offline"), RuntimeError("x"), KeyError("imagenet")]
)
def test_a_closed_network_is_told_to_use_a_file(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(smp.encoders, "get_encoder", unreachable)
    with pytest.raises(NotReady, match=r"ImageNet weights of mobilenet_v2.*set model\.imagenet_file") as said:
        build_segmenter(_config(), 3)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(("name", "tag"), [("mobilenet_v2", "imagenet"), ("tu-mobilenetv3_small_050", True)])
def test_the_hub_is_asked_for_imagenet_weights_of_one_channel(
    name: str, tag: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}
    real = smp.encoders.get_encoder

    def hub(encoder: str, **wanted: object) -> torch.nn.Module:
        asked.update(wanted)
        return real(encoder, in_channels=1, weights=None)

    monkeypatch.setattr(smp.encoders, "get_encoder", hub)
    build_segmenter(ModelConfig(encoder=name, initialisation="imagenet"), 3)
    assert asked == {"in_channels": 1, "depth": 5, "weights": tag}
