"""The sweep over a scan: order, padding, batches, and making do with little memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from model.networks import SMALL, pixelwise_segmenter
from voidscope.acquisition.missed import MISSED_FROM, MOST_PER_SLICE
from voidscope.errors import ConfigError, JobFailed
from voidscope.model import Compute, Segmenter, SlicePrediction, build_segmenter, predict_slices
from voidscope.model.predict import padded_shape

NORMALISATION = (0.4, 0.25)


def _images(n: int, shape: tuple[int, int] = (20, 31), seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).random((n, *shape), dtype=np.float32))


def _predict(segmenter: Segmenter, images: object, batch_size: int | None = None) -> list[SlicePrediction]:
    found = predict_slices(segmenter, images, NORMALISATION, "cpu", batch_size, gradients=True)  # type: ignore[arg-type]
    return list(found)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolve in float32, so that results can be compared."""
    monkeypatch.setattr("voidscope.model.devices.cpu_has_bfloat16", lambda: False)


@pytest.mark.parametrize(
    ("shape", "padded"),
    [((1, 1), (96, 96)), ((96, 96), (96, 96)), ((57, 97), (96, 128)), ((576, 577), (576, 608))],
)
def test_slices_are_padded_to_the_training_size_or_the_next_multiple_of_the_stride(
    shape: tuple[int, int], padded: tuple[int, int]
) -> None:
    assert padded_shape(shape) == padded


@pytest.mark.usefixtures("exact")
def test_a_prediction_is_what_the_network_says_about_the_normalised_slice() -> None:
    segmenter, (image,) = pixelwise_segmenter(), _images(1)
    with torch.no_grad():
        logits, features = segmenter(torch.from_numpy((image - 0.4) / 0.25)[None, None])
    (found,) = _predict(segmenter, [image])
    p = logits.double().softmax(1)[0].numpy()
    np.testing.assert_array_equal(found.mask, p.argmax(0) + 1)
    np.testing.assert_allclose(found.entropy, -(p * np.log(p)).sum(0), atol=1e-5)
    np.testing.assert_allclose(found.embedding, features.mean((0, 2, 3)), rtol=1e-5)


@pytest.mark.usefixtures("exact")
def test_suspects_are_the_pixels_called_otherwise_that_the_network_thinks_may_be_void() -> None:
    segmenter, images = pixelwise_segmenter(seed=3), _images(3)
    for image, found in zip(
        images, predict_slices(segmenter, images, NORMALISATION, "cpu", void_ids=(2,)), strict=True
    ):
        with torch.no_grad():
            logits, _ = segmenter(torch.from_numpy((image - 0.4) / 0.25)[None, None])
        p = logits.double().softmax(1)[0].numpy()
        expected = np.argwhere((p[1] >= MISSED_FROM) & (p.argmax(0) != 1))
        assert found.suspects is not None and len(expected)
        np.testing.assert_array_equal(found.suspects.pixels, expected)
        np.testing.assert_allclose(found.suspects.probability, p[1][tuple(expected.T)], rtol=1e-5)
        assert not found.suspects.votes.any()


@pytest.mark.usefixtures("exact")
def test_votes_count_the_mirror_images_in_which_void_is_likeliest() -> None:
    segmenter, (image,) = build_segmenter(SMALL, 3, seed=3), _images(1, (96, 96))
    (found,) = predict_slices(segmenter, [image], NORMALISATION, "cpu", flips=True, void_ids=(3,))
    votes = np.zeros(image.shape, int)
    for axes in ((), (0,), (1,), (0, 1)):
        (one,) = predict_slices(segmenter, [np.flip(image, axes).copy()], NORMALISATION, "cpu")
        votes += np.flip(one.mask == 3, axes)
    assert found.suspects is not None
    at = tuple(found.suspects.pixels.T)
    np.testing.assert_array_equal(found.suspects.votes, votes[at])
    only_some = (votes > 0) & (found.mask != 3)
    assert only_some.any()
    if len(at[0]) < MOST_PER_SLICE:
        assert only_some.sum() == only_some[at].sum()


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_slices_of_another_precision_are_predicted_too(dtype: type) -> None:
    images = [i.astype(dtype) for i in _images(2, (40, 40))]
    segmenter = build_segmenter(SMALL, 3)
    same = _predict(segmenter, [i.astype(np.float32) for i in images])
    for found, expected in zip(_predict(segmenter, images), same, strict=True):
        np.testing.assert_array_equal(found.mask, expected.mask)


def _with_flips(segmenter: Segmenter, images: list[np.ndarray]) -> list[SlicePrediction]:
    return list(predict_slices(segmenter, images, NORMALISATION, "cpu", flips=True))


@pytest.mark.usefixtures("exact")
def test_flips_average_the_probabilities_of_the_four_mirror_images_by_loops() -> None:
    segmenter, (image,) = build_segmenter(SMALL, 3, seed=1).eval(), _images(1, (40, 70))
    total, features = np.zeros((3, 40, 70)), np.zeros(16)
    for down, across in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        padded = np.zeros((96, 96), np.float32)
        padded[:40, :70] = ((image - 0.4) / 0.25)[::down, ::across]
        with torch.no_grad():
            logits, f = segmenter(torch.from_numpy(padded)[None, None])
        total += logits.double().softmax(1)[0, :, :40, :70].numpy()[:, ::down, ::across] / 4
        features += f[0, :, :40, :70].mean((1, 2)).double().numpy() / 4
    (found,) = _with_flips(segmenter, [image])
    np.testing.assert_array_equal(found.mask, total.argmax(0) + 1)
    np.testing.assert_allclose(found.entropy, -(total * np.log(total)).sum(0), atol=1e-4)
    np.testing.assert_allclose(found.embedding, features, rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("exact")
def test_with_flips_a_mirrored_slice_has_the_mirrored_mask_and_the_same_embedding() -> None:
    segmenter, (image,) = build_segmenter(SMALL, 3, seed=1), _images(1, (64, 96))
    (found,) = _with_flips(segmenter, [image])
    (other,) = _with_flips(segmenter, [image[::-1].copy()])
    np.testing.assert_allclose(other.entropy[::-1], found.entropy, atol=1e-5)
    np.testing.assert_allclose(other.embedding, found.embedding, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("shape", [(40, 33), (32, 48), (5, 7)])
def test_with_flips_each_view_says_in_which_tile_it_calls_pixels_otherwise(shape: tuple[int, int]) -> None:
    (image,), segmenter = _images(1, shape), build_segmenter(SMALL, 3, seed=4)
    (found,) = _with_flips(segmenter, [image])
    alone = [_predict(segmenter, [image[a, b]])[0].mask[a, b] for a in (WAY, BACK) for b in (WAY, BACK)]
    looks = [alone[0], alone[2], alone[1], alone[3]]  # as it is, upside down, left-right, both
    assert found.views is not None and any((one != found.mask).any() for one in looks)
    for view, mask in zip(found.views, looks, strict=True):
        for at in np.ndindex(view.shape[:2]):
            tile = tuple(slice(16 * k, 16 * k + 16) for k in at)
            slow = [int((mask[tile] == c).sum()) - int((found.mask[tile] == c).sum()) for c in (1, 2, 3)]
            assert view[at].tolist() == slow


WAY, BACK = slice(None), slice(None, None, -1)


def test_with_flips_a_certain_pixel_has_no_entropy_and_no_nan() -> None:
    segmenter = pixelwise_segmenter()
    with torch.no_grad():
        segmenter.head[0].weight.mul_(1e6)  # type: ignore[operator,union-attr]
    (found,) = _with_flips(segmenter, _images(1))
    assert np.isfinite(found.entropy).all()
    assert found.entropy.max() < 1e-3


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("smallest", [96, 160, 224])
def test_padding_never_changes_a_score(smallest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images = _images(3, (50, 40))
    monkeypatch.setattr("voidscope.model.predict.SMALLEST", 32)
    little = _predict(pixelwise_segmenter(), images)
    monkeypatch.setattr("voidscope.model.predict.SMALLEST", smallest)
    for a, b in zip(little, _predict(pixelwise_segmenter(), images), strict=True):
        assert a.views is b.views is None  # one look has no others
        assert a.suspects is None is b.suspects
        for name in set(a.__dataclass_fields__) - {"suspects", "views"}:
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-5, err_msg=name)


def test_padding_is_the_mean_so_it_is_zero_to_the_network() -> None:
    seen: list[torch.Tensor] = []
    segmenter = pixelwise_segmenter()
    segmenter.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    _predict(segmenter, _images(2, (20, 31)))
    (batch,) = seen
    assert batch.shape == (2, 1, 96, 96)
    assert not batch[:, :, 20:].any()
    assert not batch[:, :, :, 31:].any()
    assert batch[:, :, :20, :31].any()


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100, None])
def test_the_order_is_kept_and_the_batch_size_changes_nothing(batch_size: int | None) -> None:
    images, segmenter = _images(7), build_segmenter(SMALL, 3, seed=2)
    alone = [_predict(segmenter, [image])[0] for image in images]
    for a, b in zip(alone, _predict(segmenter, images, batch_size), strict=True):
        np.testing.assert_array_equal(a.mask, b.mask)
        np.testing.assert_allclose(a.entropy, b.entropy, atol=1e-4)


def test_slices_of_several_shapes_never_share_a_batch() -> None:
    shapes = [(20, 31), (20, 31), (97, 31), (20, 31), (31, 20)]
    images = [_images(1, s, seed=k)[0] for k, s in enumerate(shapes)]
    found = _predict(pixelwise_segmenter(), images, batch_size=8)
    assert [p.mask.shape for p in found] == shapes
    for image, prediction in zip(images, found, strict=True):
        np.testing.assert_array_equal(prediction.mask, _predict(pixelwise_segmenter(), [image])[0].mask)


def test_slices_are_asked_for_as_they_are_needed() -> None:
    asked: list[int] = []

    def images() -> Iterator[np.ndarray]:
        for k, image in enumerate(_images(10)):
            asked.append(k)
            yield image

    running = predict_slices(pixelwise_segmenter(), images(), NORMALISATION, "cpu", 2)
    assert asked == []
    next(running)
    assert len(asked) <= 3
    assert len(list(running)) == 9


def test_large_slices_go_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voidscope.model.predict.MOST_PIXELS", {"cpu": 96 * 96 * 2})
    sizes = _sizes_of_batches(pixelwise_segmenter(), _images(5) + _images(2, (200, 200)))
    assert sizes == [2, 2, 1, 1, 1]


def test_no_slices_give_no_predictions() -> None:
    assert _predict(pixelwise_segmenter(), []) == []


def test_the_network_is_put_in_its_evaluation_mode() -> None:
    segmenter = build_segmenter(SMALL, 3).train()
    before = {k: v.clone() for k, v in segmenter.state_dict().items()}
    _predict(segmenter, _images(2))
    assert all(torch.equal(v, before[k]) for k, v in segmenter.state_dict().items())


def test_nothing_of_torch_is_left_switched_off_between_two_predictions() -> None:
    running = predict_slices(pixelwise_segmenter(), _images(4), NORMALISATION, "cpu", 2)
    next(running)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("fits", [1, 2, 3])
def test_when_memory_runs_out_batches_are_halved_and_nothing_is_lost(fits: int) -> None:
    images = _images(9)
    expected = _predict(pixelwise_segmenter(), images)
    segmenter = pixelwise_segmenter()
    _limit_memory(segmenter, fits)
    found = _predict(segmenter, images, batch_size=8)
    assert [p.entropy_max for p in found] == [p.entropy_max for p in expected]


def test_a_slice_that_does_not_fit_alone_is_a_one_line_error() -> None:
    segmenter = pixelwise_segmenter()
    _limit_memory(segmenter, 0)
    with pytest.raises(JobFailed, match=r"One slice of \(20, 31\) pixels does not fit in memory"):
        _predict(segmenter, _images(3))


def test_a_gpu_that_is_too_small_for_one_slice_hands_over_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, placed = pixelwise_segmenter(), []
    _limit_memory(segmenter, 0)

    def place(compute: Compute, network: Segmenter) -> Segmenter:
        placed.append(compute.device.type)
        if compute.device.type == "cpu":
            network.encoder._forward_pre_hooks.clear()
        return network

    monkeypatch.setattr(Compute, "place", place)
    monkeypatch.setattr(
        "voidscope.model.devices.choose_device", lambda name: torch.device({"cuda": "meta"}.get(name, name))
    )
    monkeypatch.setattr("voidscope.model.predict.MOST_SLICES", {"meta": 2})
    monkeypatch.setattr("voidscope.model.predict.MOST_PIXELS", {"meta": 2**20})
    found = list(predict_slices(segmenter, _images(3), NORMALISATION, "cuda"))
    assert placed == ["meta", "cpu"]
    assert len(found) == 3


def test_other_errors_of_torch_become_one_line() -> None:
    segmenter = pixelwise_segmenter()
    segmenter.encoder.register_forward_pre_hook(_raise(RuntimeError("kernel image is invalid\nstack")))
    with pytest.raises(JobFailed, match=r"^Segmenting stopped: kernel image is invalid; .*doctor\.$"):
        _predict(segmenter, _images(1))


@pytest.mark.usefixtures("full_gpu")
def test_a_gpu_without_room_for_the_network_leaves_it_to_the_cpu_and_that_is_said() -> None:
    said: list[str] = []
    found = list(
        predict_slices(pixelwise_segmenter(), _images(3), NORMALISATION, gradients=True, tell=said.append)
    )
    assert said == ["memory ran out: going on without the GPU, which takes longer"]
    for one, other in zip(found, _predict(pixelwise_segmenter(), _images(3)), strict=True):
        np.testing.assert_array_equal(one.entropy, other.entropy)


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(ConfigError, match="no device 'abacus'"):
        next(predict_slices(pixelwise_segmenter(), _images(1), NORMALISATION, "abacus"))


def _sizes_of_batches(segmenter: Segmenter, images: list[np.ndarray]) -> list[int]:
    sizes: list[int] = []
    segmenter.encoder.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    _predict(segmenter, images)
    return sizes


def _limit_memory(segmenter: Segmenter, most: int) -> None:
    def check(_: object, inputs: tuple[torch.Tensor]) -> None:
        if len(inputs[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    segmenter.encoder.register_forward_pre_hook(check)


def _raise(error: Exception) -> object:
    def hook(*_: object) -> None:
        raise error

    return hook
